"""The log in memory: the shipped double of Kafka behind the same ports.

Guarantees: same keys, partitions, offsets, order, tombstones, size limit and errors as the Kafka
implementations; one contract suite runs against both. Values are kept as bytes, so what is read
went through the codec. Does not: survive the process, delete by age, or cross threads.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass

from omnihub.broker.clients import MAX_MESSAGE_BYTES
from omnihub.broker.logerrors import RecordTooLarge
from omnihub.broker.ports import Entry, Offsets, Partition, Position
from omnihub.contracts.codec import Codec
from omnihub.contracts.headers import Headers, headers_of
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics, TopicSpec
from omnihub.model.record import Record


@dataclass(frozen=True, slots=True)
class Stored:
    """One record as the log keeps it."""

    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class MemoryLog:
    """Appender, Reader and maker of GroupReaders over lists.

    `clock` gives the timestamp (UTC micros) of appends that bring none; without one, time stands
    still at zero.
    """

    def __init__(
        self, topics: Topics, codec: Codec | None = None, clock: Callable[[], int] = lambda: 0
    ) -> None:
        self.topics = topics
        self.codec = codec or Codec.offline()
        self._clock = clock
        self._log: dict[str, list[list[Stored]]] = {}
        self._committed: dict[str, Offsets] = {}
        self._waiting: set[asyncio.Event] = set()

    # -- Appender ------------------------------------------------------------------------------

    async def append(
        self,
        topic: str,
        record: Record,
        *,
        timestamp_us: int | None = None,
        partition: int | None = None,
    ) -> Position:
        """Append `record`; `partition` overrides the contract's choice (hospital releases)."""
        spec = self.topics.spec(topic)
        key = spec.key_of(record)
        if partition is None:
            partition = partition_for(spec.partition_key_of(record).encode(), spec.partitions)
        value = self.codec.encode(record)
        if len(value) > MAX_MESSAGE_BYTES:
            raise RecordTooLarge(topic, len(value), MAX_MESSAGE_BYTES)
        stamp_ms = (self._clock() if timestamp_us is None else timestamp_us) // 1000
        headers = headers_of(record, key)
        return self.write(topic, partition, key.encode(), value, stamp_ms, headers)

    async def append_many(self, topic: str, records: Sequence[Record]) -> list[Position]:
        """Append `records` in their order."""
        return [await self.append(topic, record) for record in records]

    async def remove(self, topic: str, key: str) -> Position:
        """Append a tombstone for `key`."""
        spec = self.topics.spec(topic)
        partition = partition_for(spec.partition_key_of_key(key).encode(), spec.partitions)
        return self.write(topic, partition, key.encode(), None, self._clock() // 1000)

    # -- Reader --------------------------------------------------------------------------------

    async def follow(
        self, topics: Sequence[str], *, start: Mapping[Partition, int] | None = None
    ) -> AsyncGenerator[list[Entry], None]:
        """Yield batches for ever; an empty one whenever the end is reached."""
        at = {place: (start or {}).get(place, 0) for place in self._places(topics)}
        news = asyncio.Event()
        self._waiting.add(news)
        try:
            while True:
                news.clear()
                if batch := self._advance(at):
                    yield batch
                    continue
                yield []
                await news.wait()
        finally:
            self._waiting.discard(news)

    async def read_all(self, topics: Sequence[str]) -> list[Entry]:
        """Return everything in the log now, partition by partition."""
        return self._advance(dict.fromkeys(self._places(topics), 0))

    def group_reader(self, group: str, topics: Sequence[str]) -> "MemoryGroupReader":
        """Join `group`; it starts from what the group committed, else from the beginning.

        One member at a time: a second one would get the same records.
        """
        return MemoryGroupReader(self, self._committed.setdefault(group, {}), topics)

    # -- bytes: for test drivers and checkers --------------------------------------------------

    def create(self, spec: TopicSpec) -> None:
        """Make a topic that `Topics.spec` cannot resolve by name (a changelog)."""
        self._log.setdefault(spec.name, [[] for _ in range(spec.partitions)])

    def write(
        self,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes | None,
        timestamp_ms: int,
        headers: Headers | None = None,
    ) -> Position:
        """Append bytes to a partition and wake whoever follows."""
        lane = self._lanes(topic)[partition]
        lane.append(Stored(len(lane), timestamp_ms, key, value, tuple(headers or ())))
        for event in self._waiting:
            event.set()
        return Position(topic, partition, len(lane) - 1)

    def read(self, topic: str, partition: int, offset: int = 0) -> Sequence[Stored]:
        """Return what one partition holds from `offset` on."""
        return self._lanes(topic)[partition][offset:]

    def names(self) -> list[str]:
        """Return the topics that were ever used."""
        return sorted(self._log)

    def ends(self, topic: str) -> list[int]:
        """Return the next offset of every partition."""
        return [len(lane) for lane in self._lanes(topic)]

    def compacted(self, topic: str) -> dict[str, Record]:
        """Return what compaction leaves: the newest record of every key, no tombstones."""
        newest = {
            stored.key.decode(): stored.value for lane in self._lanes(topic) for stored in lane
        }
        return {key: self.codec.decode(value) for key, value in newest.items() if value is not None}

    def entry(self, topic: str, partition: int, stored: Stored) -> Entry:
        """Decode one stored record."""
        record = None if stored.value is None else self.codec.decode(stored.value)
        at = Position(topic, partition, stored.offset)
        return Entry(at, stored.timestamp_ms, stored.key.decode(), record)

    def _lanes(self, topic: str) -> list[list[Stored]]:
        if topic not in self._log:
            self.create(self.topics.spec(topic))
        return self._log[topic]

    def _places(self, topics: Sequence[str]) -> list[Partition]:
        return [(topic, part) for topic in topics for part in range(len(self._lanes(topic)))]

    def _advance(self, at: Offsets) -> list[Entry]:
        batch: list[Entry] = []
        for (topic, partition), offset in at.items():
            new = self.read(topic, partition, offset)
            batch += [self.entry(topic, partition, stored) for stored in new]
            at[topic, partition] = offset + len(new)
        return batch


class MemoryGroupReader:
    """The only member of a consumer group of a `MemoryLog`."""

    def __init__(self, log: MemoryLog, committed: Offsets, topics: Sequence[str]) -> None:
        self._log = log
        self._committed = committed
        self._at = {place: committed.get(place, 0) for place in log._places(topics)}

    async def batch(self, limit: int, wait_s: float) -> list[Entry]:
        """Return up to `limit` entries, waiting at most `wait_s` for the first."""
        news = asyncio.Event()
        self._log._waiting.add(news)
        try:
            found = self._take(limit)
            if not found and wait_s > 0:
                await asyncio.wait_for(news.wait(), wait_s)
                found = self._take(limit)
        except TimeoutError:
            return []
        finally:
            self._log._waiting.discard(news)
        return found

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Remember the offsets after `entries` for the group."""
        for entry in entries:
            place = (entry.at.topic, entry.at.partition)
            self._committed[place] = max(self._committed.get(place, 0), entry.at.offset + 1)

    async def close(self) -> None:
        """Leave the group; what was not committed is delivered again."""

    def _take(self, limit: int) -> list[Entry]:
        found: list[Entry] = []
        for (topic, partition), offset in self._at.items():
            new = self._log.read(topic, partition, offset)[: limit - len(found)]
            found += [self._log.entry(topic, partition, stored) for stored in new]
            self._at[topic, partition] = offset + len(new)
        return found
