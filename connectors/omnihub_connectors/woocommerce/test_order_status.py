"""Order statuses out, and what the shop then tells: no news."""

import json

import pytest

from omnihub.connect.errors import PartialWrite
from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import ObservedLine, ObservedOrder, Stream
from omnihub.model.ids import Sku
from omnihub.model.record import Record
from omnihub.model.records import OrderIntent, OrderPlaced, OrderStatus
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import ORDERS, WooCommerce
from omnihub_connectors.woocommerce.doubles import (
    Clock,
    CodeTable,
    Hub,
    Worker,
    checkout,
    level,
    simple,
    status_of,
)
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.simulator import Answer, Shop

COD = {"payment_method": "cod", "set_paid": False, "status": "on-hold"}


@pytest.fixture
def worker(config: WooCommerceConfig, refs: CodeTable) -> Worker:
    return Worker(WooCommerceMapping(config, TOKENS), refs)


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.load([simple("A", 5), simple("B", 5)])
    return shop


def deliver(worker: Worker, hub: Hub) -> list[Record]:
    """Hand every webhook about orders that arrived to the worker."""
    arrived, hub.deliveries = hub.deliveries, []
    return [
        record
        for headers, body in arrived
        if headers["x-wc-webhook-resource"] == "order"
        for record in worker.accept(body, stream=headers["x-wc-webhook-topic"], headers=headers)
    ]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (OrderStatus.CONFIRMED, "processing"),
        (OrderStatus.FULFILLED, "processing"),
        (OrderStatus.COMPLETED, "completed"),
        (OrderStatus.REFUSED, "cancelled"),
        (OrderStatus.CANCELLED, "cancelled"),
    ],
)
async def test_the_shop_shows_what_the_hub_decided_and_tells_no_news_of_it(
    woo: WooCommerce,
    worker: Worker,
    stocked: Shop,
    hub: Hub,
    clock: Clock,
    wanted: OrderStatus,
    shown: str,
) -> None:
    await woo.tend()
    stocked.orders.create(checkout("A", **COD))
    await stocked.deliveries.drain()
    assert len(deliver(worker, hub)) == 2
    clock.pass_s(2)
    await woo.write([status_of(1000, wanted)])
    await stocked.deliveries.drain()
    assert stocked.orders.get(1000)["status"] == shown
    assert deliver(worker, hub) == []
    clock.pass_s(5)
    batch = await woo.poll(Stream(ORDERS), {"after": "2026-11-22T09:00:00"}, 10)
    assert len(batch.deliveries) == 1
    assert worker.accept_all(batch.deliveries, ORDERS) == []


async def test_statuses_one_after_the_other_are_no_news_either(
    woo: WooCommerce, worker: Worker, stocked: Shop, hub: Hub, clock: Clock
) -> None:
    await woo.tend()
    stocked.orders.create(checkout("A", **COD))
    for seq, status in enumerate(
        [OrderStatus.CONFIRMED, OrderStatus.COMPLETED, OrderStatus.CANCELLED]
    ):
        clock.pass_s(1)
        await woo.write([status_of(1000, status, seq=seq)])
    await stocked.deliveries.drain()
    placed = [each for each in deliver(worker, hub) if isinstance(each, OrderPlaced)]
    assert [each.intent for each in placed] == [OrderIntent.PLACE]


async def test_what_a_person_does_after_the_hub_is_news(
    woo: WooCommerce, worker: Worker, stocked: Shop, hub: Hub, clock: Clock
) -> None:
    await woo.tend()
    stocked.orders.create(checkout("A", **COD))
    await woo.write([status_of(1000, OrderStatus.CONFIRMED)])
    await stocked.deliveries.drain()
    deliver(worker, hub)
    clock.pass_s(1)
    stocked.orders.update(1000, {"status": "cancelled"})
    await stocked.deliveries.drain()
    (event, *_) = deliver(worker, hub)
    assert isinstance(event, OrderPlaced)
    assert event.intent is OrderIntent.CANCEL


