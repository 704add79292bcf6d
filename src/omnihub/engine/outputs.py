"""Effects of one task partition on their way into a transaction; implements `Out`.

Guarantees: key, partition and headers follow from the contract and the record alone; outputs of a
failed record are dropped. A record that the broker would refuse for its size raises before it can
spoil the transaction.
"""

from collections.abc import Callable

from omnihub.broker.clients import MAX_MESSAGE_BYTES
from omnihub.contracts.codec import Codec
from omnihub.contracts.headers import CE_ID, Headers, headers_of_type
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import INBOX_RECORDS, KeyTemplate, Topics
from omnihub.model.errors import ParkError
from omnihub.model.record import Record
from omnihub.model.records import TimerRow

LARGEST_VALUE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Room for key, headers and framing below the broker's own limit."""
REMEMBERED_KEYS = 1 << 16

Output = tuple[str, int, bytes, bytes | None, int, Headers]
"""One record to produce: topic, partition, key, value (None: a tombstone), timestamp (ms), headers.

A plain tuple, because a named one costs 0.3 µs each.
"""


class Outputs:
    """Collects what a handler emits; `arm` and `disarm` are rows of the task's timers."""

    def __init__(
        self,
        topics: Topics,
        codec: Codec,
        put_timer: Callable[[str, TimerRow], None],
        drop_timer: Callable[[str], None],
    ) -> None:
        self._topics = topics
        self._encode = codec.encode
        self._put_timer = put_timer
        self._drop_timer = drop_timer
        self._routes: dict[tuple[str, type[Record]], Route] = {}
        self._mark = 0
        self.timestamp_ms = 0
        self.is_retry = False
        self.staged: list[Output] = []
        self._encoded: dict[int, tuple[Record, bytes]] = {}

    @property
    def accepted_at_us(self) -> int:
        """See `Out.accepted_at_us`."""
        return self.timestamp_ms * 1000

    def begin(self, timestamp_ms: int, *, is_retry: bool = False) -> None:
        """Start a record: its log timestamp is the time of everything it causes."""
        self.timestamp_ms = timestamp_ms
        self.is_retry = is_retry
        self._mark = len(self.staged)

    def drop_record(self) -> None:
        """Forget what was emitted since `begin`."""
        del self.staged[self._mark :]

    def emit(self, topic: str, record: Record, partition: int | None = None) -> None:
        """See `Out.emit`; the engine itself may name the partition (its own inbox)."""
        route = self._routes.get((topic, type(record))) or self._learn(topic, record)
        key = route.key_of(record)
        own, key_bytes = route.known.get(key) or route.place(key, record)
        value = self._encode(record)
        if len(value) > LARGEST_VALUE_BYTES:
            check_size(record, value, topic)
        self._encoded[id(record)] = (record, value)
        headers = [(CE_ID, route.identify(record, key).encode()), route.type_header]
        at = own if partition is None else partition
        self.staged.append((topic, at, key_bytes, value, self.timestamp_ms, headers))

    def stored(self, row: Record, topic: str) -> bytes:
        """Return the bytes of a row; a snapshot that was emitted, too, is encoded once.

        Raises:
            ContractError: it does not fit its schema.
            ParkError: it is too large.
        """
        known = self._encoded.get(id(row))
        if known is not None:  # It holds the record, so nothing else can have its id.
            return known[1]
        value = self._encode(row)
        check_size(row, value, topic)
        return value

    def clear(self) -> None:
        """The batch is over, one way or the other."""
        self.staged.clear()
        self._encoded.clear()

    def remove(self, topic: str, key: str) -> None:
        """Emit a tombstone for `key` of a compacted topic."""
        spec = self._topics.spec(topic)
        partition = partition_for(spec.partition_key_of_key(key).encode(), spec.partitions)
        self.staged.append((topic, partition, key.encode(), None, self.timestamp_ms, []))

    def _learn(self, topic: str, record: Record) -> "Route":
        spec, kind = self._topics.spec(topic), type(record)
        spec.key_of(record)  # Raises if the topic does not take this type.
        is_own = spec.partition_by is not None and kind in spec.records
        route = self._routes[topic, kind] = Route(
            kind,
            spec.records.get(kind) or INBOX_RECORDS[kind],
            spec.partition_by if is_own else None,
            spec.partitions,
        )
        return route

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


class Route:
    """How records of one type get onto one topic; remembers where the latest keys went.

    A record key tells the partition key, so it tells the partition (see `TopicSpec`).
    """

    __slots__ = ("_count", "_partition_key_of", "identify", "key_of", "known", "type_header")

    def __init__(
        self,
        kind: type[Record],
        key_of: KeyTemplate,
        partition_key_of: KeyTemplate | None,
        count: int,
    ) -> None:
        self.key_of = key_of.of
        self.identify, self.type_header = headers_of_type(kind)
        self.known: dict[str, tuple[int, bytes]] = {}
        self._partition_key_of = partition_key_of or key_of
        self._count = count

    def place(self, key: str, record: Record) -> tuple[int, bytes]:
        """Return partition and bytes of a key that is not yet known."""
        if len(self.known) >= REMEMBERED_KEYS:
            self.known.clear()
        partition = partition_for(self._partition_key_of(record).encode(), self._count)
        placed = self.known[key] = (partition, key.encode())
        return placed
