"""Reads what a topic holds now, in bytes and in one go: changelogs, the registry's log.

Guarantees: committed records alone, every partition from its first one up to the end that was seen
at the call. All partitions are read side by side: one after the other each waited for its turn.
Does not: follow what comes later (see `reader`), or decode.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from omnihub.broker.clients import Cluster, restore_consumer

POLL_S = 0.2
STALLED_AFTER_S = 15.0
_BATCH = 5_000
Bounds = Mapping[int, tuple[int, int]]
"""First and next offset of each partition."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record in bytes, as read in bulk."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def read_bulk(cluster: Cluster, topic: str, bounds: Bounds) -> list[RawRecord]:
    """Return the records between the bounds, partition by partition, each in order.

    Raises:
        KafkaException: the cluster does not answer, or not within 15 s.
    """
    lanes = _Lanes(bounds)
    if not lanes.unread:
        return []
    consumer = Consumer(restore_consumer(cluster, "omnihub.bulk"))
    try:
        consumer.assign([TopicPartition(topic, at, bounds[at][0]) for at in sorted(lanes.unread)])
        heard_at = time.monotonic()
        while lanes.unread:
            first = consumer.poll(POLL_S)
            if first is not None:
                heard_at = time.monotonic()
                # Asked to wait, `consume` waits for all that it is asked for.
                lanes.take([first, *consumer.consume(_BATCH, 0)])
            elif time.monotonic() - heard_at > STALLED_AFTER_S:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    finally:
        consumer.close()
    return lanes.records


class _Lanes:
    def __init__(self, bounds: Bounds) -> None:
        self._ends = {at: end for at, (_, end) in bounds.items()}
        self.unread = {at for at, (low, end) in bounds.items() if low < end}
        self._found: dict[int, list[RawRecord]] = {at: [] for at in sorted(bounds)}

    @property
    def records(self) -> list[RawRecord]:
        return [record for lane in self._found.values() for record in lane]

    def take(self, messages: list[Message]) -> None:
        for message in messages:
            error, at = message.error(), message.partition()
            if error is None:
                self._take(message, at)
            elif error.code() == KafkaError._PARTITION_EOF:
                self.unread.discard(at)
            else:
                raise KafkaException(error)

    def _take(self, message: Message, at: Any) -> None:
        offset, end = message.offset(), self._ends[at]
        if offset < end:
            self._found[at].append(_raw(message))
        if offset + 1 >= end:
            self.unread.discard(at)


def _raw(message: Any) -> RawRecord:
    return RawRecord(
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )
