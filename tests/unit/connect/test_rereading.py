"""A backfill that was asked for runs beside the live poll, in bulk, and leaves its cursor alone."""

import asyncio
import json

import pytest

from omnihub.connect.backfills import BACKFILL_TOPIC, Backfills
from omnihub.connect.config import Instance
from omnihub.connect.cursors import Cursors
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.errors import Transient
from omnihub.connect.observer import Unobserved
from omnihub.connect.rereading import LOOK_S, Rereading
from omnihub.connect.sdk import Stream
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId, TenantId
from omnihub.wiring.backfill import ask_backfill, backfills_of, plan_backfill

ME = InstanceId("me")
BULK, LIVE = "omni.raw.diary.bulk.v1", "omni.raw.diary.v1"


@pytest.fixture
def polling(diary_type):
    return type("Polling", (diary_type,), {"streams": lambda self: [Stream("pages")]})


@pytest.fixture
def instance(polling, diary_config, diary_settings):
    return Instance(TenantId("t"), ME, polling, diary_config, diary_settings())


@pytest.fixture
def ask(instance, log):
    async def ask(stream="pages", start=None):
        await ask_backfill(instance, await plan_backfill(instance, stream, start, log, log), log)

    return ask


@pytest.fixture
def start(polling, diary_config, log, virtual):
    async def start():
        backfills = await Backfills(ME, log, virtual.time).load(log)
        acceptance = Acceptance(TenantId("t"), "diary", ME, virtual.time)
        connector = polling(diary_config, None)
        return Rereading(connector, acceptance, log, backfills, Unobserved(), virtual.time)

    return start


async def bodies(log, topic=BULK):
    return [entry.record.body for entry in await log.read_all([topic])]


async def rounds(rereading, count):
    return [await rereading._round() for _ in range(count)]


async def test_it_reads_from_the_beginning_to_the_end_in_bulk(ask, start, system, log):
    system.pages = [b"1", b"2", b"3"]
    await ask()
    rereading = await start()
    await rounds(rereading, 2)
    assert await bodies(log) == [b"1", b"2", b"3"]
    assert await bodies(log, LIVE) == []
    (done,) = await backfills_of(log)
    assert (done.deliveries, done.is_asked) == (3, True)
    assert done.finished_at_us is not None
    assert await rounds(rereading, 1) == [LOOK_S]  # Once is enough.


async def test_the_live_cursor_and_upstream_are_left_alone(ask, start, system, log, virtual):
    system.pages = [b"1", b"2"]
    cursors = await Cursors.load(ME, log, log, virtual.time)
    await cursors.save("pages", {"page": 2})
    await ask()
    await rounds(await start(), 2)
    assert (await Cursors.load(ME, log, log, virtual.time)).at("pages") == {"page": 2}
    assert system.acked == []


async def test_it_begins_where_it_is_told(ask, start, system, log):
    system.pages = [b"1", b"2", b"3"]
    await ask(start={"page": 2})
    await rounds(await start(), 2)
    assert await bodies(log) == [b"3"]


async def test_a_crash_repeats_at_most_the_last_page_under_the_same_ids(ask, start, system, log):
    system.pages = [b"1"]
    await ask()
    first, second = await start(), await start()
    await first.step(first._backfills.asked()[0])
    await second.step(second._backfills.asked()[0])
    ids = [entry.record.delivery_id for entry in await log.read_all([BULK])]
    assert len(ids) == 2
    assert len(set(ids)) == 1


async def test_reading_again_gives_ids_of_its_own(ask, start, system, log):
    system.pages = [b"1"]
    for _ in range(2):
        await ask()
        await rounds(await start(), 2)
    ids = [entry.record.delivery_id for entry in await log.read_all([BULK])]
    assert len(set(ids)) == 2


async def test_a_restart_goes_on_where_it_was(ask, start, system, log):
    system.pages = [b"%d" % n for n in range(250)]  # More than a page of 200.
    await ask()
    await rounds(await start(), 1)
    await rounds(await start(), 3)
    assert len(await bodies(log)) == 250


async def test_a_failure_waits_is_named_and_loses_nothing(ask, start, system, log):
    rereading = await start()
    poll = rereading._connector.poll

    async def failing(stream, at, limit):
        rereading._connector.poll = poll
        raise Transient("down")

    rereading._connector.poll = failing
    system.pages = [b"1"]
    await ask()
    await rereading._backfills.load(log)
    (wait,) = await rounds(rereading, 1)
    assert wait >= 0.5
    assert "down" in rereading.fault
    await rounds(rereading, 2)
    assert rereading.fault is None
    assert await bodies(log) == [b"1"]


async def test_a_request_is_seen_while_it_runs(ask, start, system, log):
    system.pages = [b"1"]
    rereading, stop = await start(), asyncio.Event()
    tasks = [
        asyncio.create_task(rereading.run(stop)),
        asyncio.create_task(rereading.follow(log)),
    ]
    await ask()
    async with asyncio.timeout(5):
        while not await bodies(log):  # noqa: ASYNC110 (the log has no event for tests)
            await asyncio.sleep(0.001)
    stop.set()
    tasks[1].cancel()
    await tasks[0]


async def test_what_runs_is_not_asked_for_again(ask):
    await ask()
    with pytest.raises(ConfigurationError, match=r"still reading \['pages'\]"):
        await ask()


async def test_wrong_questions_are_answered_with_what_there_is(ask):
    with pytest.raises(ConfigurationError, match=r"no stream 'pags'. It has \['pages'\]"):
        await ask("pags")
    with pytest.raises(ConfigurationError, match="belongs to one stream"):
        await ask(None, {"page": 1})


async def test_a_plan_asks_nothing(instance, log, virtual):
    cursors = await Cursors.load(ME, log, log, virtual.time)
    await cursors.save("pages", {"page": 2})
    (planned,) = await plan_backfill(instance, None, None, log, log)
    assert (planned.stream, planned.start, planned.live) == ("pages", None, {"page": 2})
    assert await log.read_all([BACKFILL_TOPIC]) == []
    assert json.dumps(planned.live)
