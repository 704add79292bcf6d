"""The poll loop: durable first, then the cursor, then the acknowledgement; nothing is skipped."""

import asyncio

import pytest

from omnihub.broker.logerrors import LogUnavailable
from omnihub.connect.backfills import BACKFILL_TOPIC, Backfills
from omnihub.connect.cursors import CURSOR_TOPIC, Cursors
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.errors import AuthFailed, OffsetGone, RateLimited, Transient
from omnihub.connect.observer import Unobserved
from omnihub.connect.sdk import Batch, Delivery, Stream
from omnihub.connect.source import Source
from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.records import DeliveryKind

PAGES = Stream("pages", interval_s=7.0)
RAW, LIVE = "omni.raw.diary.bulk.v1", "omni.raw.diary.v1"
ME = InstanceId("me")


class Journal:
    """An appender that notes the order of things, and fails when told to."""

    def __init__(self, log, notes):
        self.log, self.notes, self.down = log, notes, 0

    async def append(self, topic, record, *, timestamp_us=None):
        self._note(topic)
        return await self.log.append(topic, record, timestamp_us=timestamp_us)

    async def append_many(self, topic, records):
        self._note(topic)
        return await self.log.append_many(topic, records)

    async def remove(self, topic, key):
        return await self.log.remove(topic, key)

    def _note(self, topic):
        if self.down:
            self.down -= 1
            raise LogUnavailable(topic)
        self.notes.append(topic)


@pytest.fixture
def notes():
    return []


@pytest.fixture
def journal(log, notes):
    return Journal(log, notes)


@pytest.fixture
def start(diary, log, journal, virtual, notes):
    async def start(connector=diary):
        cursors = await Cursors.load(ME, log, journal, virtual.time)
        backfills = await Backfills(ME, journal, virtual.time).load(log)
        acceptance = Acceptance(TenantId("t"), "diary", ME, virtual.time)
        return Source(
            connector, PAGES, acceptance, journal, cursors, backfills, Unobserved(), virtual.time
        )

    return start


async def bodies(log, topic=RAW):
    return sorted(entry.record.body for entry in await log.read_all([topic]))


async def test_raw_is_durable_before_the_cursor_and_the_cursor_before_the_acknowledgement(
    start, diary, system, notes
):
    ack = diary.ack

    async def noted_ack(stream, batch):
        notes.append("ack")
        await ack(stream, batch)

    diary.ack = noted_ack
    system.pages = [b"1", b"2"]
    assert await (await start()).step() is True
    assert notes == [BACKFILL_TOPIC, RAW, CURSOR_TOPIC, "ack"]


async def test_a_restart_goes_on_where_the_cursor_stands(start, system, log):
    system.pages = [b"1", b"2"]
    await (await start()).step()
    system.pages += [b"3"]
    source = await start()
    assert await source.step() is True
    assert await source.step() is False
    assert await bodies(log) == [b"1", b"2", b"3"]


async def test_a_log_that_is_away_advances_nothing_and_loses_nothing(start, system, log, journal):
    system.pages = [b"1"]
    source = await start()
    journal.down = 1
    with pytest.raises(LogUnavailable):
        await source.step()
    assert system.acked == []
    await source.step()
    assert await bodies(log) == [b"1"]
    assert len(system.acked) == 1


async def test_a_crash_before_the_cursor_repeats_the_same_delivery_ids(
    start, system, log, journal, notes
):
    system.pages = [b"1"]
    first, second = await start(), await start()
    await first.step()
    await second.step()
    ids = [entry.record.delivery_id for entry in await log.read_all([RAW])]
    assert len(ids) == 2
    assert len(set(ids)) == 1


async def test_an_idle_stream_writes_no_cursor(start, notes):
    source = await start()
    await source.step()
    await source.step()
    assert notes == []


@pytest.mark.parametrize(
    ("error", "least_s"),
    [
        (Transient("down"), 0.5),
        (RateLimited("slow down", 90.0), 90.0),
        (AuthFailed("no"), 30.0),
        (OffsetGone("pruned"), 30.0),
        (ZeroDivisionError("a bug"), 0.5),
    ],
)
async def test_errors_wait_by_their_class_and_are_told(
    start, diary, system, virtual, log, error, least_s
):
    poll, stop, source = diary.poll, asyncio.Event(), await start()

    async def failing(stream, at, limit):
        diary.poll = recovering
        raise error

    async def recovering(stream, at, limit):
        if at is not None:
            stop.set()
        return await poll(stream, at, limit)

    diary.poll = failing
    system.pages = [b"1"]
    assert await source._round() >= least_s
    assert str(error) in source.fault
    await source.run(stop)
    assert source.fault is None
    assert await bodies(log) == [b"1"]


async def test_what_a_first_start_lists_travels_in_bulk_and_changes_after_it_live(
    start, system, log
):
    system.pages = [b"1", b"2"]
    source = await start()
    assert await source.step() is True
    assert await source.step() is False  # Caught up.
    system.pages += [b"3"]
    await source.step()
    assert await bodies(log) == [b"1", b"2"]
    assert await bodies(log, LIVE) == [b"3"]


async def test_a_restart_within_the_first_load_goes_on_in_bulk(start, system, log):
    system.pages = [b"1"]
    await (await start()).step()
    system.pages += [b"2"]
    await (await start()).step()
    assert await bodies(log) == [b"1", b"2"]
    assert await bodies(log, LIVE) == []


async def test_a_restart_after_the_first_load_is_live(start, system, log):
    system.pages = [b"1"]
    source = await start()
    await source.step()
    await source.step()
    system.pages += [b"2"]
    await (await start()).step()
    assert await bodies(log, LIVE) == [b"2"]


async def test_the_end_of_a_first_load_tells_how_much_it_was(start, system, log, virtual, journal):
    system.pages = [b"1", b"2", b"3"]
    source = await start()
    await source.step()
    await source.step()
    (backfill,) = [e.record for e in await log.read_all([BACKFILL_TOPIC]) if e.record][-1:]
    assert (backfill.deliveries, backfill.is_asked) == (3, False)
    assert backfill.finished_at_us is not None


async def test_a_stream_without_an_offset_is_live(start, diary, log):
    async def poll(stream, at, limit):
        return Batch((Delivery("page", b"1"),), next=None, more=True)

    diary.poll = poll
    await (await start()).step()
    assert await bodies(log, LIVE) == [b"1"]
    assert await log.read_all([BACKFILL_TOPIC]) == []


async def test_files_are_live_whatever_the_offset(start, diary, log):
    async def poll(stream, at, limit):
        return Batch((Delivery("f", b"1", kind=DeliveryKind.FILE),), next={"n": 1}, more=True)

    diary.poll = poll
    await (await start()).step()
    assert await bodies(log, LIVE) == [b"1"]
    assert await bodies(log) == []
