"""Orders over shop, app, API and tills: each counts once or says why not, and leaves nothing."""

import os
import shlex
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from ordering import CLOSED, Counter
from running_hub import STORE, WEB_STORE, Hub
from till_files import collected, poslog
from web_shop import Shop, body_of, signed

BUYERS = 50
pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def desk(hub: Hub) -> Iterator[httpx.Client]:
    """Somebody with a key that may write."""
    key = hub.command_json("keys", "add", "desk", "--scope", "write")["key"]
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=hub.api.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def counter(hub: Hub, shop: Shop, desk: httpx.Client) -> Iterator[Counter]:
    """Whatever happens to an order, nothing of it is left waiting for a person."""
    waiting = {row["park_key"] for row in hub.parked("")}
    yield Counter(hub, shop, desk)
    assert {row["park_key"] for row in hub.parked("")} <= waiting


def test_a_web_order_is_confirmed_shipped_and_completed_and_the_shop_shows_it(
    counter: Counter,
) -> None:
    counter.count(5000, "O-ship", 9, WEB_STORE)
    placed = counter.buy_in_shop("O-ship", 2)
    order = counter.until_numbered(placed["number"], "shop", "CONFIRMED")
    assert (order["total_minor"], order["currency"]) == (398, "USD")
    assert [line["quantity_milli"] for line in order["lines"]] == [2000]
    assert counter.shelf("O-ship", WEB_STORE) == (9, 0, 2)
    counter.hub.until(lambda: quantity(counter, "O-ship") == 7, "the shop offers the rest")

    counter.report(order["order_id"], WEB_STORE, "SHIPPED")
    done = counter.until_status(order["order_id"], "COMPLETED")
    assert [each["status"] for each in done["fulfilments"]] == ["SHIPPED"]
    counter.hub.until(lambda: counter.shown_in_shop(placed["id"]) == "completed", "shown")
    counter.hub.settle()
    assert counter.shelf("O-ship", WEB_STORE) == (7, 0, 0)
    assert quantity(counter, "O-ship") == 7
    assert counter.order(order["order_id"])["seq"] == done["seq"]  # its echo is no news


def quantity(counter: Counter, sku: str) -> int:
    return int(counter.shop.product(sku)["stock_quantity"])


def test_what_the_app_ordered_is_collected_at_the_till(counter: Counter) -> None:
    counter.count(5100, "O-collect", 6, STORE)
    counter.tell_by_app(
        "Order Completed",
        "APP-collect",
        "O-collect",
        pieces=2,
        pickup_location=STORE,
        payment_method="pay_in_store",
    )
    order = counter.until_numbered("APP-collect", "app", "CONFIRMED")
    assert order["payment"] == "ON_COLLECTION"
    assert [each["location"] for each in order["fulfilments"]] == [STORE]
    counter.report(order["order_id"], STORE, "READY_FOR_PICKUP")
    counter.hub.until(lambda: steps(counter, order) == ["READY_FOR_PICKUP"], "ready")
    assert counter.shelf("O-collect", STORE) == (6, 0, 2)

    receipt = collected(5101, "O-collect", 2, order="APP-collect", source="app")
    counter.hub.drop("collected.xml", poslog(receipt))
    counter.hub.drop("collected-again.xml", poslog(receipt))
    counter.until_status(order["order_id"], "COMPLETED")
    assert steps(counter, order) == ["COLLECTED"]
    counter.hub.settle()
    assert counter.shelf("O-collect", STORE) == (4, 0, 0)


def steps(counter: Counter, order: dict[str, Any]) -> list[str]:
    return [each["status"] for each in counter.order(order["order_id"])["fulfilments"]]


def test_an_update_that_comes_before_the_creation_places_the_order_once(counter: Counter) -> None:
    counter.count(5200, "O-late", 8, STORE)
    counter.tell_by_app("Order Updated", "APP-late", "O-late", minute=5, pieces=3)
    order = counter.until_numbered("APP-late", "app", "CONFIRMED")
    counter.tell_by_app("Order Completed", "APP-late", "O-late", minute=0, pieces=1)
    neighbour_is_confirmed(counter, "beside-late")
    counter.hub.settle()
    assert counter.order(order["order_id"]) == order
    assert counter.shelf("O-late", STORE) == (8, 0, 3)
    assert not counter.hub.rejected(order["order_id"])


def neighbour_is_confirmed(counter: Counter, name: str) -> None:
    """Place an order that came in later, and see that it does not wait for anything."""
    if counter.hub.level("O-beside") is None:
        counter.count(5999, "O-beside", 99, STORE)
    counter.tell_by_app("Order Completed", name, "O-beside")
    counter.until_numbered(name, "app", "CONFIRMED")


def test_a_webhook_delivered_three_times_is_one_order(counter: Counter) -> None:
    counter.count(5300, "O-thrice", 7, WEB_STORE)
    placed = counter.buy_in_shop("O-thrice", 1)
    order = counter.until_numbered(placed["number"], "shop", "CONFIRMED")
    body = body_of(placed)
    headers = {**signed(body), "X-WC-Webhook-Topic": "order.created"}
    for _ in range(3):
        answer = counter.hub.webhook(body, {**headers, "X-WC-Webhook-Resource": "order"})
        assert answer.status_code == 202
    counter.hub.settle()
    (same,) = counter.numbered(placed["number"], "shop")
    assert (same["status"], same["seq"]) == ("CONFIRMED", order["seq"])
    assert counter.shelf("O-thrice", WEB_STORE) == (7, 0, 1)


