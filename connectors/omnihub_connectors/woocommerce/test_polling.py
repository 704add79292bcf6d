"""The poll finds every change once its second is over, whatever moves while it reads."""

import json
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnihub.connect.errors import Refused, Transient
from omnihub.connect.sdk import Batch, Offset, Stream
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.doubles import Clock, simple
from omnihub_connectors.woocommerce.simulator import Answer, Shop

PRODUCTS, TRASH = Stream("products"), Stream("trash")
Connect = Callable[[WooCommerceConfig], WooCommerce]


def names(batch: Batch) -> list[str]:
    return [row["name"] for delivery in batch.deliveries for row in json.loads(delivery.body)]


async def pages(
    woo: WooCommerce, at: Offset | None, stream: Stream = PRODUCTS
) -> AsyncIterator[Batch]:
    """Poll until nothing more is waiting."""
    more = True
    while more:
        batch = await woo.poll(stream, at, 10)
        yield batch
        at, more = batch.next, batch.more


async def catch_up(
    woo: WooCommerce, at: Offset | None, stream: Stream = PRODUCTS
) -> tuple[list[str], Offset | None]:
    found: list[str] = []
    async for batch in pages(woo, at, stream):
        found += names(batch)
        at = batch.next
    return found, at


@pytest.fixture
def small(connect: Connect, config: WooCommerceConfig) -> WooCommerce:
    """A connector with pages of three, so that everything is cut."""
    return connect(config.model_copy(update={"page_size": 3}))


async def test_the_first_load_reads_everything_once(small: WooCommerce, shop: Shop) -> None:
    shop.load(simple(f"S{number}", name=f"n{number}") for number in range(10))
    found, at = await catch_up(small, None)
    assert found == [f"n{number}" for number in range(10)]
    assert at == {"after": "2026-11-22T09:59:58"}


