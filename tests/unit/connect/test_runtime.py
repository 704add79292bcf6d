"""One instance's process: opens, polls, writes, tends, closes; a failing part is named."""

import asyncio
from contextlib import asynccontextmanager
from typing import ClassVar

import httpx
import pytest

from omnihub.connect.config import Instance
from omnihub.connect.errors import Transient
from omnihub.connect.refs import CrossReferences
from omnihub.connect.runtime import ConnectorRuntime, Ports, commands_groups, commands_topic
from omnihub.connect.sdk import Stream
from omnihub.model.ids import CommandId, InstanceId, Sku, TenantId
from omnihub.model.records import Contact, SendMessage, SetStockLevel

ME = InstanceId("me")
RAW, RESULTS = "omni.raw.diary.bulk.v1", "omni.result.v1"


@pytest.fixture
def lively(diary_type):
    """A diary that notes its life."""

    class Lively(diary_type):
        life: ClassVar[list[str]] = []
        broken: ClassVar[dict[str, int]] = {}

        async def open(self):
            self._live("open")

        async def tend(self):
            self._live("tend")

        async def close(self):
            self._live("close")

        def streams(self):
            return [Stream("pages", interval_s=0.01)]

        def _live(self, act):
            if self.broken.get(act, 0) > 0:
                self.broken[act] -= 1
                raise Transient(f"{act} is down")
            self.life.append(act)

    return Lively


@pytest.fixture
def instance(lively, diary_config, diary_settings):
    return Instance(TenantId("t"), ME, lively, diary_config, diary_settings())


@pytest.fixture
def running(instance, log, virtual):
    @asynccontextmanager
    async def running():
        groups = {
            lane: log.group_reader(name, [commands_topic(instance)])
            for lane, name in commands_groups(instance).items()
        }
        network = httpx.MockTransport(lambda request: httpx.Response(200))
        ports = Ports(log, log, groups, network, time=virtual.time)
        runtime = ConnectorRuntime(instance, ports, CrossReferences({}))
        stop = asyncio.Event()
        task = asyncio.create_task(runtime.run(stop))
        try:
            yield runtime
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)

    return running


async def until(condition):
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110 (the log has no event for tests)
            await asyncio.sleep(0.001)


def count(log, topic, number):
    async def there():
        return len(await log.read_all([topic])) >= number

    return there


def level(name):
    return SetStockLevel(
        command_id=CommandId(name),
        tenant=TenantId("t"),
        instance=ME,
        target=name,
        cause_id="c",
        accepted_at_us=0,
        sku=Sku("apple"),
        quantity_milli=1,
        seq=1,
    )


async def test_it_polls_writes_and_tends_until_it_is_stopped(running, log, system, lively):
    system.pages = [b"1", b"2"]
    await log.append("omni.command.me.v1", level("a"))
    async with running() as runtime:
        await until(count(log, RAW, 2))
        await until(count(log, RESULTS, 1))
        assert runtime.faults() == []
    assert lively.life[0] == "open"
    assert "tend" in lively.life
    assert lively.life[-1] == "close"


async def test_a_system_that_is_down_at_the_start_is_waited_for(running, log, system, lively):
    lively.broken["open"] = 3
    system.pages = [b"1"]
    async with running():
        await until(count(log, RAW, 1))
    assert lively.life.count("open") == 1


async def test_a_part_that_fails_is_named_and_the_others_go_on(running, log, system, lively):
    lively.broken["tend"] = 10**9
    system.pages = [b"1"]
    async with running() as runtime:
        await until(count(log, RAW, 1))
        assert runtime.faults() == ["tend: tend is down"]


async def test_a_stop_before_it_could_open_ends_it(running, lively):
    lively.broken["open"] = 10**9
    async with running() as runtime:
        await asyncio.sleep(0.01)
        assert runtime.faults() == ["open: open is down"]
    assert lively.life == []


def mail(name):
    return SendMessage(
        command_id=CommandId(name),
        tenant=TenantId("t"),
        instance=ME,
        target=name,
        cause_id="c",
        accepted_at_us=0,
        message_id=name,
        template="x",
        contact=Contact(subject="s"),
    )


async def test_a_lane_that_is_stuck_holds_up_no_other(running, log, lively, monkeypatch):
    write = lively.write

    async def stuck_with_mail(self, commands):
        if any(isinstance(command, SendMessage) for command in commands):
            await asyncio.Event().wait()
        return await write(self, commands)

    monkeypatch.setattr(lively, "lanes", {SendMessage: "mail"})
    monkeypatch.setattr(lively, "write", stuck_with_mail)
    await log.append_many("omni.command.me.v1", [mail("m"), level("a")])
    with pytest.raises(TimeoutError):  # the mail never ends, so neither does a clean stop
        async with running():
            await until(count(log, RESULTS, 1))
    (told,) = await log.read_all([RESULTS])
    assert told.record.command_id == "a"
