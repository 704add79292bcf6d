"""Effects of one task partition on their way into a transaction; implements `Out`.

Guarantees: key, partition and headers follow from the contract and the record alone; outputs of a
failed record are dropped. A record that the broker would refuse for its size raises before it can
spoil the transaction.
"""

from collections.abc import Callable
from typing import NamedTuple

from omnihub.broker.clients import MAX_MESSAGE_BYTES
from omnihub.contracts.codec import Codec
from omnihub.contracts.headers import Headers, headers_of
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics, TopicSpec
from omnihub.model.errors import ParkError
from omnihub.model.record import Record
from omnihub.model.records import TimerRow

LARGEST_VALUE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Room for key, headers and framing below the broker's own limit."""


class Output(NamedTuple):
    """One record to produce; a None value is a tombstone."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    timestamp_ms: int
    headers: Headers


class Outputs:
    """Collects what a handler emits; `arm` and `disarm` are rows of the task's timers."""

    def __init__(
        self,
        topics: Topics,
        codec: Codec,
        put_timer: Callable[[str, TimerRow], None],
        drop_timer: Callable[[str], None],
    ) -> None:
        self._specs: dict[str, TopicSpec] = {}
        self._topics = topics
        self._encode = codec.encode
        self._put_timer = put_timer
        self._drop_timer = drop_timer
        self._mark = 0
        self.timestamp_ms = 0
        self.accepted_at_us = 0
        self.is_retry = False
        self.staged: list[Output] = []

    def begin(self, timestamp_ms: int, *, is_retry: bool = False) -> None:
        """Start a record: its log timestamp is the time of everything it causes."""
        self.timestamp_ms = timestamp_ms
        self.accepted_at_us = timestamp_ms * 1000
        self.is_retry = is_retry
        self._mark = len(self.staged)

    def drop_record(self) -> None:
        """Forget what was emitted since `begin`."""
        del self.staged[self._mark :]

    def emit(self, topic: str, record: Record, partition: int | None = None) -> None:
        """See `Out.emit`; the engine itself may name the partition (its own inbox)."""
        spec = self._specs.get(topic)
        if spec is None:
            spec = self._specs[topic] = self._topics.spec(topic)
        key = spec.key_of(record)
        if partition is None:
            decides = key if spec.partition_by is None else spec.partition_key_of(record)
            partition = partition_for(decides.encode(), spec.partitions)
        value = self._encode(record)
        if len(value) > LARGEST_VALUE_BYTES:
            check_size(record, value, topic)
        self.staged.append(
            Output(
                topic, partition, key.encode(), value, self.timestamp_ms, headers_of(record, key)
            )
        )

    def remove(self, topic: str, key: str) -> None:
        """Emit a tombstone for `key` of a compacted topic."""
        spec = self._topics.spec(topic)
        partition = partition_for(spec.partition_key_of_key(key).encode(), spec.partitions)
        self.staged.append(Output(topic, partition, key.encode(), None, self.timestamp_ms, []))

    def arm(self, name: str, key: str, timer_id: str, due_at_us: int) -> None:
        """See `Out.arm`."""
        row = TimerRow(name=name, key=key, timer_id=timer_id, due_at_us=due_at_us)
        self._put_timer(f"{name}:{timer_id}", row)

    def disarm(self, name: str, timer_id: str) -> None:
        """See `Out.disarm`."""
        self._drop_timer(f"{name}:{timer_id}")


def check_size(record: Record, value: bytes, topic: str) -> None:
    """Refuse what the broker would refuse.

    Raises:
        ParkError: the value is too large for any topic.
    """
    if len(value) > LARGEST_VALUE_BYTES:
        raise ParkError(
            f"{type(record).__name__} for {topic} has {len(value)} bytes, more than "
            f"{LARGEST_VALUE_BYTES}",
            cure="send it in smaller parts, then skip this record",
        )
