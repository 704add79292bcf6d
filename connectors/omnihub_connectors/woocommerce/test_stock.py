"""Stock levels reach the shop: in batches, absolute, each item judged alone."""

import httpx
import pytest

from omnihub.connect.errors import AuthFailed, PartialWrite, RateLimited, Refused, Transient
from omnihub.connect.http import Patience, PatientTransport
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.sdk import Context
from omnihub.model.ids import CommandId, InstanceId, MovementId, Sku, TenantId
from omnihub.model.records import MovementKind, RecordMovement
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.doubles import CodeTable, level, simple
from omnihub_connectors.woocommerce.simulator import Answer, Shop, build_app

BATCH = "POST /products/batch"


def quantities(shop: Shop) -> dict[str, int]:
    return {row["sku"]: row["stock_quantity"] for row in shop.catalog}


async def test_a_hundred_levels_are_one_batch(woo: WooCommerce, shop: Shop) -> None:
    skus = [f"S{number}" for number in range(100)]
    shop.load(simple(sku) for sku in skus)
    done = await woo.write([level(sku, number) for number, sku in enumerate(skus)])
    assert quantities(shop) == {sku: number for number, sku in enumerate(skus)}
    assert dict(shop.requests) == {"GET /products": 1, BATCH: 1}
    assert done[CommandId("S0/1")] == "product 10 at 2026-11-22T10:00:00"
    await woo.write([level("S7", 70)])
    assert dict(shop.requests) == {"GET /products": 1, BATCH: 2}


