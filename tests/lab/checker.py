"""The independent judge of the exactly-once test.

Recomputes from the committed inbox alone, with a naive implementation that shares nothing with the
engine, what every output topic and changelog must hold, and names each difference. Reads through a
plain read_committed consumer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, TopicPartition

from omnihub.contracts.codec import Codec
from omnihub.model.record import Record
from omnihub.model.records import (
    Rejected,
    ReleaseParked,
    StockLevel,
    StockMoved,
    TaskPosition,
    TimerDue,
)

REMINDER_US = 1_000_000
Fact = tuple[object, ...]
ByKey = dict[str, list[Fact]]


@dataclass(frozen=True)
class Seen:
    """One committed record; `record` is None for a tombstone."""

    offset: int
    timestamp_ms: int
    key: str
    record: Record | None


Lanes = list[list[Seen]]


@dataclass(frozen=True)
class History:
    """Everything committed, by topic and partition, and the group's offsets."""

    inbox: Lanes
    events: Lanes
    state: Lanes
    tally_inbox: Lanes
    tally_state: Lanes
    ledger_changelog: Lanes
    tally_changelog: Lanes
    ledger_offsets: Sequence[int]
    tally_offsets: Sequence[int]


@dataclass
class Expected:
    """What one replay of the inboxes must have written."""

    events: ByKey = field(default_factory=lambda: defaultdict(list))
    levels: ByKey = field(default_factory=lambda: defaultdict(list))
    totals: ByKey = field(default_factory=lambda: defaultdict(list))
    ledger_rows: list[dict[str, Fact]] = field(default_factory=list)
    tally_rows: list[dict[str, Fact]] = field(default_factory=list)


def violations(history: History, appended: Iterable[str]) -> list[str]:
    """Return every difference between what is committed and what a replay gives."""
    expected = Expected()
    for lane in history.inbox:
        expected.ledger_rows.append(_Ledger(expected).replay(lane))
    for lane in history.tally_inbox:
        expected.tally_rows.append(_tally(lane, expected))
    return [
        *_inputs(history.inbox, appended),
        *_sequences("event", expected.events, _by_key(history.events, _event)),
        *_sequences("state", expected.levels, _by_key(history.state, _level)),
        *_sequences("tally inbox", expected.levels, _by_sku(history.tally_inbox)),
        *_sequences("tally state", expected.totals, _by_key(history.tally_state, _level)),
        *_rows("ledger", expected.ledger_rows, history.ledger_changelog),
        *_rows("tally", expected.tally_rows, history.tally_changelog),
        *_positions("ledger", history.inbox, history.ledger_changelog, history.ledger_offsets),
        *_positions("tally", history.tally_inbox, history.tally_changelog, history.tally_offsets),
    ]


class _Ledger:
    """The ledger's rule again, in the plainest words."""

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.levels: dict[str, tuple[int, int]] = {}
        self.rows: dict[str, Fact] = {}
        self.timers: dict[str, int] = {}
        self.queues: dict[str, list[tuple[StockMoved | TimerDue, int]]] = {}

    def replay(self, lane: list[Seen]) -> dict[str, Fact]:
        for seen in lane:
            match seen.record:
                case ReleaseParked(park_key=sku):
                    for record, timestamp_ms in self.queues.pop(sku, []):
                        self._apply(record, timestamp_ms)
                case StockMoved() | TimerDue() as record:
                    self._take(record, seen.timestamp_ms)
        leftovers = {f"timer {name}": (due,) for name, due in self.timers.items()}
        queues = {f"queue {sku}": (len(queue),) for sku, queue in self.queues.items()}
        return {**self.rows, **leftovers, **queues}

    def _take(self, record: StockMoved | TimerDue, timestamp_ms: int) -> None:
        """A failure and what comes after it for the same SKU wait; the rest is applied."""
        sku = record.key if isinstance(record, TimerDue) else record.sku
        if sku in self.queues:
            self.queues[sku].append((record, timestamp_ms))
        elif isinstance(record, StockMoved) and record.reason == "park":
            self.queues[sku] = [(record, timestamp_ms)]
        else:
            self._apply(record, timestamp_ms)

    def _apply(self, record: StockMoved | TimerDue, timestamp_ms: int) -> None:
        if isinstance(record, StockMoved):
            self._move(record, timestamp_ms)
        elif self.timers.get(record.timer_id) == record.due_at_us:
            del self.timers[record.timer_id]
            self.expected.events[f"t:{record.key}"].append(("moved", f"due-{record.timer_id}"))

    def _move(self, moved: StockMoved, timestamp_ms: int) -> None:
        if moved.reason == "reject":
            self.expected.events[f"t:{moved.sku}"].append(("rejected", moved.meta.event_id))
            return
        on_hand, seq = self.levels.get(moved.sku, (0, 0))
        self.levels[moved.sku] = on_hand, seq = on_hand + moved.quantity_milli, seq + 1
        fact = (on_hand, seq, moved.meta.event_id)
        self.rows[moved.sku] = fact
        self.expected.levels[f"t:{moved.sku}:{moved.to_location}"].append(fact)
        if moved.reason == "remind":
            self.timers[moved.movement_id] = timestamp_ms * 1000 + REMINDER_US


