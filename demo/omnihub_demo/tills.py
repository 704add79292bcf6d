"""Turn the week's baskets into till transactions, with the keys and slips of a real till.

Guarantees: keys are unique; sequence numbers start again each business day at each workstation, so
no part of the key can be left out. The business day turns at 04:00 local time. Void lines,
training and cancelled transactions are added by the seed and hold no facts.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from itertools import groupby
from random import Random

from omnihub_demo.dice import dice
from omnihub_demo.play import (
    LITRE,
    Kind,
    Line,
    LineKind,
    Place,
    Transaction,
    TransactionKey,
    instant_us,
)
from omnihub_demo.source import SoldLine, SourceWeek

DAY_TURNS_AT = timedelta(hours=4)
VOID_SHARE = 0.03
UNREAL_EACH = 6


class Sequencer:
    """Issues the sequence numbers of every workstation and business day, in order of asking."""

    def __init__(self) -> None:
        self._last: Counter[tuple[str, int, datetime]] = Counter()

    def issue(self, store: str, workstation: int, at: datetime) -> TransactionKey:
        """Return the next key of a workstation at the naive local time `at`."""
        day = datetime.combine((at - DAY_TURNS_AT).date(), time.min)
        slot = (store, workstation, day)
        self._last[slot] += 1
        return TransactionKey(store, workstation, self._last[slot], day.date())


@dataclass(frozen=True)
class Calendar:
    """Maps the data set's week onto the play's days."""

    first_midnight: datetime
    places: dict[str, Place]

    def occurred_at_us(self, code: str, local: datetime) -> int:
        """Return the instant of a local time in a place."""
        return instant_us(local, self.places[code].tz)


def ring_up(
    source: SourceWeek, calendar: Calendar, sequencer: Sequencer, seed: int
) -> list[Transaction]:
    """Return one transaction a basket, in order of time, some with void lines."""
    random = dice(seed, "tills")
    tills = _tills_by_store(source)
    baskets = [list(lines) for _, lines in groupby(_in_order(source.lines), lambda x: x.basket)]
    return [_transaction(lines, tills, source, calendar, sequencer, random) for lines in baskets]


def unreal_of(baskets: list[Transaction], sequencer: Sequencer, seed: int) -> list[Transaction]:
    """Return copies of a few baskets as training and as cancelled transactions."""
    random = dice(seed, "unreal")
    chosen = random.sample(baskets, min(2 * UNREAL_EACH, len(baskets)))
    kinds = [Kind.TRAINING, Kind.CANCELLED]
    return [
        replace(
            basket,
            key=sequencer.issue(basket.key.store, basket.key.workstation, basket.ended_at),
            kind=kinds[i % 2],
        )
        for i, basket in enumerate(chosen)
    ]


def _in_order(lines: tuple[SoldLine, ...]) -> list[SoldLine]:
    return sorted(lines, key=lambda line: (line.since_monday, line.basket))


def _tills_by_store(source: SourceWeek) -> dict[str, int]:
    lines = Counter(line.store for line in source.lines)
    return {store: 2 + min(4, count // 120) for store, count in lines.items()}


def _transaction(
    sold: list[SoldLine],
    tills: dict[str, int],
    source: SourceWeek,
    calendar: Calendar,
    sequencer: Sequencer,
    random: Random,
) -> Transaction:
    store = sold[0].store
    ended_at = calendar.first_midnight + sold[0].since_monday
    took = timedelta(seconds=20 + 4 * len(sold) + random.randrange(30))
    lines = [_line(i, item, source) for i, item in enumerate(sold, start=1)]
    if random.random() < VOID_SHARE:
        lines = _with_void(lines, random)
    return Transaction(
        key=sequencer.issue(store, random.randint(1, tills[store]), ended_at),
        began_at=ended_at - took,
        ended_at=ended_at,
        occurred_at_us=calendar.occurred_at_us(store, ended_at),
        lines=tuple(lines),
    )


def _line(number: int, sold: SoldLine, source: SourceWeek) -> Line:
    unit = source.products[sold.sku].unit
    return Line(number, sold.sku, unit, sold.quantity_milli, sold.amount_cents, LineKind.SALE)


def _with_void(lines: list[Line], random: Random) -> list[Line]:
    """Scan one item again and void it: the lines after it move down by one."""
    again = replace(random.choice(lines), void=True)
    if again.unit == LITRE:
        return lines
    at = random.randint(1, len(lines))
    mixed = [*lines[:at], again, *lines[at:]]
    return [replace(line, number=i) for i, line in enumerate(mixed, start=1)]
