"""Stock moves into a real Tryton: few documents, each command once, whatever breaks."""

import asyncio
from datetime import UTC, datetime
from itertools import count

import pytest

from omnihub.connect.errors import PartialWrite, Refused, Transient
from omnihub.connect.sdk import Command
from omnihub.model.ids import CommandId, LocationId, MovementId, Sku
from omnihub.model.records import MovementKind, RecordMovement, SetStockLevel
from omnihub.model.time import to_us
from omnihub_connectors.tryton.doubles import (
    ERP,
    OPENING_MILLI,
    PRODUCTS,
    TENANT,
    Cut,
    CutNetwork,
    Poller,
    Shop,
)
from omnihub_connectors.tryton.journal import Journal, reference_of, token_of
from omnihub_connectors.tryton.movements import MAX_LINES

pytestmark = pytest.mark.tryton

SOLD_AT_US = to_us(datetime(2026, 3, 5, 15, 0, tzinfo=UTC))
WRITES_OF_A_DOCUMENT = 4
_numbers = count(1)


def movement(
    shop: Shop,
    sku: str,
    units: float = 1,
    kind: MovementKind = MovementKind.SALE,
    occurred_at_us: int = SOLD_AT_US,
) -> RecordMovement:
    number = next(_numbers)
    here = LocationId(shop.code)
    leaves = kind is MovementKind.SALE
    return RecordMovement(
        command_id=CommandId(f"{shop.code}-command-{number}"),
        tenant=TENANT,
        instance=ERP,
        target=shop.code,
        cause_id=f"event-{number}",
        accepted_at_us=to_us(datetime.now(UTC)),
        movement_id=MovementId(f"movement-{number}"),
        sku=Sku(sku),
        kind=kind,
        from_location=here if leaves else None,
        to_location=None if leaves else here,
        quantity_milli=int(units * 1000),
        occurred_at_us=occurred_at_us,
    )


def sales(shop: Shop, lines: int) -> list[RecordMovement]:
    return [movement(shop, product.sku) for product in PRODUCTS[:lines]]