async def test_a_change_is_read_when_its_second_is_over(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A")])
    clock.pass_s(60)
    _, at = await catch_up(small, None)
    shop.catalog.update(10, {"name": "changed"})
    assert (await catch_up(small, at))[0] == []
    clock.pass_s(2)
    found, after = await catch_up(small, at)
    assert found == ["changed"]
    assert await catch_up(small, after) == ([], after)


async def test_two_versions_in_one_second_end_with_the_second(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A")])
    clock.pass_s(60)
    _, at = await catch_up(small, None)
    shop.catalog.update(10, {"name": "first"})
    early, at = await catch_up(small, at)
    clock.pass_s(0.9)
    shop.catalog.update(10, {"name": "second"})
    clock.pass_s(2.2)
    late, _ = await catch_up(small, at)
    assert early + late == ["second"]


async def test_a_poll_is_a_function_of_its_offset(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load(simple(f"S{number}", name=f"n{number}") for number in range(7))
    clock.pass_s(10)
    offsets = [batch.next async for batch in pages(small, None)]
    for at in [None, *offsets]:
        assert await small.poll(PRODUCTS, at, 10) == await small.poll(PRODUCTS, at, 10)


async def test_a_second_that_a_page_cuts_is_read_whole(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load(simple(f"S{number}") for number in range(8))
    clock.pass_s(60)
    _, at = await catch_up(small, None)
    for product_id in range(10, 18):
        shop.catalog.update(product_id, {"name": f"edited {product_id}"})
        clock.pass_s(product_id % 2)  # two products a second, three a page
    clock.pass_s(5)
    found, _ = await catch_up(small, at)
    assert sorted(found) == [f"edited {product_id}" for product_id in range(10, 18)]


async def test_a_bulk_edit_in_one_second_larger_than_a_page_is_read_whole(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load(simple(f"S{number}", name=f"n{number}") for number in range(11))
    clock.pass_s(60)
    _, at = await catch_up(small, None)
    for product_id in range(10, 21):
        shop.catalog.update(product_id, {"name": f"bulk {product_id}"})
    clock.pass_s(5)
    found, _ = await catch_up(small, at)
    assert sorted(found) == [f"bulk {product_id}" for product_id in range(10, 21)]


async def test_rows_that_leave_a_second_while_it_is_read_hide_no_others(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load(simple(f"S{number}", name=f"n{number}") for number in range(12))
    clock.pass_s(60)
    _, at = await catch_up(small, None)
    for product_id in range(10, 22):
        shop.catalog.update(product_id, {})
    clock.pass_s(5)
    found: list[str] = []
    left = [10, 11]
    async for batch in pages(small, at):
        found += names(batch)
        if names(batch) and left:
            shop.catalog.update(left.pop(), {"name": "moved"})
            clock.pass_s(5)
    assert {f"n{number}" for number in range(2, 12)} <= set(found)


async def test_a_product_deleted_during_the_first_load_hides_no_other(
    small: WooCommerce, shop: Shop
) -> None:
    shop.load(simple(f"S{number}", name=f"n{number}") for number in range(9))
    found: list[str] = []
    async for batch in pages(small, None):
        found += names(batch)
        if names(batch) == ["n0", "n1", "n2"] and shop.catalog.find(10):
            shop.catalog.delete(10)
    assert {f"n{number}" for number in range(1, 9)} <= set(found)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seconds=st.lists(st.lists(st.integers(10, 21), min_size=1, max_size=12), max_size=5),
    during=st.lists(st.integers(10, 21), max_size=6),
)
async def test_no_change_is_ever_missed(
    small: WooCommerce, shop: Shop, clock: Clock, seconds: list[list[int]], during: list[int]
) -> None:
    """Edits in bursts before, and single edits between the pages: the last state is always read."""
    if not len(shop.catalog):
        shop.load(simple(f"S{number}") for number in range(12))
    clock.pass_s(60)
    _, at = await catch_up(small, None)
    for turn, burst in enumerate(seconds):
        for product_id in burst:
            shop.catalog.update(product_id, {"name": f"{product_id} in {turn}"})
        clock.pass_s(1)
    clock.pass_s(3)
    edits = list(during)
    found: dict[int, str] = {}
    for _ in range(2):
        async for batch in pages(small, at):
            for delivery in batch.deliveries:
                found |= {row["id"]: row["name"] for row in json.loads(delivery.body)}
            at = batch.next
            if edits:
                product_id = edits.pop()
                shop.catalog.update(product_id, {"name": f"{product_id} during {len(edits)}"})
                clock.pass_s(0.5)
        for product_id in edits:
            shop.catalog.update(product_id, {"name": f"{product_id} late"})
        edits = []
        clock.pass_s(5)
    changed = {product_id for burst in seconds for product_id in burst} | set(during)
    for product_id in changed:
        row = shop.catalog.get(product_id)
        assert found[product_id] == row["name"]


async def test_what_goes_to_the_trash_is_found_from_now_on(
    small: WooCommerce, shop: Shop, clock: Clock
) -> None:
    shop.load([simple("A", name="old trash"), simple("B", name="new trash")])
    shop.catalog.trash(10)
    clock.pass_s(60)
    found, at = await catch_up(small, None, TRASH)
    assert found == []
    shop.catalog.trash(11)
    clock.pass_s(3)
    assert (await catch_up(small, at, TRASH))[0] == ["new trash"]
    assert (await catch_up(small, at, PRODUCTS))[0] == []


async def test_the_pages_of_a_shop_behind_a_careless_cache_are_not_trusted(
    small: WooCommerce, shop: Shop
) -> None:
    shop.faults.add(Answer(200, "GET", "/products", body="<html>maintenance</html>", times=9))
    with pytest.raises(Transient, match="without JSON"):
        await small.poll(PRODUCTS, None, 10)


async def test_a_lost_shop_is_transient(woo: WooCommerce, shop: Shop) -> None:
    shop.faults.add(Answer(502, times=9))
    with pytest.raises(Transient, match="502"):
        await woo.poll(PRODUCTS, None, 10)


async def test_a_wrong_address_is_refused_in_the_shops_words(
    connect: Connect, config: WooCommerceConfig
) -> None:
    other = connect(config.model_copy(update={"url": "http://shop.test/sub"}))
    with pytest.raises(Refused, match="rest_no_route"):
        await other.poll(PRODUCTS, None, 10)
