"""The independent judge of the chaos suite.

Recomputes from the committed inbox alone, with a naive implementation that shares nothing with the
engine, what every output topic and changelog must hold, and names each difference. What was
appended is judged, too: acknowledged means there, once, and in order; a timed-out append may be
there or not. Does not: read Kafka (see `reading`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chaos.findings import Finding, Kind
from omnihub.model.record import Record
from omnihub.model.records import (
    ParkedBody,
    ParkedQueue,
    Rejected,
    ReleaseParked,
    ReleaseSeen,
    StockLevel,
    StockMoved,
    TaskPosition,
    TimerDue,
    TimerRow,
)

REMINDERS_US = {"remind": 1_000_000, "remind later": 12_000_000}
INCURABLE = {"bug", "huge", "kill", "unreadable"}
FAILING = {"park", *INCURABLE}
"""Reasons for which a movement cannot be processed; a retry cures `park` alone."""
Fact = tuple[object, ...]
ByKey = dict[str, list[Fact]]


@dataclass(frozen=True)
class Seen:
    """One committed record; `record` is None for a tombstone."""

    offset: int
    timestamp_ms: int
    key: str
    record: "Record | Garbage | None"


@dataclass(frozen=True)
class Garbage:
    """What no codec can read."""

    value: bytes


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


@dataclass
class Sent:
    """What the load generator appended, in its order: (key, id) of each record."""

    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    maybe: list[tuple[str, str]] = field(default_factory=list)
    """Timed out: it may be in the log, or not."""


@dataclass(frozen=True)
class End:
    """Where one partition ends for a read_committed reader (`stable`), and where for the log."""

    topic: str
    partition: int
    stable: int
    end: int


def findings(history: History, sent: Sent) -> list[Finding]:
    """Return every difference between what is committed and what a replay gives."""
    expected = Expected()
    for lane in history.inbox:
        expected.ledger_rows.append(_Ledger(expected).replay(lane))
    for lane in history.tally_inbox:
        expected.tally_rows.append(_tally(lane, expected))
    return [
        *_inputs(history.inbox, sent),
        *sequences("event", expected.events, _by_key(history.events, _event)),
        *sequences("state", expected.levels, _by_key(history.state, _level)),
        *sequences("tally inbox", expected.levels, _by_sku(history.tally_inbox)),
        *sequences("tally state", expected.totals, _by_key(history.tally_state, _level)),
        *_rows("ledger", expected.ledger_rows, history.ledger_changelog),
        *_rows("tally", expected.tally_rows, history.tally_changelog),
        *_positions("ledger", history.inbox, history.ledger_changelog, history.ledger_offsets),
        *_positions("tally", history.tally_inbox, history.tally_changelog, history.tally_offsets),
    ]


def stuck(ends: Iterable[End]) -> list[Finding]:
    """Return where an open transaction holds back every read_committed reader."""
    return [
        Finding(
            Kind.STUCK,
            f"{end.topic}[{end.partition}]: stable up to {end.stable}, the log ends at {end.end}",
            end.end - end.stable,
        )
        for end in ends
        if end.stable < end.end
    ]


class _Ledger:
    """The ledger's rule again, in the plainest words."""

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.levels: dict[str, tuple[int, int]] = {}
        self.rows: dict[str, Fact] = {}
        self.timers: dict[str, int] = {}
        self.queues: dict[str, list[tuple[StockMoved | TimerDue | Garbage, int]]] = {}

    def replay(self, lane: list[Seen]) -> dict[str, Fact]:
        for seen in lane:
            match seen.record:
                case ReleaseParked(park_key=sku):
                    self._release(sku)
                case StockMoved() | TimerDue() | Garbage() as record:
                    self._take(seen.key, record, seen.timestamp_ms)
        leftovers = {f"timer {name}": (due,) for name, due in self.timers.items()}
        queues = {f"queue {sku}": (len(queue),) for sku, queue in self.queues.items()}
        return {**self.rows, **leftovers, **queues}

    def _take(self, key: str, record: StockMoved | TimerDue | Garbage, timestamp_ms: int) -> None:
        """A failure and what comes after it for the same SKU wait; the rest is applied."""
        park_key = record.sku if isinstance(record, StockMoved) else key
        if _reason(record) == "kill":  # Nobody looks into it.
            park_key = key
        if key in self.queues:  # Behind something that cannot be read, whose SKU nobody knows.
            park_key = key
        if park_key in self.queues:
            self.queues[park_key].append((record, timestamp_ms))
        elif _reason(record) in FAILING:
            self.queues[park_key] = [(record, timestamp_ms)]
        else:
            self._apply(record, timestamp_ms)

    def _release(self, park_key: str) -> None:
        """Replay a queue up to the first record that no retry cures."""
        queue = self.queues.pop(park_key, [])
        while queue and _reason(queue[0][0]) not in INCURABLE:
            self._apply(*queue.pop(0))
        if queue:
            self.queues[park_key] = queue

    def _apply(self, record: StockMoved | TimerDue | Garbage, timestamp_ms: int) -> None:
        if isinstance(record, StockMoved):
            self._move(record, timestamp_ms)
        elif isinstance(record, TimerDue) and self.timers.get(record.timer_id) == record.due_at_us:
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
        if moved.reason in REMINDERS_US:
            due_at_us = timestamp_ms * 1000 + REMINDERS_US[moved.reason]
            self.timers[moved.movement_id] = due_at_us


