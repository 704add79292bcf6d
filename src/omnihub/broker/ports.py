"""The two ports through which everyone but the engine touches the log.

Guarantees: `append` returns only when the record is durable (acks=all); readers see committed
records only, in partition order. Does not: exactly-once processing, which is the engine's.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from omnihub.model.record import Record

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""
Offsets = dict[Partition, int]
"""An offset for each partition, mostly the next one to read."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as read: `record` is None for a tombstone; `key` is text as in the contract."""

    at: Position
    timestamp_ms: int
    key: str
    record: Record | None


class Appender(Protocol):
    """Writes canonical records durably."""

    async def append(
        self,
        topic: str,
        record: Record,
        *,
        timestamp_us: int | None = None,
        partition: int | None = None,
    ) -> Position:
        """Append `record`; key and partition come from the contract (topics.yaml).

        `partition` overrides the contract's choice: a release from the hospital goes to the
        partition where its queue is.

        Raises:
            LogUnavailable: (a RetryableError) not acknowledged within 5 s; may still be written.
            RecordTooLarge: larger than the topic takes; nothing was written.
        """

    async def append_many(self, topic: str, records: Sequence[Record]) -> list[Position]:
        """Append several at once; returns when all are durable."""

    async def remove(self, topic: str, key: str) -> Position:
        """Append a tombstone for `key` to a compacted topic."""


class Reader(Protocol):
    """Reads without a group: for views, SSE, cross-references, cursors and the command line."""

    def follow(
        self, topics: Sequence[str], *, start: Mapping[Partition, int] | None = None
    ) -> AsyncGenerator[list[Entry], None]:
        """Yield batches for ever, from `start` (topic, partition -> next offset) or the beginning.

        An empty batch is yielded whenever every partition is read to the end seen at that moment,
        so the first empty batch means caught up.
        """

    async def read_all(self, topics: Sequence[str]) -> list[Entry]:
        """Return everything up to the ends found at the call."""


class GroupReader(Protocol):
    """Reads as a member of a consumer group, for sinks: at least once, offsets by hand."""

    async def batch(self, limit: int, wait_s: float) -> list[Entry]:
        """Return up to `limit` entries, waiting at most `wait_s` for the first."""

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Commit the offsets after `entries`."""

    async def close(self) -> None:
        """Leave the group."""
