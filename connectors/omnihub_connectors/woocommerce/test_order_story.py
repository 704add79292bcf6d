"""One order by every way: webhook, poll, thrice, late, updated before it was created, deleted."""

from collections.abc import Callable

import httpx
import pytest

from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import Offset, Stream
from omnihub.model.record import Record
from omnihub.model.records import (
    CancelOrder,
    CustomerObserved,
    OrderIntent,
    OrderPlaced,
    Refetch,
)
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import ORDER_TRASH, ORDERS, WooCommerce
from omnihub_connectors.woocommerce.doubles import (
    HOOK_URL,
    KEY,
    SECRET,
    Clock,
    CodeTable,
    Hub,
    Worker,
    checkout,
    simple,
)
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.simulator import Shop, ShopSettings, WebhookFaults

ShopConnector = Callable[[Shop], WooCommerce]
FROM_START: Offset = {"after": "2026-11-22T09:00:00"}
TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")


@pytest.fixture
def worker(config: WooCommerceConfig, refs: CodeTable) -> Worker:
    return Worker(WooCommerceMapping(config, TOKENS), refs)


def kinds(records: list[Record]) -> list[type[Record]]:
    return [type(record) for record in records]


def intents(records: list[Record]) -> list[OrderIntent]:
    return [record.intent for record in records if isinstance(record, OrderPlaced)]


def deliver(worker: Worker, hub: Hub) -> list[Record]:
    """Hand every webhook that arrived to the worker, in the order of arrival."""
    arrived, hub.deliveries = hub.deliveries, []
    return [
        record
        for headers, body in arrived
        for record in worker.accept(body, stream=headers["x-wc-webhook-topic"], headers=headers)
    ]


async def subscribe(shop: Shop, *topics: str) -> None:
    for topic in topics:
        fields = {"topic": topic, "delivery_url": HOOK_URL, "secret": SECRET}
        await shop.webhooks.create(fields)


async def test_an_order_is_placed_once_though_created_and_updated_are_told(
    shop: Shop, hub: Hub, worker: Worker
) -> None:
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 5)])
    shop.orders.create(checkout("A"))
    await shop.deliveries.drain()
    assert [headers["x-wc-webhook-topic"] for headers, _ in hub.deliveries] == list(TOPICS[:2])
    assert kinds(deliver(worker, hub)) == [OrderPlaced, CustomerObserved]


async def test_a_webhook_delivered_three_times_is_one_order(
    hub: Hub, hub_client: httpx.AsyncClient, clock: Clock, worker: Worker
) -> None:
    faults = WebhookFaults(duplicate=1, copies=3)
    shop = Shop(ShopSettings(keys=(KEY,)), hub_client, clock, faults)
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 5)])
    shop.orders.create(checkout("A"))
    await shop.deliveries.drain()
    assert len(hub.deliveries) == 6
    assert kinds(deliver(worker, hub)) == [OrderPlaced, CustomerObserved]


async def test_an_update_before_its_creation_is_the_placing(
    shop: Shop, hub: Hub, worker: Worker, clock: Clock
) -> None:
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 5)])
    shop.orders.create(checkout("A", set_paid=False))
    await shop.deliveries.drain()
    clock.pass_s(1)
    shop.orders.update(1000, {"status": "processing"})
    await shop.deliveries.drain()
    hub.deliveries.reverse()
    (placed, _) = deliver(worker, hub)
    assert isinstance(placed, OrderPlaced)
    assert placed.payment == "PAID"