def _reason(record: "StockMoved | TimerDue | Garbage") -> str | None:
    if isinstance(record, Garbage):
        return "unreadable"
    return record.reason if isinstance(record, StockMoved) else None


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


def _inputs(inbox: Lanes, sent: Sent) -> list[Finding]:
    acknowledged, found = defaultdict(list), defaultdict(list)
    for key, name in sent.acknowledged:
        acknowledged[key].append((name,))
    maybe = {name for _, name in sent.maybe}
    for lane in inbox:
        for seen in lane:
            if isinstance(seen.record, StockMoved):
                found[seen.key].append((seen.record.movement_id,))
    for names in found.values():
        once = {
            at for at, (name,) in enumerate(names) if name in maybe and names.index((name,)) == at
        }
        names[:] = [fact for at, fact in enumerate(names) if at not in once]
    return sequences("inbox", acknowledged, found)


def sequences(topic: str, expected: ByKey, found: ByKey) -> list[Finding]:
    """Return how two sets of sequences, by key, differ."""
    return [
        finding
        for key in sorted({*expected, *found})
        for finding in _differences(f"{topic} {key}", expected.get(key, []), found.get(key, []))
    ]


def _differences(place: str, expected: list[Fact], found: list[Fact]) -> list[Finding]:
    """Compare two sequences of one key; a repeated fact is one that has its like before it."""
    if expected == found:
        return []
    lost, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    known = set(expected)
    repeated = sum(count for fact, count in extra.items() if fact in known)
    counts = {
        Kind.LOST: sum(lost.values()),
        Kind.DUPLICATED: repeated,
        Kind.WRONG: sum(extra.values()) - repeated,
    }
    if not lost and not extra:
        counts[Kind.REORDERED] = sum(a != b for a, b in zip(expected, found, strict=True))
    place = f"{place}, of {len(expected)}"
    return [Finding(kind, place, count) for kind, count in counts.items() if count]


def _rows(task: str, expected: list[dict[str, Fact]], changelog: Lanes) -> list[Finding]:
    found = []
    for partition, (rows, lane) in enumerate(zip(expected, changelog, strict=True)):
        actual = _fold(lane)
        wrong = sorted(key for key in {*rows, *actual} if rows.get(key) != actual.get(key))
        if wrong:
            place = f"{task} changelog[{partition}]: rows such as {wrong[:3]}"
            found.append(Finding(Kind.WRONG, place, len(wrong)))
    return found


def _fold(lane: list[Seen]) -> dict[str, Fact]:
    """Return the rows that a changelog leaves, in the words of `_Ledger.replay`."""
    rows: dict[str, Record | Garbage] = {}
    for seen in lane:
        if seen.record is None:
            rows.pop(seen.key, None)
        else:
            rows[seen.key] = seen.record
    facts: dict[str, Fact] = {}
    for key, row in rows.items():
        name = key.partition("\x1f")[2]
        match row:
            case StockLevel():
                facts[name] = _level(row)
            case TimerRow():
                facts[f"timer {row.timer_id}"] = (row.due_at_us,)
            case ParkedQueue():
                facts[f"queue {name}"] = (row.next_index - row.first_index,)
            case TaskPosition() | ParkedBody() | ReleaseSeen():
                pass  # Judged by `_positions`; a queue's length tells how many bodies there are.
            case _:
                facts[key] = ("unexpected", type(row).__name__)
    return facts


def _positions(task: str, inbox: Lanes, changelog: Lanes, offsets: Sequence[int]) -> list[Finding]:
    found = []
    for partition, (lane, rows) in enumerate(zip(inbox, changelog, strict=True)):
        end = lane[-1].offset + 1 if lane else 0
        places = [s.record.next_offset for s in rows if isinstance(s.record, TaskPosition)]
        position = places[-1] if places else 0
        at = f"{task}[{partition}]"
        if not end == position == max(offsets[partition], 0):
            told = f"inbox ends at {end}, position row {position}, committed {offsets[partition]}"
            found.append(Finding(Kind.WRONG, f"{at}: {told}"))
        if places != sorted(places):
            found.append(Finding(Kind.WRONG, f"{at}: the position went backwards"))
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


def _event(record: Record | Garbage | None) -> Fact:
    match record:
        case Rejected():
            return ("rejected", record.meta.cause_id)
        case StockMoved():
            return ("moved", record.movement_id)
    return ("unexpected", record)


def _level(record: Record | Garbage | None) -> Fact:
    if isinstance(record, StockLevel):
        return (record.on_hand_milli, record.seq, record.cause_id)
    return ("unexpected", record)
