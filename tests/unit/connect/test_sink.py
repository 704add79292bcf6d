"""The write loop: every command is answered once its effect is known, outages are waited out."""

import asyncio

import msgspec
import pytest

from omnihub.broker.logerrors import LogUnavailable
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.effects import plan
from omnihub.connect.errors import AuthFailed, PartialWrite, RateLimited, Refused, Transient
from omnihub.connect.observer import Unobserved
from omnihub.connect.sink import RESULT_TOPIC, Sink
from omnihub.model.ids import CommandId, InstanceId, Sku, TenantId
from omnihub.model.records import (
    Contact,
    DeliveryKind,
    FulfilmentStatus,
    OrderStatus,
    Outcome,
    Refetch,
    SendMessage,
    SetOrderStatus,
    SetStockLevel,
)

ME, TENANT = InstanceId("me"), TenantId("t")
COMMANDS = "omni.command.me.v1"
T0_US = 1_700_000_000_000_000


def level(name, *, target=None, seq=1, quantity=1000):
    return SetStockLevel(
        command_id=CommandId(name),
        tenant=TENANT,
        instance=ME,
        target=target or name,
        cause_id="c",
        accepted_at_us=T0_US,
        sku=Sku("apple"),
        quantity_milli=quantity,
        seq=seq,
    )


def refetch(name, entity="7"):
    return Refetch(
        command_id=CommandId(name),
        tenant=TENANT,
        instance=ME,
        target=f"product:{entity}",
        cause_id="c",
        accepted_at_us=T0_US,
        type="product",
        entity_id=entity,
        reason="r",
    )


@pytest.fixture
def sink(diary, log, virtual):
    def make(connector=diary):
        group = log.group_reader("omnihub.me", [COMMANDS])
        acceptance = Acceptance(TENANT, "diary", ME, virtual.time)
        return Sink(connector, group, acceptance, log, Unobserved(), virtual.time)

    return make


@pytest.fixture
def run(sink, log):
    async def run(*commands, stop=None, connector=None):
        await log.append_many(COMMANDS, commands)
        runner = sink(connector) if connector else sink()
        await runner.step(stop or asyncio.Event())
        return runner

    return run


async def results(log):
    return {e.record.command_id: e.record for e in await log.read_all([RESULT_TOPIC])}


async def pending(log):
    return len(await log.group_reader("omnihub.me", [COMMANDS]).batch(100, 0.0))


async def test_everything_pending_is_one_write_and_every_command_gets_its_result(
    run, system, log, virtual
):
    virtual.now_s += 2.0
    await run(*[level(f"c{n}") for n in range(20)])
    assert len(system.calls) == 1
    told = await results(log)
    assert len(told) == 20
    assert {each.outcome for each in told.values()} == {Outcome.DONE}
    assert told["c3"].external_ref == "ref-c3"
    assert told["c3"].finished_at_us - told["c3"].accepted_at_us == 2_000_000
    assert await pending(log) == 0


async def test_a_write_is_never_larger_than_the_connector_takes(run, system, diary_type):
    diary_type.write_limit = 8
    await run(*[level(f"c{n}") for n in range(20)])
    assert [len(call) for call in system.calls] == [8]


async def test_commands_of_a_target_keep_their_order(run, system):
    await run(*[level(f"c{n}", target=f"t{n % 3}", seq=n) for n in range(9)])
    (call,) = system.calls
    assert sorted(each.seq for each in call) == [6, 7, 8]


def test_of_absolute_values_only_the_newest_of_a_target_is_written():
    planned = plan([level("a", target="t", seq=2), level("b", target="t", seq=3), level("c")])
    assert [each.command_id for each in planned.writes] == ["b", "c"]
    assert [each.command_id for each in planned.superseded] == ["a"]