async def test_the_same_commands_twice_have_one_effect(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A", 5)])
    for _ in range(2):
        await woo.write([level("A", 3)])
    assert quantities(shop) == {"A": 3}


async def test_of_two_levels_of_one_product_the_newest_wins(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A")])
    done = await woo.write([level("A", 9, seq=2), level("A", 4, seq=1)])
    assert quantities(shop) == {"A": 9}
    assert len(done) == 2


async def test_stock_is_managed_from_the_first_level_on(woo: WooCommerce, shop: Shop) -> None:
    shop.load([{"sku": "A", "name": "A"}])
    await woo.write([level("A", 0)])
    row = shop.catalog.get(10)
    assert (row["manage_stock"], row["stock_status"]) == (True, "outofstock")


async def test_a_broken_piece_is_not_sold(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A")])
    command = level("A", 0)
    halves = type(command)(
        **{name: getattr(command, name) for name in command.__struct_fields__}
        | {"quantity_milli": 2999}
    )
    await woo.write([halves])
    assert quantities(shop) == {"A": 2}


async def test_the_shops_own_sku_is_used(woo: WooCommerce, shop: Shop, refs: CodeTable) -> None:
    refs.skus["woo-1"] = "canonical-1"
    shop.load([simple("woo-1")])
    await woo.write([level("canonical-1", 6)])
    assert quantities(shop) == {"woo-1": 6}


async def test_a_sku_with_a_comma_is_found(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A,B"), simple("A"), simple("C")])
    await woo.write([level("A,B", 1), level("C", 2)])
    assert quantities(shop) == {"A,B": 1, "A": 0, "C": 2}


async def test_variations_are_written_through_their_parent(woo: WooCommerce, shop: Shop) -> None:
    shop.load([{"sku": "P", "name": "Shirt", "type": "variable"}, simple("A")])
    shop.catalog.create(simple("P-S"), parent_id=10)
    await woo.write([level("P-S", 4), level("A", 2)])
    assert shop.catalog.get(12)["stock_quantity"] == 4
    assert shop.requests["POST /products/10/variations/batch"] == 1


async def test_an_unknown_sku_fails_alone_and_says_what_cures_it(
    woo: WooCommerce, shop: Shop
) -> None:
    shop.load([simple("A")])
    with pytest.raises(PartialWrite) as partial:
        await woo.write([level("A", 1), level("nobody", 2)])
    assert quantities(shop) == {"A": 1}
    assert set(partial.value.done) == {"A/1"}
    refusal = partial.value.failed[CommandId("nobody/1")]
    assert isinstance(refusal, Refused)
    assert "no product with SKU 'nobody'" in str(refusal)
    assert "create it in the shop" in refusal.cure


async def test_a_sku_nobody_mapped_fails_alone(
    woo: WooCommerce, shop: Shop, refs: CodeTable
) -> None:
    refs.skus["lost"] = None
    shop.load([simple("A")])
    with pytest.raises(PartialWrite) as partial:
        await woo.write([level("lost", 1), level("A", 1)])
    refusal = partial.value.failed[CommandId("lost/1")]
    assert isinstance(refusal, Refused)
    assert "omnihub map set web sku 'lost'" in refusal.cure


async def test_a_product_replaced_under_a_new_id_is_found_again(
    woo: WooCommerce, shop: Shop
) -> None:
    shop.load([simple("A"), simple("B")])
    await woo.write([level("A", 1), level("B", 1)])
    shop.catalog.delete(10)
    shop.load([simple("A")])
    await woo.write([level("A", 5, seq=2), level("B", 6, seq=2)])
    assert quantities(shop) == {"A": 5, "B": 6}


async def test_a_product_that_is_gone_is_refused(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A"), simple("B")])
    await woo.write([level("A", 1), level("B", 1)])
    shop.catalog.delete(10)
    with pytest.raises(PartialWrite) as partial:
        await woo.write([level("A", 5, seq=2), level("B", 6, seq=2)])
    assert set(partial.value.failed) == {"A/2"}
    assert quantities(shop) == {"B": 6}


async def test_429_waits_as_long_as_the_shop_asks(
    woo: WooCommerce, shop: Shop, patience: VirtualTime
) -> None:
    shop.load([simple("A")])
    shop.faults.add(Answer(429, "POST", "/batch", retry_after="3"))
    await woo.write([level("A", 1)])
    assert quantities(shop) == {"A": 1}
    assert max(patience.slept_s) >= 3


async def test_a_long_429_is_reported_not_slept(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A")])
    shop.faults.add(Answer(429, "POST", "/batch", retry_after="600", times=9))
    with pytest.raises(RateLimited) as limited:
        await woo.write([level("A", 1)])
    assert (limited.value.retry_after_s or 0) >= 600


async def test_a_shop_that_stays_down_reports_nothing_as_done(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A")])
    shop.faults.add(Answer(500, "POST", "/batch", times=99))
    with pytest.raises(Transient):
        await woo.write([level("A", 1)])
    assert quantities(shop) == {"A": 0}


async def test_an_answer_lost_after_the_effect_is_written_again_with_one_effect(
    woo: WooCommerce, shop: Shop
) -> None:
    shop.load([simple("A", 5)])
    shop.faults.add(Answer(504, "POST", "/batch", after_effect=True))
    await woo.write([level("A", 3)])
    assert shop.requests[BATCH] == 2
    assert quantities(shop) == {"A": 3}


async def test_a_connection_that_times_out_is_transient(
    shop: Shop, refs: CodeTable, config: WooCommerceConfig
) -> None:
    class Mute(httpx.AsyncBaseTransport):
        """Serves, then never answers a POST."""

        def __init__(self) -> None:
            self.inner = httpx.ASGITransport(build_app(shop))

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await self.inner.handle_async_request(request)
            if request.method == "POST":
                raise httpx.ReadTimeout("no answer", request=request)
            return response

    shop.load([simple("A")])
    patient = PatientTransport(Mute(), InstanceId("web"), patience=Patience(attempts=1))
    async with httpx.AsyncClient(transport=patient) as http:
        woo = WooCommerce(config, Context(TenantId("acme"), InstanceId("web"), refs, http))
        with pytest.raises(Transient, match="ReadTimeout"):
            await woo.write([level("A", 1)])
    assert quantities(shop) == {"A": 1}


async def test_when_a_later_batch_fails_the_earlier_one_counts(
    woo: WooCommerce, shop: Shop
) -> None:
    shop.load([{"sku": "P", "name": "Shirt", "type": "variable"}, simple("A")])
    shop.catalog.create(simple("P-S"), parent_id=10)
    shop.faults.add(Answer(503, "POST", "/variations/batch", times=99))
    with pytest.raises(PartialWrite) as partial:
        await woo.write([level("A", 2), level("P-S", 4)])
    assert set(partial.value.done) == {"A/1"}
    assert isinstance(partial.value.failed[CommandId("P-S/1")], Transient)


async def test_a_read_only_key_is_no_right_to_write(woo: WooCommerce, shop: Shop) -> None:
    shop.load([simple("A")])
    shop.faults.add(Answer(401, "POST", "/batch"))
    with pytest.raises(AuthFailed):
        await woo.write([level("A", 1)])


async def test_movements_are_refused(woo: WooCommerce) -> None:
    movement = RecordMovement(
        command_id=CommandId("m"),
        tenant=TenantId("acme"),
        instance=InstanceId("web"),
        target="x",
        cause_id="c",
        accepted_at_us=0,
        movement_id=MovementId("m"),
        sku=Sku("A"),
        kind=MovementKind.SALE,
        quantity_milli=1000,
        occurred_at_us=0,
    )
    with pytest.raises(Refused, match="levels and order statuses only"):
        await woo.write([movement])