def _tally(lane: list[Seen], expected: Expected) -> dict[str, Fact]:
    rows: dict[str, Fact] = {}
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seen in lane:
        level = seen.record
        if isinstance(level, StockLevel):
            sums[level.location] += level.seq
            counts[level.location] += 1
            fact = (sums[level.location], counts[level.location], level.cause_id)
            rows[level.location] = fact
            expected.totals[f"t:{level.location}"].append(fact)
    return rows


def _inputs(inbox: Lanes, appended: Iterable[str]) -> list[str]:
    asked = Counter(appended)
    found = Counter(
        s.record.movement_id for lane in inbox for s in lane if isinstance(s.record, StockMoved)
    )
    lost, extra = asked - found, found - asked
    return [f"inbox: {sum(lost.values())} lost, {sum(extra.values())} extra"] * bool(lost or extra)


def _sequences(topic: str, expected: ByKey, found: ByKey) -> list[str]:
    return [
        _difference(topic, key, expected.get(key, []), found.get(key, []))
        for key in sorted({*expected, *found})
        if expected.get(key, []) != found.get(key, [])
    ]


def _difference(topic: str, key: str, expected: list[Fact], found: list[Fact]) -> str:
    lost, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    known = set(expected)
    repeated = sum(count for fact, count in extra.items() if fact in known)
    wrong = sum(extra.values()) - repeated
    reordered = "" if lost or extra else ", reordered"
    told = f"{sum(lost.values())} lost, {repeated} repeated, {wrong} wrong{reordered}"
    return f"{topic} {key}: {told} of {len(expected)}"


def _rows(task: str, expected: list[dict[str, Fact]], changelog: Lanes) -> list[str]:
    found = []
    for partition, (rows, lane) in enumerate(zip(expected, changelog, strict=True)):
        actual = _fold(lane)
        wrong = [key for key in {*rows, *actual} if rows.get(key) != actual.get(key)]
        if wrong:
            found.append(f"{task} changelog[{partition}]: {len(wrong)} rows wrong: {wrong[:3]}")
    return found


def _fold(lane: list[Seen]) -> dict[str, Fact]:
    rows: dict[str, Record] = {}
    for seen in lane:
        if seen.record is None:
            rows.pop(seen.key, None)
        elif not isinstance(seen.record, TaskPosition):
            rows[seen.key] = seen.record
    return {
        key.partition("\x1f")[2] if isinstance(row, StockLevel) else key: _level(row)
        for key, row in rows.items()
    }


def _positions(task: str, inbox: Lanes, changelog: Lanes, offsets: Sequence[int]) -> list[str]:
    found = []
    for partition, (lane, rows) in enumerate(zip(inbox, changelog, strict=True)):
        end = lane[-1].offset + 1 if lane else 0
        places = [s.record.next_offset for s in rows if isinstance(s.record, TaskPosition)]
        position = places[-1] if places else 0
        if not end == position == max(offsets[partition], 0):
            found.append(
                f"{task}[{partition}]: inbox ends at {end}, position row {position}, "
                f"committed {offsets[partition]}"
            )
        if places != sorted(places):
            found.append(f"{task}[{partition}]: the position went backwards")
    return found


def _by_key(lanes: Lanes, fact: "type | object") -> ByKey:
    found: ByKey = defaultdict(list)
    for lane in lanes:
        for seen in lane:
            found[seen.key].append(fact(seen.record))  # type: ignore[operator]
    return found


def _by_sku(lanes: Lanes) -> ByKey:
    found: ByKey = defaultdict(list)
    for lane in lanes:
        for seen in lane:
            if isinstance(seen.record, StockLevel):
                found[f"t:{seen.record.sku}:{seen.record.location}"].append(_level(seen.record))
    return found


def _event(record: Record | None) -> Fact:
    match record:
        case Rejected():
            return ("rejected", record.meta.cause_id)
        case StockMoved():
            return ("moved", record.movement_id)
    return ("unexpected", record)


def _level(record: Record | None) -> Fact:
    if isinstance(record, StockLevel):
        return (record.on_hand_milli, record.seq, record.cause_id)
    return ("unexpected", record)


def read(bootstrap: str, topic: str, partitions: int, codec: Codec) -> Lanes:
    """Return all committed records of a topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "checker",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    lanes: Lanes = [[] for _ in range(partitions)]
    open_lanes = set(range(partitions))
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    while open_lanes:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            if error is None:
                value = message.value()
                record = None if value is None else codec.decode(value)
                at = (message.offset(), message.timestamp()[1], message.key().decode())
                lanes[message.partition()].append(Seen(*at, record))
            elif error.code() == KafkaError._PARTITION_EOF:
                open_lanes.discard(message.partition())
            else:
                raise RuntimeError(f"{topic}: {error.str()}")
    consumer.close()
    return lanes
