"""When the hub learns what: the play as a timed list of deliveries, with the faults injected.

Guarantees: every document is delivered at least once; the same play and pace give the same
timetable. `injected` counts what the finished timetable really holds, not what was meant.
Does not guarantee any order between a store's files, nor that a return follows its sale.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random

from omnihub_demo import drops
from omnihub_demo.dice import dice
from omnihub_demo.drops import Drop
from omnihub_demo.places import midnight
from omnihub_demo.play import Count, Document, Owner, Play, Receipt, TransactionKey

RECEIPT_HOURS = ((0.05, 0.42), (0.5, 0.9))
"""Shares of the day; the pause lies where a runner kills a worker: one outage, told apart."""


class Phase(Enum):
    """Part of the timetable, in order; a runner may wait for quiet after OPENING."""

    OPENING = "opening"
    DAY = "day"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class DropFile:
    """Put one POSLog file into the spool; a `half_written` one in two halves."""

    name: str
    documents: tuple[Document, ...]
    half_written: bool = False


@dataclass(frozen=True, slots=True)
class PostCount:
    """Count in the ERP through its own API, dated the day before the play."""

    count: Count


@dataclass(frozen=True, slots=True)
class PostReceipt:
    """Receive goods in the ERP through its own API."""

    receipt: Receipt


Act = DropFile | PostCount | PostReceipt


@dataclass(frozen=True, slots=True)
class Delivery:
    """One act, due `at_s` seconds after the start of its phase."""

    phase: Phase
    at_s: float
    act: Act


@dataclass(frozen=True)
class Pace:
    """How fast the play runs and how much goes wrong.

    Rates are facts/s. The base rate is raised when the play would last longer than `limit_s`.
    """

    base_rate: float = 150.0
    count_rate: float = 2000.0
    closing_s: float = 6.0
    limit_s: float = 240.0
    duplicate_share: float = 0.015
    delayed_share: float = 0.03
    early_return_share: float = 0.3
    bundle_share: float = 0.1
    half_written_files: int = 10
    late_baskets: int = 20
    late_count_files: int = 4


@dataclass(frozen=True)
class Timetable:
    """The deliveries in order of phase and time, and what is wrong with them."""

    deliveries: tuple[Delivery, ...]
    lengths_s: dict[Phase, float]
    base_rate: float
    injected: dict[str, int]

    @property
    def total_s(self) -> float:
        """Return how long the play lasts when no phase waits for the hub."""
        return sum(self.lengths_s.values())


def schedule(play: Play, pace: Pace | None = None) -> Timetable:
    """Return the timetable of `play`."""
    pace = pace or Pace()
    random = dice(play.seed, "schedule")
    on_time, in_day, of_erp = _counts(play, pace, random)
    late = _late(play, pace, random)
    day = _day(play, in_day, {document.key for document in late}, pace, random)
    opening_s = sum(document.facts for file in on_time for document in file) / pace.count_rate
    day_facts = max(drop.at for drop in day)
    rate = max(pace.base_rate, day_facts / (pace.limit_s - pace.closing_s - opening_s))
    late_rate = sum(document.facts for document in late) / pace.closing_s
    deliveries = (
        *(Delivery(Phase.OPENING, 0.0, PostCount(count)) for count in of_erp),
        *_files(Phase.OPENING, drops.in_order(on_time), pace.count_rate),
        *_in_time([*_files(Phase.DAY, day, rate), *_receipts(play, day_facts / rate, random)]),
        *_files(Phase.CLOSING, drops.in_order([d] for d in late), late_rate),
    )
    lengths_s = {
        Phase.OPENING: opening_s,
        Phase.DAY: day_facts / rate,
        Phase.CLOSING: pace.closing_s,
    }
    return Timetable(deliveries, lengths_s, rate, count_faults(deliveries))


def count_faults(deliveries: Iterable[Delivery]) -> dict[str, int]:
    """Count the faults that a sequence of deliveries holds, in documents.

    `duplicates`: told before. `late`: first told in the closing phase. `reordered`: of the others,
    the fewest per store that had to be told elsewhere for all to come in the order they occurred.
    `half_written`: files.
    """
    found = Counter({"duplicates": 0, "reordered": 0, "late": 0, "half_written": 0})
    told: set[TransactionKey] = set()
    on_time: dict[str, list[int]] = defaultdict(list)
    for phase, file in _dropped(deliveries):
        found["half_written"] += file.half_written
        for document in file.documents:
            if document.key in told:
                found["duplicates"] += 1
            elif phase is Phase.CLOSING:
                found["late"] += 1
            else:
                on_time[document.key.store].append(document.occurred_at_us)
            told.add(document.key)
    found["reordered"] = sum(_out_of_order(instants) for instants in on_time.values())
    return dict(found)


def _dropped(deliveries: Iterable[Delivery]) -> Iterator[tuple[Phase, DropFile]]:
    for delivery in deliveries:
        if isinstance(delivery.act, DropFile):
            yield delivery.phase, delivery.act


def _out_of_order(instants: list[int]) -> int:
    """Return how many instants lie outside the longest run that never goes back in time."""
    ends: list[int] = []  # ends[n]: the earliest end of a run of n + 1 instants
    for instant in instants:
        at = bisect_right(ends, instant)
        ends[at : at + 1] = [instant]
    return len(instants) - len(ends)


def _counts(
    play: Play, pace: Pace, random: Random
) -> tuple[list[list[Document]], list[list[Document]], list[Count]]:
    """Return the count files that open the play, those that come in the day, the ERP's counts."""
    of_erp: list[Count] = []
    opening: dict[str, list[Document]] = defaultdict(list)
    again: list[list[Document]] = []
    start = midnight(play.first_day)
    for count in play.counts:
        code = count.key.store
        if play.places[code].owner is Owner.ERP:
            of_erp.append(count)
        elif count.as_of == start:
            opening[code].append(count)
        else:
            again.append([count])
    # Where orders are collected the shelves are known before the first one comes.
    patient = sorted(opening.keys() - play.pickup_stores)
    late = random.sample(patient, min(pace.late_count_files, len(patient)))
    on_time = [file for code, file in sorted(opening.items()) if code not in late]
    return on_time, [*again, *(opening[code] for code in late)], of_erp


