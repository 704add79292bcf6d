"""Which streams of one instance are read from their beginning, on a compacted topic.

A backfill is either a listing that the live poll itself goes through (a first load, a sweep), or
one that somebody asked for, which runs beside the live poll and never touches its cursor.
Guarantees: what is noted is durable before `note` returns; a request made elsewhere is seen while
`follow` runs. Does not: share an instance between processes; one process polls an instance.
"""

import msgspec

from omnihub.broker.ports import Appender, Entry, Offsets, Reader
from omnihub.connect.pace import Time
from omnihub.model.ids import InstanceId
from omnihub.model.records import Backfill

BACKFILL_TOPIC = "omni.backfill.v1"


class Backfills:
    """The backfills of one instance, by stream."""

    def __init__(self, instance: InstanceId, appender: Appender, time: Time) -> None:
        self._instance = instance
        self._appender = appender
        self._time = time
        self._known: dict[str, Backfill] = {}
        self._next: Offsets = {}

    async def load(self, reader: Reader) -> "Backfills":
        """Read the topic whole and keep what belongs to the instance."""
        for entry in await reader.read_all([BACKFILL_TOPIC]):
            self._next[entry.at.topic, entry.at.partition] = entry.at.offset + 1
            if (record := self._ours(entry)) is not None:
                self._known[record.stream] = record
        return self

    async def follow(self, reader: Reader) -> None:
        """Take requests for ever, those that came after `load`."""
        async for entries in reader.follow([BACKFILL_TOPIC], start=dict(self._next)):
            for entry in entries:
                self._next[entry.at.topic, entry.at.partition] = entry.at.offset + 1
                if (record := self._ours(entry)) is not None and self._is_request(record):
                    self._known[record.stream] = record

    def running(self, stream: str) -> Backfill | None:
        """Return the backfill of `stream` that is not finished."""
        known = self._known.get(stream)
        return known if known is not None and known.finished_at_us is None else None

    def asked(self) -> list[Backfill]:
        """Return what was asked for and is not finished, the oldest first."""
        running = [each for each in self._known.values() if each.finished_at_us is None]
        return sorted((e for e in running if e.is_asked), key=lambda each: each.begun_at_us)

    async def begin_listing(self, stream: str) -> None:
        """Note that the live poll of `stream` goes through a listing from its beginning."""
        now_us = self._time.now_us()
        await self._keep(
            Backfill(instance=self._instance, stream=stream, begun_at_us=now_us, saved_at_us=now_us)
        )

    async def note(
        self, backfill: Backfill, offset: str | None, deliveries: int, *, is_over: bool
    ) -> Backfill:
        """Note how far a backfill is: `deliveries` more than before."""
        now_us = self._time.now_us()
        noted = msgspec.structs.replace(
            backfill,
            offset=offset,
            deliveries=backfill.deliveries + deliveries,
            saved_at_us=now_us,
            finished_at_us=now_us if is_over else None,
        )
        await self._keep(noted)
        return noted

    def count(self, stream: str, deliveries: int) -> None:
        """Count what a listing accepted; kept with its next note."""
        if (running := self.running(stream)) is not None:
            self._known[stream] = msgspec.structs.replace(
                running, deliveries=running.deliveries + deliveries
            )

    async def _keep(self, backfill: Backfill) -> None:
        await self._appender.append(BACKFILL_TOPIC, backfill)
        self._known[backfill.stream] = backfill

    def _ours(self, entry: Entry) -> Backfill | None:
        record = entry.record
        if isinstance(record, Backfill) and record.instance == self._instance:
            return record
        return None

    def _is_request(self, record: Backfill) -> bool:
        """Tell a new request from notes of our own, which are known already."""
        known = self._known.get(record.stream)
        is_new = known is None or known.begun_at_us != record.begun_at_us
        return is_new and record.is_asked and not record.deliveries and not record.finished_at_us
