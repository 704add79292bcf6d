"""The same product told by webhook and poll, twice, reversed, in one second, deleted: one truth.

Real bytes of the simulated shop, the shipped split and translate, the shipped connector.
"""

import pytest

from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import Stream
from omnihub.model.record import Record
from omnihub.model.records import (
    DeliveryKind,
    ProductRemoved,
    ProductUpserted,
    Refetch,
    StockCounted,
)
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.doubles import (
    Clock,
    CodeTable,
    Hub,
    Worker,
    level,
    refetch_of,
    simple,
)
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.simulator import Shop
from omnihub_connectors.woocommerce.simulator.webhooks import php_json

FROM_START = {"after": "2026-11-22T09:00:00"}


@pytest.fixture
def worker(config: WooCommerceConfig, refs: CodeTable) -> Worker:
    return Worker(WooCommerceMapping(config, TOKENS), refs)


def told(records: list[Record]) -> list[str]:
    """What came out, as short words."""
    words = {ProductUpserted: "upserted", ProductRemoved: "removed", Refetch: "refetch"}
    return [words.get(type(record), type(record).__name__) for record in records]


def titles(records: list[Record]) -> list[str]:
    return [record.title for record in records if isinstance(record, ProductUpserted)]


def as_sent(shop: Shop, product_id: int = 10) -> bytes:
    return php_json(shop.catalog.get(product_id))


async def test_a_product_told_by_webhook_and_poll_is_told_once(
    woo: WooCommerce, worker: Worker, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A")])
    clock.pass_s(5)
    assert told(worker.accept(as_sent(shop))) == ["upserted"]
    assert told(worker.accept(as_sent(shop))) == []
    batch = await woo.poll(Stream("products"), FROM_START, 10)
    assert len(batch.deliveries) == 1
    assert worker.accept_all(batch.deliveries) == []


async def test_an_older_version_that_comes_later_changes_nothing(
    worker: Worker, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A", name="old")])
    old = as_sent(shop)
    clock.pass_s(1)
    shop.catalog.update(10, {"name": "new"})
    assert titles(worker.accept(as_sent(shop))) == ["new"]
    assert worker.accept(old) == []


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_two_versions_in_one_second_are_settled_by_asking(
    woo: WooCommerce, worker: Worker, shop: Shop, is_reversed: bool
) -> None:
    shop.load([simple("A", name="first")])
    first = as_sent(shop)
    shop.catalog.update(10, {"name": "second"})
    bodies = [as_sent(shop), first] if is_reversed else [first, as_sent(shop)]
    assert told(worker.accept(bodies[0])) == ["upserted"]
    (question,) = worker.accept(bodies[1])
    assert isinstance(question, Refetch)
    answer = worker.accept_all(await woo.refetch(question))
    assert titles(answer) == ([] if is_reversed else ["second"])
    assert worker.accept_all(await woo.refetch(question)) == []


async def test_deleted_and_then_an_older_page_stays_deleted(
    woo: WooCommerce, worker: Worker, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A")])
    clock.pass_s(5)
    older_page = (await woo.poll(Stream("products"), FROM_START, 10)).deliveries
    worker.accept_all(older_page)
    shop.catalog.trash(10)
    (question,) = worker.accept(b'{"id":10}', stream="product.deleted")
    assert isinstance(question, Refetch)
    (removed,) = worker.accept_all(await woo.refetch(question))
    assert isinstance(removed, ProductRemoved)
    assert removed.sku == "A"
    assert worker.accept_all(older_page) == []
    assert worker.accept(b'{"id":10}', stream="product.deleted") == []


async def test_a_lost_deletion_is_found_in_the_trash(
    woo: WooCommerce, worker: Worker, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A")])
    worker.accept(as_sent(shop))
    clock.pass_s(5)
    shop.catalog.trash(10)
    clock.pass_s(5)
    batch = await woo.poll(Stream("trash"), FROM_START, 10)
    assert told(worker.accept_all(batch.deliveries, "trash")) == ["removed"]


async def test_a_restored_product_lives_again_after_asking(
    woo: WooCommerce, worker: Worker, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A")])
    worker.accept(as_sent(shop))
    clock.pass_s(1)
    shop.catalog.trash(10)
    worker.accept(as_sent(shop))
    clock.pass_s(1)
    shop.catalog.restore(10)
    (question,) = worker.accept(as_sent(shop), stream="product.restored")
    assert isinstance(question, Refetch)
    assert told(worker.accept_all(await woo.refetch(question))) == ["upserted"]


async def test_a_product_gone_for_ever_leaves_a_tombstone_and_asks_no_more(
    woo: WooCommerce, worker: Worker, shop: Shop
) -> None:
    shop.load([simple("A")])
    page = as_sent(shop)
    worker.accept(page)
    shop.catalog.delete(10)
    assert told(worker.accept(b'{"id":10}')) == ["refetch"]
    assert worker.accept_all(await woo.refetch(refetch_of("10"))) == []
    assert worker.accept(b'{"id":10}') == []


async def test_our_own_write_coming_back_asks_for_nothing(
    woo: WooCommerce, worker: Worker, shop: Shop, hub: Hub, clock: Clock
) -> None:
    await woo.tend()
    shop.load([simple("A", 5)])
    assert told(worker.accept(as_sent(shop))) == ["upserted"]
    clock.pass_s(3)
    await woo.write([level("A", 2)])
    await shop.deliveries.drain()
    ((_, echo),) = hub.deliveries
    assert b'"stock_quantity":2' in echo
    assert worker.accept(echo, stream="product.updated") == []


async def test_a_quantity_edited_in_the_shop_is_no_count_unless_the_shop_owns_stock(
    config: WooCommerceConfig, refs: CodeTable, shop: Shop
) -> None:
    shop.load([simple("A", 5)])
    mapping = WooCommerceMapping(config.model_copy(update={"stock_location": "backroom"}), TOKENS)
    guest, owner = Worker(mapping, refs), Worker(mapping, refs, owns=["stock"])
    assert told(guest.accept(as_sent(shop))) == ["upserted"]
    _, count = owner.accept(as_sent(shop))
    assert isinstance(count, StockCounted)
    assert count.quantity_milli == 5000


async def test_a_page_told_again_under_another_delivery_is_a_duplicate(
    worker: Worker, shop: Shop
) -> None:
    shop.load([simple("A"), simple("B")])
    page = b"[" + as_sent(shop, 10) + b"," + as_sent(shop, 11) + b"]"
    assert told(worker.accept(page, DeliveryKind.POLL)) == ["upserted", "upserted"]
    assert worker.accept(page, DeliveryKind.POLL) == []
