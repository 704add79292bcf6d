"""Products, counts and moves out of a real Tryton."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from omnihub.connect.errors import AuthFailed, Transient
from omnihub.connect.sdk import Health, Offset, Stream
from omnihub.model.ids import CommandId, Sku
from omnihub.model.records import (
    MovementKind,
    ProductStatus,
    ProductUpserted,
    Refetch,
    StockCounted,
    StockMoved,
)
from omnihub.model.time import from_us
from omnihub_connectors.tryton.books import add_user
from omnihub_connectors.tryton.doubles import (
    ERP,
    OPENING_DAY,
    OPENING_MILLI,
    PRODUCTS,
    TENANT,
    Poller,
    Shop,
)
from omnihub_connectors.tryton.seed import NewProduct, Quantity

pytestmark = pytest.mark.tryton

BRUSSELS = ZoneInfo("Europe/Brussels")
DELIVERY_DAY = date(2026, 3, 4)


async def test_products_come_with_the_name_of_their_template(shop: Shop) -> None:
    pages = await Poller(shop.connector(), "products").news(limit=25)

    events = shop.events(pages)
    titles = {each.sku: each.title for each in events if isinstance(each, ProductUpserted)}
    assert len(pages) >= 3
    assert {each.sku: each.name for each in PRODUCTS}.items() <= titles.items()


async def test_a_new_name_and_an_archived_product_are_news_of_the_template(shop: Shop) -> None:
    await shop.seed.add_products([NewProduct(Sku(f"{shop.code}-X"), "Old name")])
    feed = Poller(shop.connector(), "templates")
    await feed.news()
    [template] = await shop.admin.call(
        "model.product.template.search", [["name", "=", "Old name"]], 0, None, None
    )
    values = {"name": f"New name {shop.code}", "active": False}
    await shop.admin.call("model.product.template.write", [template], values)

    [event] = shop.events(await feed.news())

    assert isinstance(event, ProductUpserted)
    assert (event.title, event.status) == (f"New name {shop.code}", ProductStatus.ARCHIVED)


async def test_a_count_holds_for_the_end_of_its_day(shop: Shop) -> None:
    events = shop.events(await Poller(shop.connector(), "counts").news())

    counts = [each for each in events if isinstance(each, StockCounted)]
    assert {each.sku: each.quantity_milli for each in counts} == {
        product.sku: OPENING_MILLI for product in PRODUCTS
    }
    as_of = from_us(counts[0].as_of_us).astimezone(BRUSSELS)
    assert (as_of.date(), as_of.hour, as_of.minute) == (OPENING_DAY, 23, 59)
    assert counts[0].location == shop.code


async def test_a_receipt_is_a_move_and_a_count_is_not(shop: Shop) -> None:
    await shop.seed.receive(shop.code, DELIVERY_DAY, [Quantity(Sku("SKU-001"), 6000)])

    events = shop.events(await Poller(shop.connector(), "moves").news())

    [receipt] = [each for each in events if isinstance(each, StockMoved)]
    assert receipt.kind is MovementKind.RECEIPT
    assert (receipt.from_location, receipt.to_location) == (None, shop.code)
    assert (receipt.sku, receipt.quantity_milli) == ("SKU-001", 6000)
    moved = from_us(receipt.meta.occurred_at_us).astimezone(BRUSSELS)
    assert (moved.date(), moved.hour) == (DELIVERY_DAY, 12)


async def test_a_count_entered_today_holds_for_the_moment_it_was_entered(shop: Shop) -> None:
    counts = Poller(shop.connector(), "counts")
    await counts.news()
    today = datetime.now(UTC).astimezone(BRUSSELS).date()
    await shop.seed.count(shop.code, today, [Quantity(Sku("SKU-001"), 7000)])

    [counted] = shop.events(await counts.news())

    assert isinstance(counted, StockCounted)
    age_s = (datetime.now(UTC) - from_us(counted.as_of_us)).total_seconds()
    assert 0 <= age_s < 60


async def test_a_page_may_end_among_rows_of_one_transaction(shop: Shop) -> None:
    """All lines of an inventory carry one time stamp."""
    pages = await Poller(shop.connector(), "counts").news(limit=7)

    told = shop.told(pages)
    assert len(pages) == 9
    assert len(told) == len(PRODUCTS)


async def test_any_offset_gives_the_same_page_and_the_same_rest_again(shop: Shop) -> None:
    one, other = shop.connector(), shop.connector()
    for feed in ("counts", "products"):
        offsets: list[Offset | None] = [None]
        bodies = []
        while (batch := await one.poll(Stream(feed), offsets[-1], 13)).deliveries:
            assert await other.poll(Stream(feed), offsets[-1], 13) == batch
            bodies.append([shop.told([each]) for each in batch.deliveries])
            offsets.append(batch.next)

        middle = len(bodies) // 2
        rest = await Poller(other, feed, offsets[middle]).news(limit=13)
        assert [[shop.told([each])] for each in rest] == bodies[middle:]


async def test_nothing_new_gives_nothing_and_in_the_end_moves_no_offset(shop: Shop) -> None:
    counts = Poller(shop.connector(), "counts")
    assert await counts.news()
    offsets = []
    for _ in range(5):
        assert await counts.news() == []
        offsets.append(counts.at)

    assert offsets[-1] == offsets[-2]


async def test_a_row_that_appears_behind_the_frontier_is_found(shop: Shop) -> None:
    """Its transaction began before, and ended after, one that was read already."""
    moves = Poller(shop.connector(), "moves")
    await shop.seed.receive(shop.code, DELIVERY_DAY, [Quantity(Sku("SKU-001"), 1000)])
    await moves.news()
    await shop.seed.receive(shop.code, DELIVERY_DAY, [Quantity(Sku("SKU-002"), 2000)])
    _date_back_last_move(shop, seconds=10)

    events = shop.events(await moves.news())

    assert "SKU-002" in {each.sku for each in events if isinstance(each, StockMoved)}
    assert await moves.news() == []


def _date_back_last_move(shop: Shop, seconds: int) -> None:
    """Give the newest move the time stamp of a transaction that began earlier."""
    with closing(sqlite3.connect(shop.server.database_file)) as database, database:
        database.execute(
            "UPDATE stock_move SET write_date = strftime('%Y-%m-%d %H:%M:%f', write_date, ?)"
            " WHERE id = (SELECT max(id) FROM stock_move)",
            (f"-{seconds} seconds",),
        )


async def test_a_cancelled_move_is_told_with_its_reversal(shop: Shop) -> None:
    await shop.seed.receive(shop.code, DELIVERY_DAY, [Quantity(Sku("SKU-003"), 4000)])
    moves = Poller(shop.connector(), "moves")
    [before] = shop.told(await moves.news())
    [move] = await shop.admin.search_read(
        "stock.move", [["to_location.code", "=", shop.code], ["origin", "=", None]], ["id"]
    )
    await shop.admin.press("stock.move", "cancel", [move["id"]])

    told = shop.told(await moves.news())

    assert told[0] == before
    [back] = told[1].events
    assert isinstance(back, StockMoved)
    assert (back.from_location, back.to_location) == (shop.code, None)


async def test_a_row_is_read_again_on_request(shop: Shop) -> None:
    [entity] = await shop.admin.call(
        "model.product.product.search", [["code", "=", "SKU-005"]], 0, None, None
    )
    command = Refetch(
        command_id=CommandId("r"), tenant=TENANT, instance=ERP, target="x", cause_id="c",
        accepted_at_us=1, type="product.product", entity_id=str(entity), reason="test",
    )  # fmt: skip

    [event] = shop.events(await shop.connector().refetch(command))

    assert isinstance(event, ProductUpserted)
    assert event.sku == "SKU-005"


async def test_check_finds_nothing_wrong_with_the_rights_of_the_readme(shop: Shop) -> None:
    findings = await shop.connector().check()

    bad = [each for each in findings if each.health is Health.FAILED]
    assert not bad
    points = [each.point for each in findings]
    assert points == ["server", "account", "clock", "rights", "locations", "sales", "leftovers"]


async def test_check_names_what_is_wrong_and_its_cure(shop: Shop) -> None:
    await add_user(shop.admin, "weak", shop.config.password, groups=())
    weak = shop.connector(user="weak", locations=("nowhere",))

    findings = {each.point: each for each in await weak.check()}

    assert findings["rights"].health is Health.FAILED
    assert "assign_force" in findings["rights"].detail
    assert "nowhere" in findings["locations"].detail
    assert findings["rights"].cure


async def test_a_wrong_password_is_told_as_such(shop: Shop) -> None:
    stranger = shop.connector(password=SecretStr("wrong"))

    with pytest.raises(AuthFailed):
        await stranger.poll(Stream("products"), None, 10)
    [server, account] = await stranger.check()
    assert (server.health, account.health) == (Health.OK, Health.FAILED)


async def test_a_server_that_is_away_is_waited_for(shop: Shop) -> None:
    feed = Poller(shop.connector(), "products")
    assert await feed.news()
    shop.server.kill()
    try:
        with pytest.raises(Transient):
            await feed.news()
    finally:
        shop.server.start()

    assert await feed.news() == []