def test_values_of_other_kinds_never_supersede_each_other():
    newer = SetOrderStatus(
        command_id="s2", tenant="t", instance="i", target="t", cause_id="c", accepted_at_us=1,
        order_id="t", number="1", status=OrderStatus.CONFIRMED, seq=9,
        fulfilment_status=FulfilmentStatus.UNKNOWN,
    )  # fmt: skip
    older = msgspec.structs.replace(newer, command_id="s1", seq=8)
    planned = plan([level("a", target="t", seq=1), older, newer])
    assert [each.command_id for each in planned.writes] == ["a", "s2"]
    assert [each.command_id for each in planned.superseded] == ["s1"]


def test_facts_of_one_target_are_all_written():
    first = SendMessage(
        command_id="m1", tenant="t", instance="i", target="t", cause_id="c", accepted_at_us=1,
        message_id="m1", template="x", contact=Contact(subject="s"),
    )  # fmt: skip
    second = msgspec.structs.replace(first, command_id="m2", message_id="m2")
    assert plan([first, second]).writes == [first, second]


def test_the_same_command_twice_is_written_once():
    assert len(plan([level("a"), level("a")]).writes) == 1


@pytest.mark.parametrize(
    ("mood", "least_s"),
    [(Transient("down"), 0.5), (RateLimited("later", 45.0), 45.0), (AuthFailed("no"), 30.0)],
)
async def test_an_outage_is_waited_out_with_the_same_commands(
    run, system, log, virtual, mood, least_s
):
    system.moods = [mood, mood]
    runner = await run(level("a"), level("b"))
    assert len(system.calls) == 3
    assert len({tuple(c.command_id for c in call) for call in system.calls}) == 1
    assert virtual.slept_s[0] >= least_s
    assert len(system.effects) == 2
    assert runner.fault is None


async def test_a_stop_during_an_outage_commits_nothing(run, system, log, virtual, sink):
    stop = asyncio.Event()
    system.moods = [Transient("down")]
    virtual.chance = 1.0
    stop.set()
    await run(level("a"), stop=stop)
    assert await results(log) == {}
    assert await pending(log) == 1
    system.moods = []
    await sink().step(asyncio.Event())
    assert (await results(log))["a"].outcome is Outcome.DONE


async def test_a_refused_command_is_reported_with_its_cure(run, system, log):
    system.moods = [Refused("no such product", cure="create it in the shop, then retry")]
    await run(level("a"))
    told = (await results(log))["a"]
    assert (told.outcome, told.error_class) == (Outcome.REFUSED, "Refused")
    assert told.cure == "create it in the shop, then retry"
    assert await pending(log) == 0


async def test_each_failure_of_a_partial_write_is_judged_alone(run, system, log):
    system.moods = [
        PartialWrite(
            done={CommandId("a"): "ref-a"},
            failed={CommandId("b"): Refused("no", cure="c"), CommandId("c"): Transient("down")},
        )
    ]
    await run(level("a"), level("b"), level("c"), level("d"))
    told = {name: each.outcome for name, each in (await results(log)).items()}
    assert told == {"a": "DONE", "b": "REFUSED", "c": "DONE", "d": "DONE"}
    assert sorted(c.command_id for c in system.calls[1]) == ["c", "d"]


async def test_one_command_that_crashes_the_connector_does_not_stop_the_others(
    run, system, log, diary
):
    write = diary.write

    async def brittle(commands):
        if any(command.command_id == "bad" for command in commands):
            raise ZeroDivisionError
        return await write(commands)

    diary.write = brittle
    await run(level("a"), level("bad"), level("b"))
    told = await results(log)
    assert told["a"].outcome is told["b"].outcome is Outcome.DONE
    assert (told["bad"].outcome, told["bad"].error_class) == (Outcome.REFUSED, "Crashed")
    assert len(system.effects) == 2


async def test_a_command_that_the_connector_forgot_is_not_called_done(run, log, diary):
    async def forgetful(commands):
        return {}

    diary.write = forgetful
    await run(level("a"))
    assert (await results(log))["a"].outcome is Outcome.REFUSED