async def test_whatever_the_webhooks_suffer_the_poll_ends_with_the_truth(
    hub: Hub, hub_client: httpx.AsyncClient, clock: Clock, worker: Worker, woo_of: ShopConnector
) -> None:
    faults = WebhookFaults(drop=0.3, duplicate=0.2, reorder=0.2, late=0.2, copies=3, seed=4)
    shop = Shop(ShopSettings(keys=(KEY,)), hub_client, clock, faults)
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 50)])
    told: list[Record] = []
    for number in range(20):
        shop.orders.create(checkout("A", set_paid=False))
        clock.pass_s(1)
        shop.orders.update(1000 + number, {"status": ("processing", "cancelled")[number % 2]})
        await shop.deliveries.drain()
        told += deliver(worker, hub)
    clock.pass_s(5)
    batch = await woo_of(shop).poll(Stream(ORDERS), FROM_START, 10)
    told += worker.accept_all(batch.deliveries, ORDERS)
    last = {record.number: record for record in told if isinstance(record, OrderPlaced)}
    assert {number: order.intent for number, order in last.items()} == {
        str(1000 + number): (OrderIntent.PLACE, OrderIntent.CANCEL)[number % 2]
        for number in range(20)
    }
    assert len(faults.injected) >= 3


async def test_the_first_load_reads_open_orders_only(
    woo: WooCommerce, worker: Worker, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A", 5)])
    for status in ("completed", "on-hold", "cancelled", "pending", "processing"):
        shop.orders.create(checkout("A", status=status, set_paid=False))
    clock.pass_s(60)
    told, at, more = [], None, True
    while more:
        batch = await woo.poll(Stream(ORDERS), at, 10)
        told += worker.accept_all(batch.deliveries, ORDERS)
        at, more = batch.next, batch.more
    assert [each.number for each in told if isinstance(each, OrderPlaced)] == [
        *("1001", "1003", "1004")
    ]
    shop.orders.update(1000, {})
    clock.pass_s(5)
    batch = await woo.poll(Stream(ORDERS), at, 10)
    assert intents(worker.accept_all(batch.deliveries, ORDERS)) == [OrderIntent.COMPLETE]


async def test_an_order_in_the_trash_is_cancelled_and_restored_is_told_again(
    woo: WooCommerce, worker: Worker, shop: Shop, hub: Hub, clock: Clock
) -> None:
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 5)])
    shop.orders.create(checkout("A"))
    clock.pass_s(5)
    batch = await woo.poll(Stream(ORDERS), FROM_START, 10)
    assert intents(worker.accept_all(batch.deliveries)) == [OrderIntent.PLACE]
    trash_at = (await woo.poll(Stream(ORDER_TRASH), None, 10)).next
    shop.orders.trash(1000)
    clock.pass_s(5)
    batch = await woo.poll(Stream(ORDER_TRASH), trash_at, 10)
    assert intents(worker.accept_all(batch.deliveries)) == [OrderIntent.CANCEL]
    shop.orders.restore(1000)
    await shop.deliveries.drain()
    assert intents(deliver(worker, hub))[-1] is OrderIntent.PLACE


async def test_an_order_deleted_for_ever_is_cancelled_after_asking(
    woo: WooCommerce, worker: Worker, shop: Shop, hub: Hub
) -> None:
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 5)])
    shop.orders.create(checkout("A"))
    await shop.deliveries.drain()
    (placed, _) = deliver(worker, hub)
    shop.orders.delete(1000)
    await shop.deliveries.drain()
    (question,) = deliver(worker, hub)
    assert isinstance(question, Refetch)
    assert (question.type, question.entity_id) == ("order", "1000")
    (cancel,) = worker.accept_all(await woo.refetch(question), "refetch")
    assert isinstance(cancel, CancelOrder)
    assert isinstance(placed, OrderPlaced)
    assert (cancel.order_id, cancel.reason) == (placed.order_id, "deleted_in_shop")


async def test_a_forged_header_only_makes_the_hub_ask(
    woo: WooCommerce, worker: Worker, shop: Shop, hub: Hub
) -> None:
    """The body of a product's deletion, signed and replayed, with the header of an order."""
    await subscribe(shop, *TOPICS)
    shop.load([simple("A", 5)])
    shop.orders.create(checkout("A"))
    await shop.deliveries.drain()
    deliver(worker, hub)
    headers = {"x-wc-webhook-resource": "order"}
    (question,) = worker.accept(b'{"id":1000}', stream="order.deleted", headers=headers)
    assert isinstance(question, Refetch)
    assert worker.accept_all(await woo.refetch(question), "refetch") == []
