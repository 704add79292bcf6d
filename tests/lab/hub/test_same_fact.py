"""One fact, told often, late, reversed and by every way: one effect, and nothing comes back."""

import time
from typing import Any

from running_hub import WEB_STORE, Hub
from till_files import counted, poslog, sold
from web_shop import Shop, body_of, signed


def test_a_sale_told_twice_reversed_and_inside_another_file_counts_once(hub: Hub) -> None:
    count = counted(2000, "T-20", 100)
    sales = [sold(2000 + number, "T-20", number) for number in range(1, 6)]
    hub.drop("day.xml", poslog(count, *sales))
    hub.drop("again.xml", poslog(count, *sales))
    hub.drop("reversed.xml", poslog(*reversed(sales), count))
    hub.drop("inside.xml", poslog(sales[2], sold(2010, "T-20"), sales[0]))
    hub.until_on_hand("T-20", (100 - 15 - 1) * 1000)
    hub.settle()
    level = hub.level("T-20")
    assert level is not None
    assert (level["on_hand_milli"], level["seq"]) == (84_000, 7)  # a count and six sales


def test_a_count_told_late_covers_what_was_sold_before_it_and_nothing_after(hub: Hub) -> None:
    hub.drop("noon.xml", poslog(sold(2100, "T-21", 3, at="10:00:00"), sold(2101, "T-21", 4)))
    hub.until_on_hand("T-21", -7_000)
    hub.drop("count.xml", poslog(counted(2102, "T-21", 50, at="11:00:00")))
    hub.until_on_hand("T-21", 46_000)
    hub.drop("late.xml", poslog(sold(2103, "T-21", 9, at="10:30:00"), sold(2104, "T-21")))
    hub.until_on_hand("T-21", 45_000)


def test_a_count_older_than_a_known_one_is_refused_and_changes_nothing(hub: Hub) -> None:
    hub.drop("newer.xml", poslog(counted(2200, "T-22", 30, at="11:00:00")))
    hub.until_on_hand("T-22", 30_000)
    hub.drop("older.xml", poslog(counted(2201, "T-22", 99, at="09:00:00"), sold(2202, "T-22")))
    hub.until_on_hand("T-22", 29_000)
    (refused,) = hub.until(lambda: hub.rejected("T-22"), "refused")
    assert refused["reason_code"] == "stale_count"
    assert hub.on_hand("T-22") == 29_000


def test_a_line_told_again_with_another_quantity_is_refused_and_the_first_one_stays(
    hub: Hub,
) -> None:
    hub.drop("first.xml", poslog(counted(2300, "T-23", 10), sold(2300, "T-23", 1)))
    hub.until_on_hand("T-23", 9_000)
    hub.drop("other.xml", poslog(sold(2300, "T-23", 5), sold(2301, "T-23", 2)))
    hub.until_on_hand("T-23", 7_000)
    (refused,) = hub.until(lambda: hub.rejected("367:3:2026-11-16:2300:1"), "refused")
    assert refused["reason_code"] == "conflicting_fact"


def test_a_product_told_by_webhook_poll_and_hand_is_told_once(hub: Hub, shop: Shop) -> None:
    row = shop.product("W-twice")
    changed = shop.change(row["id"], name="Told by every way")
    for body in (body_of(changed), body_of([changed])):
        assert hub.webhook(body, signed(body)).status_code == 202
    hub.until(lambda: hub.title("W-twice") == "Told by every way", "told")
    time.sleep(2.5)  # the poll takes a second when it is over, and looks every second
    hub.settle()
    known = hub.product("W-twice")
    assert known is not None
    assert (known["title"], known["seq"]) == ("Told by every way", 2)


def test_of_two_versions_of_one_second_the_shop_says_which_is_true(hub: Hub, shop: Shop) -> None:
    older, newer = twice_within_a_second(shop, "W-second")
    hub.until(lambda: hub.title("W-second") == newer["name"], "the newer one")
    body = body_of(older)
    assert hub.webhook(body, signed(body)).status_code == 202
    hub.settle()
    assert hub.title("W-second") == newer["name"]
    assert "Refetch" in hub.command("topics", "tail", "omni.command.shop.v1").stdout


def twice_within_a_second(shop: Shop, sku: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Edit a product twice so fast that both edits carry the same date."""
    product_id = shop.product(sku)["id"]
    for attempt in range(20):
        older = shop.change(product_id, name=f"Older {attempt}")
        newer = shop.change(product_id, name=f"Newer {attempt}")
        if older["date_modified_gmt"] == newer["date_modified_gmt"]:
            return older, newer
    raise AssertionError("the shop never made two edits within a second")


def test_a_deleted_product_is_not_resurrected_by_older_pages(hub: Hub, shop: Shop) -> None:
    before = shop.product("W-gone")
    edited = shop.change(before["id"], name="Its last name")
    hub.until(lambda: hub.title("W-gone") == "Its last name", "edited")
    assert shop.rest.delete(f"/products/{before['id']}").status_code == 200
    archived = hub.until(lambda: archived_product(hub, "W-gone"), "archived")
    for page in ([before, edited], edited, before):
        body = body_of(page)
        assert hub.webhook(body, signed(body)).status_code == 202
    hub.settle()
    # Unchanged down to its sequence: it did not come to life in between either.
    assert hub.product("W-gone") == archived
    assert archived["title"] == "Its last name"


def archived_product(hub: Hub, sku: str) -> dict[str, Any]:
    """Return the product once it is archived."""
    known = hub.product(sku)
    return known if known is not None and known["status"] == "ARCHIVED" else {}


def test_a_sale_at_the_till_reaches_the_web_store_and_its_echo_changes_nothing(
    hub: Hub, shop: Shop
) -> None:
    count = counted(2400, "W-sold", 40, store="500")
    hub.drop("web-count.xml", poslog(count, sold(2400, "W-sold", 3, store="500")))
    hub.until(lambda: shop.product("W-sold")["stock_quantity"] == 37, "the shop shows 37")
    shop.change(shop.product("W-sold")["id"], stock_quantity=12)
    time.sleep(2.5)  # webhook and poll tell the hand-made quantity: it is no count
    hub.settle()
    assert hub.on_hand("W-sold", WEB_STORE) == 37_000