async def test_the_same_command_twice_writes_once(woo: WooCommerce, stocked: Shop) -> None:
    stocked.orders.create(checkout("A", **COD))
    command = status_of(1000, OrderStatus.CONFIRMED)
    first = await woo.write([command])
    again = await woo.write([command])
    assert (list(first.values()), list(again.values())) == (
        ["order 1000: processing"],
        ["order 1000: processing"],
    )
    assert stocked.requests["PUT /orders/1000"] == 1


@pytest.mark.parametrize("ended", ["cancelled", "refunded", "failed"])
async def test_what_people_ended_is_never_opened_again(
    woo: WooCommerce, stocked: Shop, ended: str
) -> None:
    stocked.orders.create(checkout("A", status=ended, set_paid=False))
    for status in (OrderStatus.CONFIRMED, OrderStatus.COMPLETED, OrderStatus.CANCELLED):
        await woo.write([status_of(1000, status)])
    assert stocked.orders.get(1000)["status"] == ended


async def test_a_pending_order_is_left_to_the_shop(woo: WooCommerce, stocked: Shop) -> None:
    stocked.orders.create(checkout("A", **COD))
    await woo.write([status_of(1000, OrderStatus.PENDING)])
    assert stocked.orders.get(1000)["status"] == "on-hold"


async def test_an_order_is_found_by_the_number_a_plugin_gave_it(
    woo: WooCommerce, stocked: Shop
) -> None:
    stocked.orders.create(checkout("A", **COD))
    stocked.orders.create(checkout("A", **COD))
    stocked.orders.get(1001)["number"] = "1000"  # another order's id
    await woo.write([status_of(1001, OrderStatus.CONFIRMED, number="1000")])
    assert [row["status"] for row in stocked.orders] == ["on-hold", "processing"]


async def test_an_order_that_is_gone_fails_alone(woo: WooCommerce, stocked: Shop) -> None:
    stocked.orders.create(checkout("A", **COD))
    known, gone = status_of(1000, OrderStatus.CONFIRMED), status_of(9, OrderStatus.CONFIRMED)
    with pytest.raises(PartialWrite) as partial:
        await woo.write([gone, known, level("A", 3)])
    assert list(partial.value.failed) == [gone.command_id]
    assert set(partial.value.done) == {known.command_id, level("A", 3).command_id}
    assert stocked.catalog.get(10)["stock_quantity"] == 3


async def test_a_lost_answer_is_no_second_effect(woo: WooCommerce, stocked: Shop) -> None:
    stocked.orders.create(checkout("A", **COD))
    lost = Answer(502, "PUT", "/orders/1000", times=9, after_effect=True)
    stocked.faults.add(lost)
    command = status_of(1000, OrderStatus.CONFIRMED)
    with pytest.raises(PartialWrite):
        await woo.write([command])
    assert await woo.write([command]) == {command.command_id: "order 1000: processing"}


async def test_orders_are_read_back_as_they_are(
    woo: WooCommerce, stocked: Shop, refs: CodeTable
) -> None:
    refs.skus["A"] = "canonical-a"
    stocked.orders.create(checkout("A", "B"))
    stocked.orders.create(checkout("B"))
    stocked.orders.trash(1001)
    known = status_of(1000, OrderStatus.CONFIRMED).order_id
    assert await woo.read_back_orders() == [
        ObservedOrder(
            order_id=known,
            number="1000",
            status="processing",
            currency="EUR",
            total_minor=893,
            lines=(
                ObservedLine(Sku("canonical-a"), 1000, 199),
                ObservedLine(Sku("B"), 1000, 199),
            ),
        )
    ]


async def test_a_healthy_mark_says_what_was_before(woo: WooCommerce, stocked: Shop) -> None:
    stocked.orders.create(checkout("A", **COD))
    await woo.write([status_of(1000, OrderStatus.CONFIRMED)])
    await woo.write([status_of(1000, OrderStatus.COMPLETED, seq=2)])
    metas = json.loads(json.dumps(stocked.orders.get(1000)["meta_data"]))
    assert [meta["value"] for meta in metas] == ["on-hold>completed"]
