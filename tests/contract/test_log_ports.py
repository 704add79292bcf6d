"""What Appender, Reader and GroupReader promise, whoever implements them.

Here against `MemoryLog`; tests/lab/test_log_ports.py runs the same suite against real Kafka.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from omnihub.broker.clients import MAX_MESSAGE_BYTES
from omnihub.broker.logerrors import RecordTooLarge
from omnihub.broker.memory import MemoryLog
from omnihub.broker.ports import Appender, Entry, GroupReader, Reader
from omnihub.contracts.errors import ContractError
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.ids import DeliveryId, InstanceId, LocationId, Sku, TenantId
from omnihub.model.records import DeliveryKind, RawDelivery, StockLevel

TOPICS = """
partition_counts: {default: 4}
topics:
  - name: omni.MARK.level.state.v1
    records: {StockLevel: "{tenant}:{sku}:{location}"}
    partition_by: "{tenant}:{sku}"
    partitions: default
    cleanup: compact
  - name: omni.MARK.raw.v1
    records: {RawDelivery: "{tenant}:{delivery_id}"}
    partitions: default
    cleanup: delete
    retention_hours: 1
"""


@dataclass
class LogUnderTest:
    """Both ports over one log, and how to join a group of it."""

    topics: Topics
    appender: Appender
    reader: Reader
    join: Callable[[str, Sequence[str]], Awaitable[GroupReader]]
    mark: str

    @property
    def levels(self) -> str:
        return f"omni.{self.mark}.level.state.v1"

    @property
    def raw(self) -> str:
        return f"omni.{self.mark}.raw.v1"


def topics_marked(folder: Path) -> tuple[Topics, str]:
    """Topics of this test alone, so that a shared broker keeps the tests apart."""
    mark = f"t{uuid.uuid4().hex[:10]}"
    path = folder / "topics.yaml"
    path.write_text(TOPICS.replace("MARK", mark), encoding="utf-8")
    return Topics.load(path), mark


def level(sku: str = "1082185", location: str = "store-367", on_hand_milli: int = 0) -> StockLevel:
    return StockLevel(
        tenant=TenantId("acme"),
        sku=Sku(sku),
        location=LocationId(location),
        on_hand_milli=on_hand_milli,
        ats_milli=on_hand_milli,
        seq=1,
        cause_id="c1",
        occurred_at_us=1,
        accepted_at_us=2,
    )


def delivery(body: bytes) -> RawDelivery:
    return RawDelivery(
        delivery_id=DeliveryId("d1"),
        tenant=TenantId("acme"),
        connector="poslog",
        instance=InstanceId("pos"),
        kind=DeliveryKind.FILE,
        stream="spool",
        name="a.xml",
        body=body,
        accepted_at_us=3,
    )


async def until_caught_up(batches: AsyncIterator[list[Entry]]) -> list[Entry]:
    """Everything up to the first empty batch."""
    found: list[Entry] = []
    async for batch in batches:
        if not batch:
            return found
        found += batch
    raise AssertionError("follow ended")


class LogPortsContract:
    """The suite; a subclass gives the fixture `log`."""

    async def test_what_is_appended_is_read_with_its_key_time_and_place(
        self, log: LogUnderTest
    ) -> None:
        at = await log.appender.append(log.levels, level(), timestamp_us=1_795_370_784_123_999)
        [entry] = await log.reader.read_all([log.levels])
        assert entry == Entry(at, 1_795_370_784_123, "acme:1082185:store-367", level())

    async def test_locations_of_one_sku_share_the_partition_of_the_contract(
        self, log: LogUnderTest
    ) -> None:
        places = await log.appender.append_many(
            log.levels, [level(location=f"store-{n}") for n in range(20)]
        )
        assert {place.partition for place in places} == {partition_for(b"acme:1082185", 4)}
        assert [place.offset for place in places] == list(range(20))

    async def test_a_thousand_records_stay_in_order_per_partition(self, log: LogUnderTest) -> None:
        sent = [level(sku=f"s{n % 50}", on_hand_milli=n) for n in range(1000)]
        places = await log.appender.append_many(log.levels, sent)
        read = await log.reader.read_all([log.levels])
        by_place = dict(zip(places, sent, strict=True))
        assert {entry.at: entry.record for entry in read} == by_place
        for partition in range(4):
            offsets = [entry.at.offset for entry in read if entry.at.partition == partition]
            assert offsets == sorted(offsets)

    async def test_a_tombstone_follows_its_record(self, log: LogUnderTest) -> None:
        put = await log.appender.append(log.levels, level())
        gone = await log.appender.remove(log.levels, "acme:1082185:store-367")
        first, second = await log.reader.read_all([log.levels])
        assert (gone.partition, gone.offset) == (put.partition, put.offset + 1)
        assert (first.record, second.record) == (level(), None)
        assert first.key == second.key

    async def test_follow_says_when_it_caught_up_and_goes_on(self, log: LogUnderTest) -> None:
        await log.appender.append_many(log.levels, [level(sku=f"s{n}") for n in range(10)])
        async with aclosing(log.reader.follow([log.levels, log.raw])) as batches:
            assert len(await until_caught_up(batches)) == 10
            await log.appender.append(log.levels, level(sku="new"))
            async with asyncio.timeout(10):
                [late] = await until_caught_up(batches)
            assert late.record == level(sku="new")

    async def test_follow_of_an_empty_log_is_caught_up_at_once(self, log: LogUnderTest) -> None:
        async with aclosing(log.reader.follow([log.raw])) as batches, asyncio.timeout(10):
            assert await until_caught_up(batches) == []

    async def test_follow_starts_where_it_is_told(self, log: LogUnderTest) -> None:
        places = await log.appender.append_many(
            log.levels, [level(on_hand_milli=n) for n in range(5)]
        )
        start = {(log.levels, places[0].partition): places[3].offset}
        async with aclosing(log.reader.follow([log.levels], start=start)) as batches:
            found = await until_caught_up(batches)
        assert [entry.at for entry in found] == places[3:]

    async def test_two_readers_each_see_everything(self, log: LogUnderTest) -> None:
        await log.appender.append(log.levels, level())
        assert await log.reader.read_all([log.levels]) == await log.reader.read_all([log.levels])

    async def test_a_record_over_the_limit_is_refused_and_not_written(
        self, log: LogUnderTest
    ) -> None:
        with pytest.raises(RecordTooLarge, match=r"over the limit of 12582912.*smaller parts"):
            await log.appender.append(log.raw, delivery(bytes(MAX_MESSAGE_BYTES + 1)))
        assert await log.reader.read_all([log.raw]) == []

    async def test_a_ten_mebibyte_delivery_fits(self, log: LogUnderTest) -> None:
        big = delivery(b"x" * 10 * 1024 * 1024)
        await log.appender.append(log.raw, big)
        [entry] = await log.reader.read_all([log.raw])
        assert entry.record == big

    async def test_a_record_goes_to_no_topic_that_does_not_take_it(self, log: LogUnderTest) -> None:
        with pytest.raises(ContractError, match=r"StockLevel does not belong on topic"):
            await log.appender.append(log.raw, level())

    async def test_a_group_reads_on_from_what_it_committed(self, log: LogUnderTest) -> None:
        places = await log.appender.append_many(
            log.levels, [level(on_hand_milli=n) for n in range(6)]
        )
        first = await log.join("sink", [log.levels])
        batch = await take(first, 4)
        assert [entry.at for entry in batch] == places[:4]
        await first.commit(batch[:2])
        await first.close()
        second = await log.join("sink", [log.levels])
        assert [entry.at for entry in await take(second, 4)] == places[2:]
        await second.close()

    async def test_groups_do_not_disturb_each_other(self, log: LogUnderTest) -> None:
        await log.appender.append(log.levels, level())
        for name in ("one", "two"):
            member = await log.join(name, [log.levels])
            [entry] = await take(member, 1)
            await member.commit([entry])
            await member.close()

    async def test_a_batch_waits_for_the_first_record_and_is_empty_in_vain(
        self, log: LogUnderTest
    ) -> None:
        member = await log.join("sink", [log.levels])
        assert await member.batch(10, 0.05) == []
        waiting = asyncio.create_task(member.batch(10, 20))
        await log.appender.append(log.levels, level())
        [entry] = await waiting
        assert entry.record == level()
        await member.close()


async def take(member: GroupReader, count: int) -> list[Entry]:
    """The next `count` entries of a group."""
    found: list[Entry] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found += await member.batch(count - len(found), 1.0)
    return found


class TestMemoryLog(LogPortsContract):
    """The double keeps the promises."""

    @pytest.fixture
    def log(self, tmp_path: Path) -> LogUnderTest:
        topics, mark = topics_marked(tmp_path)
        memory = MemoryLog(topics)

        async def join(group: str, names: Sequence[str]) -> GroupReader:
            return memory.group_reader(group, names)

        return LogUnderTest(topics, memory, memory, join, mark)
