"""The fold: a view is exactly what a prefix of the log says, and nothing else."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from omnihub.broker.memory import MemoryLog
from omnihub.contracts.topics import Topics
from omnihub.model.ids import ChannelId, LocationId, Sku, TenantId
from omnihub.model.records import ChannelAts, EventMeta, ParkedRecord, Rejected, StockLevel
from omnihub.views import fold as module
from omnihub.views import schema
from omnihub.views.fold import TOPICS, Fold, fold_forever
from omnihub.views.queries import Views
from omnihub.views.schema import open_views

MAIN = TenantId("main")
STOCK = "omni.stock.state.v1"


def level(sku: str, location: str, on_hand: int, seq: int = 1) -> StockLevel:
    return StockLevel(
        tenant=MAIN,
        sku=Sku(sku),
        location=LocationId(location),
        on_hand_milli=on_hand,
        ats_milli=on_hand,
        seq=seq,
        cause_id="c",
        occurred_at_us=0,
        accepted_at_us=0,
    )


def rejected(event_id: str) -> Rejected:
    meta = EventMeta(
        tenant=MAIN,
        event_id=event_id,
        cause_id="d",
        source="pos",
        entity="sale:1",
        occurred_at_us=0,
        accepted_at_us=7,
    )
    return Rejected(meta=meta, reason_code="r", detail="d", subject_type="sale", subject="1")


def table_of(engine) -> set[tuple[str, str, int]]:
    with engine.connect() as connection:
        rows = connection.execute(select(schema.STOCK_LEVEL)).all()
    return {(row.sku, row.location, row.on_hand_milli) for row in rows}


async def test_the_newest_record_of_a_key_is_its_row(log, open_view) -> None:
    for on_hand in (1, 2, 3):
        await log.append(STOCK, level("A", "S1", on_hand))
    engine = open_view("views")
    Fold(engine, "log").apply(await log.read_all(TOPICS))
    assert table_of(engine) == {("A", "S1", 3)}


async def test_a_tombstone_removes_the_row(log, open_view) -> None:
    engine = open_view("views")
    fold = Fold(engine, "log")
    await log.append(STOCK, level("A", "S1", 1))
    fold.apply(await log.read_all(TOPICS))
    await log.remove(STOCK, "main:A:S1")
    fold.apply(await log.read_all(TOPICS))
    assert table_of(engine) == set()


async def test_a_key_that_comes_back_after_its_tombstone_in_one_batch_stays(log, open_view) -> None:
    await log.append(STOCK, level("A", "S1", 1))
    await log.remove(STOCK, "main:A:S1")
    await log.append(STOCK, level("A", "S1", 5))
    engine = open_view("views")
    Fold(engine, "log").apply(await log.read_all(TOPICS))
    assert table_of(engine) == {("A", "S1", 5)}


async def test_folding_goes_on_where_it_stopped(log, open_view) -> None:
    engine = open_view("views")
    await log.append(STOCK, level("A", "S1", 1))
    await _fold_to_the_end(Fold(engine, "log"), log)
    await log.append(STOCK, level("B", "S1", 2))
    seen: list[int] = []
    await _fold_to_the_end(Fold(engine, "log"), log, seen)
    assert sum(seen) == 1
    assert table_of(engine) == {("A", "S1", 1), ("B", "S1", 2)}


async def test_rows_and_position_are_written_together_or_not_at_all(
    log, open_view, monkeypatch
) -> None:
    engine = open_view("views")
    fold = Fold(engine, "log")
    await log.append(STOCK, level("A", "S1", 1))
    write = module._upsert

    def disk_full(connection, table, rows) -> None:
        if table is schema.FOLD_POSITION:
            raise OSError("disk full")
        write(connection, table, rows)

    monkeypatch.setattr(module, "_upsert", disk_full)
    with pytest.raises(OSError, match="disk full"):
        fold.apply(await log.read_all(TOPICS))
    assert table_of(engine) == set()
    assert fold.positions() == {}


async def test_a_view_of_another_log_is_emptied(log, open_view) -> None:
    engine = open_view("views")
    await log.append(STOCK, level("A", "S1", 1))
    Fold(engine, "old cluster").apply(await log.read_all(TOPICS))
    fold = Fold(engine, "new cluster")
    assert (table_of(engine), fold.positions()) == (set(), {})


async def test_a_new_view_needs_the_compacted_state_topics_alone(open_view) -> None:
    """Fold the whole log, and what compaction leaves of the state topics; the same must show."""
    log, compacted = MemoryLog(Topics.load()), MemoryLog(Topics.load())
    for seq in range(1, 6):
        for sku in ("A", "B"):
            await log.append(STOCK, level(sku, "S1", seq, seq))
            ats = ChannelAts(
                tenant=MAIN,
                sku=Sku(sku),
                channel=ChannelId("WEB"),
                pool_milli=seq,
                ats_milli=seq,
                seq=seq,
                cause_id="c",
                accepted_at_us=seq,
            )
            await log.append("omni.stock.channel.state.v1", ats)
    await log.append("omni.rejected.v1", rejected("e1"))
    for topic in (STOCK, "omni.stock.channel.state.v1"):
        for record in log.compacted(topic).values():
            await compacted.append(topic, record)
    views = []
    for name, source in (("whole", log), ("compacted", compacted)):
        engine = open_view(name)
        Fold(engine, name).apply(await source.read_all(TOPICS))
        views.append(Views(engine, MAIN))
    whole, rebuilt = views
    for sku in (Sku("A"), Sku("B")):
        assert rebuilt.levels_of(sku) == whole.levels_of(sku) != ()
        assert rebuilt.channels_of(sku) == whole.channels_of(sku) != ()


async def test_a_refusal_told_again_is_one_row(log, open_view) -> None:
    engine = open_view("views")
    for event_id in ("e1", "e2", "e1"):
        await log.append("omni.rejected.v1", rejected(event_id))
    Fold(engine, "log").apply(await log.read_all(TOPICS))
    page = Views(engine, MAIN).rejected(None, 10)
    assert [row.event_id for row in page.items] == ["e1", "e2"]


async def test_events_that_no_view_shows_only_move_the_position(log, open_view) -> None:
    engine = open_view("views")
    fold = Fold(engine, "log")
    await log.append("omni.stock.event.v1", rejected("e1"))
    fold.apply(await log.read_all(TOPICS))
    assert set(fold.positions().values()) == {1}


async def test_the_backlog_counts_what_is_parked_by_task(log, open_view) -> None:
    engine = open_view("views")
    fold = Fold(engine, "log")
    for index in (0, 1):
        record = ParkedRecord(
            task="stock",
            park_key="A:S1",
            queue_index=index,
            topic="t",
            partition=0,
            offset=index,
            record_type="StockMoved",
            error_class="E",
            error="e",
            cure="c",
            attempts=1,
            parked_at_us=10 + index,
            accepted_at_us=0,
        )
        await log.append("omni.hospital.state.v1", record)
    fold.apply(await log.read_all(TOPICS))
    (backlog,) = Views(engine, MAIN).hospital.backlog()
    assert (backlog.task, backlog.records, backlog.oldest_at_us) == ("stock", 2, 10)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    writes=st.lists(
        st.tuples(
            st.sampled_from("ABC"), st.sampled_from(["S1", "S2"]), st.integers(-5, 5) | st.none()
        ),
        max_size=30,
    ),
    cuts=st.lists(st.integers(0, 30), max_size=4),
)
def test_however_the_log_is_cut_into_batches_the_view_is_the_same(writes, cuts) -> None:
    async def run() -> None:
        log = MemoryLog(Topics.load())
        expected: dict[tuple[str, str], int] = {}
        for seq, (sku, place, on_hand) in enumerate(writes):
            if on_hand is None:
                await log.remove(STOCK, f"main:{sku}:{place}")
                expected.pop((sku, place), None)
            else:
                await log.append(STOCK, level(sku, place, on_hand, seq))
                expected[sku, place] = on_hand
        entries = await log.read_all(TOPICS)
        engine = open_views("sqlite://")
        fold = Fold(engine, "log")
        edges = sorted({0, len(entries), *(min(cut, len(entries)) for cut in cuts)})
        for start, end in pairwise(edges):
            fold.apply(entries[start:end])
            fold.apply(entries[start:end])  # told again after a crash
        assert table_of(engine) == {(*at, on_hand) for at, on_hand in expected.items()}
        engine.dispose()

    asyncio.run(run())


async def _fold_to_the_end(fold: Fold, log: MemoryLog, seen: list[int] | None = None) -> None:
    caught_up = asyncio.Event()

    def told(entries: int) -> None:
        (seen if seen is not None else []).append(entries)
        if entries == 0:
            caught_up.set()

    task = asyncio.create_task(fold_forever(fold, log, told))
    await caught_up.wait()
    task.cancel()
