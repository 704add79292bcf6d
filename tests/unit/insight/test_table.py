"""A state topic in memory: the newest snapshot by key, also over an outage of the log."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from omnihub.broker.logerrors import LogUnavailable
from omnihub.broker.memory import MemoryLog
from omnihub.broker.ports import Entry
from omnihub.contracts.topics import Topics
from omnihub.insight.table import StateTable
from omnihub.model.ids import LocationId, Sku, TenantId
from omnihub.model.records import StockLevel

TOPIC = "omni.stock.state.v1"


class Shaky:
    """A reader whose log goes away once, after the first batch."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.follows = 0

    async def follow(self, topics: Sequence[str]) -> AsyncIterator[list[Entry]]:
        self.follows += 1
        async for entries in self._log.follow(topics):
            yield entries
            if self.follows == 1:
                raise LogUnavailable("the log is away", retry_after_s=0.001)


def level(on_hand: int) -> StockLevel:
    return StockLevel(
        tenant=TenantId("t"),
        sku=Sku("S1"),
        location=LocationId("W1"),
        on_hand_milli=on_hand,
        ats_milli=on_hand,
        seq=1,
        cause_id="c",
        occurred_at_us=0,
        accepted_at_us=0,
    )


async def test_a_table_goes_on_after_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog(Topics.load())
    await log.append(TOPIC, level(1))
    table, reader = StateTable(StockLevel, TOPIC), Shaky(log)
    following = asyncio.create_task(table.follow(reader))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await table.is_complete.wait()
        await log.append(TOPIC, level(2))
        while table["t:S1:W1"].on_hand_milli != 2:  # noqa: ASYNC110 (a mapping has no event)
            await asyncio.sleep(0.001)
    following.cancel()
    assert reader.follows == 2
    assert "the log is away" in caplog.text