def test_an_order_for_an_unknown_product_waits_until_the_cure_is_run(counter: Counter) -> None:
    counter.tell_by_app("Order Completed", "APP-unknown", "NEW-9")
    neighbour_is_confirmed(counter, "beside-unknown")
    (parked,) = counter.hub.until(lambda: counter.hub.parked("'NEW-9'"), "parked")
    assert parked["error"] == "sku 'NEW-9' of app has no canonical id"
    assert not counter.numbered("APP-unknown", "app")
    program, *words, blank = shlex.split(parked["cure"])
    assert (program, blank) == ("omnihub", "CANONICAL")
    assert counter.hub.command(*words, "O-beside").returncode == 0
    counter.until_numbered("APP-unknown", "app", "CONFIRMED")
    counter.hub.until(lambda: not counter.hub.parked("'NEW-9'"), "nothing waits")


@pytest.mark.parametrize(
    ("wrong", "reason_code", "words"),
    [
        ({"currency": "EUX"}, "wrong_currency", "EUX"),
        ({"total": 77.0}, "wrong_total", "make 200, its total says 7700 minor units of USD"),
        ({"pieces": -1}, "bad_quantity", "quantity -1 is not above 0"),
    ],
)
def test_an_order_that_cannot_be_right_is_refused_with_its_reason_alone(
    counter: Counter, wrong: dict[str, Any], reason_code: str, words: str
) -> None:
    name = f"APP-{reason_code}"
    counter.tell_by_app("Order Completed", name, "O-beside", **wrong)
    neighbour_is_confirmed(counter, f"beside-{reason_code}")
    (refused,) = counter.hub.until(lambda: counter.hub.rejected(name), "refused")
    assert (refused["reason_code"], refused["source"]) == (reason_code, "app")
    assert words in refused["detail"]
    assert not counter.numbered(name, "app")
    assert not counter.hub.parked(name)


def test_a_cancelled_order_cannot_be_shipped(counter: Counter) -> None:
    counter.count(5400, "O-cancel", 3, WEB_STORE)
    order_id = counter.ask("lab-cancel", "O-cancel").json()["order_id"]
    counter.until_status(order_id, "CONFIRMED")
    counter.cancel(order_id)
    counter.until_status(order_id, "CANCELLED")
    counter.hub.settle()  # its pieces go back to the shelf a moment after it is cancelled
    cancelled = counter.order(order_id)
    counter.report(order_id, WEB_STORE, "SHIPPED")
    (refused,) = counter.hub.until(lambda: counter.hub.rejected(order_id), "refused")
    assert refused["reason_code"] == "illegal_transition"
    assert "CANCELLED" in refused["detail"]
    counter.hub.settle()
    assert counter.order(order_id) == cancelled
    assert counter.shelf("O-cancel", WEB_STORE) == (3, 0, 0)
    assert not counter.hub.parked(order_id)


def test_a_repeated_request_is_the_same_order_and_another_one_under_its_key_is_422(
    counter: Counter,
) -> None:
    counter.count(5500, "O-key", 5, WEB_STORE)
    first, again = counter.ask("lab-key", "O-key"), counter.ask("lab-key", "O-key")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = counter.ask("lab-key", "O-key", pieces=2)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")
    counter.until_status(first.json()["order_id"], "CONFIRMED")
    counter.hub.settle()
    assert counter.shelf("O-key", WEB_STORE) == (5, 0, 1)


def test_of_fifty_buyers_of_the_last_piece_one_gets_it_though_a_worker_dies(
    counter: Counter,
) -> None:
    hub = counter.hub
    counter.count(5600, "O-last", 1, WEB_STORE)
    keys = [f"lab-last-{number}" for number in range(BUYERS)]
    worker = hub.process("worker-0")
    with ThreadPoolExecutor(BUYERS) as buyers:
        asked = [buyers.submit(counter.ask, key, "O-last") for key in keys]
        hub.until(lambda: sum(each.done() for each in asked) >= BUYERS // 3, "a third asked")
        os.kill(worker["pid"], signal.SIGKILL)
    answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {202}
    ids = [answer.json()["order_id"] for answer in answers]
    assert len(set(ids)) == BUYERS

    hub.until(lambda: all(decided(counter, each) for each in ids), "all are decided", 60)
    hub.settle()
    orders = [counter.order(each) for each in ids]
    statuses = sorted(order["status"] for order in orders)
    assert statuses == ["CONFIRMED"] + ["REFUSED"] * (BUYERS - 1)
    assert {o["reason"] for o in orders if o["status"] == "REFUSED"} == {"not_enough_stock"}
    assert counter.shelf("O-last", WEB_STORE) == (1, 0, 1)
    assert hub.process("worker-0")["restarts"] == worker["restarts"] + 1
    assert not hub.parked("O-last")


def decided(counter: Counter, order_id: str) -> bool:
    return counter.order(order_id).get("status") in ("CONFIRMED", *CLOSED)