def _late(play: Play, pace: Pace, random: Random) -> list[Document]:
    """Choose baskets of the first quarter of the play to be told at its end."""
    early = [t for t in play.transactions[: len(play.transactions) // 4] if t.facts]
    return [*random.sample(early, min(pace.late_baskets, len(early)))]


def _day(
    play: Play,
    counts: list[list[Document]],
    late: set[TransactionKey],
    pace: Pace,
    random: Random,
) -> list[Drop]:
    day = drops.in_order([t] for t in play.transactions if t.key not in late)
    length = day[-1].at
    day = drops.returns_first(day, pace.early_return_share, random)
    day = drops.bundled(day, pace.bundle_share, random)
    day = drops.delayed(day, pace.delayed_share, length, random)
    day += drops.scattered(counts, length, random)
    day = drops.told_twice(day, pace.duplicate_share, length, random)
    return drops.half_written(day, pace.half_written_files, random)


def _files(phase: Phase, files: Iterable[Drop], rate: float) -> Iterator[Delivery]:
    for number, drop in enumerate(sorted(files, key=lambda drop: drop.at), start=1):
        name = f"{phase.value}-{number:05}-{drop.store}.xml"
        act = DropFile(name, drop.documents, drop.half_written)
        yield Delivery(phase, drop.at / rate, act)


def _receipts(play: Play, day_s: float, random: Random) -> Iterator[Delivery]:
    """Lorries have slots: each comes at any moment of its own, so that they do not queue."""
    for number, receipt in enumerate(random.sample(play.receipts, len(play.receipts))):
        share = (number + random.random()) / len(play.receipts)
        yield Delivery(Phase.DAY, _open_at(share) * day_s, PostReceipt(receipt))


def _open_at(share: float) -> float:
    """Return at which share of the day so much of the hours for receipts is over."""
    left = share * sum(end - begin for begin, end in RECEIPT_HOURS)
    for begin, end in RECEIPT_HOURS:
        if left <= end - begin:
            return begin + left
        left -= end - begin
    return RECEIPT_HOURS[-1][1]


def _in_time(deliveries: list[Delivery]) -> list[Delivery]:
    return sorted(deliveries, key=lambda delivery: delivery.at_s)