async def test_a_connector_that_takes_no_commands_refuses_them(run, log, diary):
    async def not_a_sink(commands):
        raise NotImplementedError

    diary.write = not_a_sink
    await run(level("a"))
    assert "does not take SetStockLevel" in (await results(log))["a"].message


async def test_a_refetch_comes_back_as_a_raw_delivery_of_its_own_kind(run, system, log):
    system.entities["7"] = b"now"
    await run(refetch("r"))
    (raw,) = [entry.record for entry in await log.read_all(["omni.raw.diary.v1"])]
    assert (raw.kind, raw.body, raw.stream) == (DeliveryKind.REFETCH, b"now", "refetch")
    assert (await results(log))["r"].outcome is Outcome.DONE


async def test_a_crash_after_the_effect_asks_again_and_answers_again(run, sink, system, log):
    await log.append(COMMANDS, level("a"))
    crashed = sink()

    async def lost(entries):
        raise RuntimeError("killed before the commit")

    crashed._group.commit = lost
    with pytest.raises(RuntimeError):
        await crashed.step(asyncio.Event())
    await sink().step(asyncio.Event())
    assert [command.command_id for command in system.effects] == ["a", "a"]
    assert len(await log.read_all([RESULT_TOPIC])) == 2


class Shaky:
    """An appender or a group that is away for the next calls."""

    def __init__(self, inner, calls):
        self._inner, self._calls = inner, calls

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def _away(self):
        if self._calls:
            self._calls -= 1
            raise LogUnavailable("the log is away")

    async def append_many(self, topic, records):
        self._away()
        return await self._inner.append_many(topic, records)

    async def commit(self, entries):
        self._away()
        await self._inner.commit(entries)

    async def batch(self, limit, wait_s):
        if wait_s == 0.0:
            self._away()
        return await self._inner.batch(limit, wait_s)


@pytest.mark.parametrize("part", ["_appender", "_group"])
async def test_a_log_that_is_away_in_the_middle_loses_no_command(sink, system, log, part):
    await log.append_many(COMMANDS, [level("a"), level("b")])
    runner, stop = sink(), asyncio.Event()
    setattr(runner, part, Shaky(getattr(runner, part), 2))
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            await runner.step(stop)
    await log.append(COMMANDS, level("c"))
    await runner.step(stop)
    await runner.step(stop)
    assert set(await results(log)) == {"a", "b", "c"}
    assert await pending(log) == 0


async def test_what_was_answered_is_not_done_again_when_only_the_commit_failed(sink, system, log):
    await log.append(COMMANDS, level("a"))
    runner = sink()
    steady = runner._group
    runner._group = Shaky(steady, 0)
    runner._group.commit = Shaky(steady, 1).commit
    with pytest.raises(LogUnavailable):
        await runner.step(asyncio.Event())
    await runner.step(asyncio.Event())
    assert len(system.effects) == 1
    assert await pending(log) == 0


async def test_a_lane_writes_only_its_own_kinds_and_reads_over_the_others(
    diary, diary_type, log, virtual, system
):
    diary_type.lanes = {SendMessage: "mail"}
    mail = SendMessage(
        command_id="m1", tenant="t", instance="i", target="t", cause_id="c", accepted_at_us=1,
        message_id="m1", template="x", contact=Contact(subject="s"),
    )  # fmt: skip
    await log.append_many(COMMANDS, [level("a"), mail, level("b")])
    acceptance = Acceptance(TENANT, "diary", ME, virtual.time)
    written = {}
    for lane in ("mail", ""):
        group = log.group_reader(f"omnihub.me.{lane}", [COMMANDS])
        sink = Sink(diary, group, acceptance, log, Unobserved(), virtual.time, lane=lane)
        await sink.step(asyncio.Event())
        written[lane] = [command.command_id for call in system.calls for command in call]
        system.calls.clear()
        assert await group.batch(10, 0.0) == []
    assert {lane: sorted(names) for lane, names in written.items()} == {
        "mail": ["m1"],
        "": ["a", "b"],
    }
    assert set(await results(log)) == {"a", "b", "m1"}
