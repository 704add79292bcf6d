"""What the demo makes of the hub's public topics."""

from typing import Any

from omnihub_demo.facts import COUNT, MOVE, Fact
from omnihub_demo.log import effects_of, newest_levels, told_facts
from omnihub_demo.readings import Effect, ToldFact

from omnihub.broker.ports import Entry, Position
from omnihub.model.ids import (
    CommandId,
    EventId,
    InstanceId,
    LocationId,
    MovementId,
    Sku,
    TenantId,
)
from omnihub.model.record import Record
from omnihub.model.records import (
    CommandResult,
    EventMeta,
    MovementKind,
    Outcome,
    Rejected,
    SetStockLevel,
    StockCounted,
    StockLevel,
    StockMoved,
)

META = EventMeta(
    tenant=TenantId("t"),
    event_id=EventId("e"),
    cause_id="c",
    source="pos-main",
    entity="line:7:1:2026-11-16:3:1",
    occurred_at_us=0,
    accepted_at_us=0,
)


def entry(record: Record) -> Entry:
    return Entry(Position("t", 0, 0), 0, "k", record)


def moved(**changes: Any) -> StockMoved:
    fields: dict[str, Any] = {
        "meta": META,
        "movement_id": MovementId("pos-main:7:1:2026-11-16:3:1"),
        "sku": Sku("4711"),
        "kind": MovementKind.SALE,
        "from_location": LocationId("store-7"),
        "quantity_milli": 2000,
    }
    return StockMoved(**{**fields, **changes})


def level(seq: int, on_hand_milli: int) -> Entry:
    return entry(
        StockLevel(
            tenant=TenantId("t"),
            sku=Sku("4711"),
            location=LocationId("store-7"),
            on_hand_milli=on_hand_milli,
            ats_milli=0,
            seq=seq,
            cause_id="c",
            occurred_at_us=0,
            accepted_at_us=0,
        )
    )


def test_a_sale_is_goods_out_under_its_natural_id() -> None:
    fact = Fact(MOVE, "store-7", "4711", -2000)
    assert list(told_facts([moved()])) == [ToldFact("pos-main", "7:1:2026-11-16:3:1", fact)]


def test_a_return_is_goods_in() -> None:
    back = moved(from_location=None, to_location=LocationId("store-7"))
    assert next(told_facts([back])).fact == Fact(MOVE, "store-7", "4711", 2000)


def test_a_count_says_its_quantity() -> None:
    count = StockCounted(
        meta=META,
        count_id="pos-main:7:90:2026-11-16:1:4",
        sku=Sku("4711"),
        location=LocationId("store-7"),
        quantity_milli=3000,
        as_of_us=0,
    )
    fact = Fact(COUNT, "store-7", "4711", 3000)
    assert list(told_facts([count])) == [ToldFact("pos-main", "7:90:2026-11-16:1:4", fact)]


def test_only_a_count_refused_for_its_age_is_told_without_quantity() -> None:
    def refused(reason: str) -> Rejected:
        return Rejected(
            meta=META, reason_code=reason, detail="", subject_type="StockCounted", subject=""
        )

    told = list(told_facts([refused("stale_count"), refused("negative_quantity")]))
    assert told == [ToldFact("pos-main", "7:1:2026-11-16:3:1", None)]


def test_the_newest_level_counts_and_every_step_back_is_a_fault() -> None:
    levels, faults = newest_levels([level(1, 10), level(2, 8), level(2, 8), level(1, 10)])
    assert levels == {("store-7", "4711"): 10}
    assert faults == 2


def test_an_effect_is_an_acknowledged_stock_command() -> None:
    def result(command: str, outcome: Outcome) -> Entry:
        return entry(
            CommandResult(
                command_id=CommandId(command),
                tenant=TenantId("t"),
                instance=InstanceId("web"),
                target="4711",
                outcome=outcome,
                accepted_at_us=1_000,
                finished_at_us=251_000,
            )
        )

    command = SetStockLevel(
        command_id=CommandId("a"),
        tenant=TenantId("t"),
        instance=InstanceId("web"),
        target="4711",
        cause_id="c",
        accepted_at_us=1_000,
        sku=Sku("4711"),
        quantity_milli=1,
        seq=1,
    )
    results = [result("a", Outcome.DONE), result("b", Outcome.DONE), result("a", Outcome.REFUSED)]
    effects = list(effects_of([entry(command)], results))
    assert effects == [Effect("web", 1_000, 251_000)]
    assert effects[0].freshness_ms == 250.0