async def sold(shop: Shop) -> list[int]:
    """Return how many units of each product left the store."""
    on_hand = await shop.on_hand()
    return [(OPENING_MILLI - on_hand[product.sku]) // 1000 for product in PRODUCTS]


async def test_fifty_sales_of_a_store_become_one_document(shop: Shop) -> None:
    commands = sales(shop, MAX_LINES)

    done = await shop.connector().write(commands)

    assert set(done) == {each.command_id for each in commands}
    assert len(set(done.values())) == 1
    assert await sold(shop) == [1] * 50 + [0] * 10


async def test_a_document_holds_at_most_fifty_lines(shop: Shop) -> None:
    done = await shop.connector().write(sales(shop, 60))

    assert len(set(done.values())) == 2
    assert await sold(shop) == [1] * 60


async def test_sales_returns_and_days_have_documents_of_their_own(shop: Shop) -> None:
    next_day_us = SOLD_AT_US + 86_400_000_000
    commands = [
        movement(shop, "SKU-000", 5),
        movement(shop, "SKU-000", 2, MovementKind.RETURN),
        movement(shop, "SKU-000", 4, occurred_at_us=next_day_us),
    ]

    done = await shop.connector().write(commands)

    assert len(set(done.values())) == 3
    assert (await sold(shop))[0] == 5 - 2 + 4


async def test_goods_move_on_the_day_of_the_company_and_below_zero_if_need_be(shop: Shop) -> None:
    just_after_midnight_us = to_us(datetime(2026, 3, 5, 23, 30, tzinfo=UTC))
    await shop.connector().write(
        [movement(shop, "SKU-000", 130, occurred_at_us=just_after_midnight_us)]
    )

    moves = await shop.admin.search_read(
        "stock.move", [["from_location.code", "=", shop.code]], ["effective_date"]
    )
    assert str(moves[-1]["effective_date"]) == "2026-03-06"
    assert (await shop.on_hand())["SKU-000"] == -30_000


async def test_what_the_hub_wrote_is_no_news(shop: Shop) -> None:
    moves = Poller(shop.connector(), "moves")
    await moves.news()
    await shop.connector().write(sales(shop, 3))

    pages = await moves.news()

    assert len(pages) == 1
    assert shop.told(pages) == []


async def test_a_refused_line_takes_no_other_with_it(shop: Shop) -> None:
    fine = sales(shop, 5)
    half = movement(shop, "SKU-007", 0.5)  # sold by the piece: Tryton refuses it
    unknown = movement(shop, "SKU-NONE")
    level = SetStockLevel(
        command_id=CommandId("level"), tenant=TENANT, instance=ERP, target="SKU-000",
        cause_id="c", accepted_at_us=1, sku=Sku("SKU-000"), quantity_milli=0, seq=1,
    )  # fmt: skip
    commands: list[Command] = [*fine[:2], half, level, unknown, *fine[2:]]

    with pytest.raises(PartialWrite) as caught:
        await shop.connector().write(commands)

    assert set(caught.value.done) == {each.command_id for each in fine}
    assert set(caught.value.failed) == {half.command_id, unknown.command_id, level.command_id}
    assert all(isinstance(each, Refused) and each.cure for each in caught.value.failed.values())
    assert await sold(shop) == [1] * 5 + [0] * 55


@pytest.mark.parametrize("how", Cut)
@pytest.mark.parametrize("at", range(1, WRITES_OF_A_DOCUMENT + 1))
async def test_a_write_that_broke_off_is_finished_and_not_repeated(
    shop: Shop, at: int, how: Cut
) -> None:
    commands = sales(shop, 6)
    network = CutNetwork(at, how)
    with pytest.raises(Transient):
        await shop.connector(network).write(commands)
    assert network.was_cut

    done = await shop.connector().write(commands)

    assert set(done) == {each.command_id for each in commands}
    assert await sold(shop) == [1] * 6 + [0] * 54


@pytest.mark.parametrize("at", range(1, WRITES_OF_A_DOCUMENT + 1))
async def test_other_batches_after_a_break_give_each_line_once(shop: Shop, at: int) -> None:
    commands = sales(shop, 12)
    with pytest.raises(Transient):
        await shop.connector(CutNetwork(at, Cut.AFTER)).write(commands[:7])

    for batch in (commands[:3], commands[2:10], commands[9:], commands):
        await shop.connector().write(batch)

    assert await sold(shop) == [1] * 12 + [0] * 48


async def test_a_create_that_lands_late_has_no_effect(shop: Shop) -> None:
    commands = sales(shop, 4)
    connector = shop.connector()
    done = await connector.write(commands[:2])
    # The answer was lost and the request dawdled: now it lands beside what replaced it.
    reference = reference_of(token_of(each.command_id) for each in commands[:3])
    [late] = await _copy_of_a_shipment(shop, reference)

    again = await shop.connector().write(commands)

    assert [again[each.command_id] for each in commands[:2]] == list(done.values())
    assert await sold(shop) == [1] * 4 + [0] * 56
    [row] = await shop.admin.search_read("stock.shipment.internal", [["id", "=", late]], ["state"])
    assert row["state"] == "cancelled"


async def _copy_of_a_shipment(shop: Shop, reference: str) -> list[int]:
    """Create a second draft of the store's last shipment under `reference`."""
    domain = [["from_location.code", "=", shop.code]]
    [*_, last] = await shop.admin.search_read("stock.shipment.internal", domain, ["id"])
    copied: list[int] = await shop.admin.call(
        "model.stock.shipment.internal.copy", [last["id"]], {"reference": reference}
    )
    return copied


async def test_two_processes_at_once_record_each_line_once(shop: Shop) -> None:
    """A paused process wakes beside the one that replaced it."""
    commands = sales(shop, 8)

    await asyncio.gather(
        *(shop.connector().write(commands) for _ in range(2)), return_exceptions=True
    )
    await shop.connector().write(commands)

    assert await sold(shop) == [1] * 8 + [0] * 52


async def test_a_document_cancelled_by_hand_is_written_again_on_retry(shop: Shop) -> None:
    commands = sales(shop, 2)
    with pytest.raises(Transient):
        await shop.connector(CutNetwork(2, Cut.BEFORE)).write(commands)
    drafts = [
        each
        for each in await Journal(shop.admin).unfinished()
        if token_of(commands[0].command_id) in each.tokens
    ]
    await shop.admin.press("stock.shipment.internal", "cancel", [drafts[0].id])

    await shop.connector().write(commands)

    assert await sold(shop) == [1] * 2 + [0] * 58


async def test_goods_go_from_one_warehouse_to_another(shop: Shop) -> None:
    other = f"{shop.code}-b"
    await shop.seed.add_stores([other])
    transfer = movement(shop, "SKU-000", 3, MovementKind.TRANSFER)
    there = RecordMovement(
        **{
            **{name: getattr(transfer, name) for name in transfer.__struct_fields__},
            "from_location": LocationId(shop.code),
            "to_location": LocationId(other),
        }
    )

    await shop.connector().write([there])
    await shop.connector().write([there])

    both = shop.connector(locations=(shop.code, other))
    on_hand = {(each.location, each.sku): each.quantity_milli for each in await both.read_back()}
    assert on_hand[LocationId(shop.code), Sku("SKU-000")] == OPENING_MILLI - 3000
    assert on_hand[LocationId(other), Sku("SKU-000")] == 3000
