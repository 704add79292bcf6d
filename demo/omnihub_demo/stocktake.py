"""What was in the places before and beside the sales: opening counts, recounts, receipts.

Guarantees: an opening count of every SKU that a store sells, at the store's first midnight; most
cover the week, `SHORT_SHARE` do not (the tills sell on: a shortage). SKUs that only come back
somewhere have no count there. The warehouse holds a part of the ERP stores' assortment. Recounts
happen in stores of the tills only. Receipts begin on the second day: the ERP knows no time of day.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import islice
from random import Random

from omnihub_demo.dice import dice
from omnihub_demo.places import DAYS, WAREHOUSE
from omnihub_demo.play import (
    Count,
    CountLine,
    LineKind,
    Owner,
    Place,
    Product,
    Receipt,
    Transaction,
)
from omnihub_demo.tills import Calendar, Sequencer

BACK_OFFICE = 90
LINES_PER_COUNT = 100
SHORT_SHARE = 0.03
WAREHOUSE_SKUS = 600
RECOUNTS = 30
BUSY_WEEK_COUNTS = 200
"""A week with fewer opening counts is short; suppliers come less often then."""
SECONDS_OPEN = 12 * 3600

Shelf = tuple[str, str]


def opening_counts(
    transactions: Iterable[Transaction],
    products: dict[str, Product],
    calendar: Calendar,
    sequencer: Sequencer,
    seed: int,
) -> list[Count]:
    """Return the counts of every place at its first midnight, at most 100 lines each."""
    random = dice(seed, "opening")
    sold = _sold(transactions)
    lines: dict[str, list[CountLine]] = defaultdict(list)
    for (code, sku), quantity_milli in sorted(sold.items()):
        counted = _opening_milli(quantity_milli, random)
        lines[code].append(CountLine(sku, products[sku].unit, counted))
    lines[WAREHOUSE] = _warehouse(sold, products, calendar.places, random)
    return [
        _count(code, calendar.first_midnight, chunk, calendar, sequencer)
        for code in sorted(lines)
        for chunk in _chunks(lines[code])
    ]


def recounts(
    opening: Iterable[Count],
    transactions: Iterable[Transaction],
    calendar: Calendar,
    sequencer: Sequencer,
    seed: int,
) -> list[Count]:
    """Return a few counts in mid-week: what the book says then, give or take two units."""
    random = dice(seed, "recount")
    of_tills = [c for c in opening if calendar.places[c.key.store].owner is Owner.POS]
    chosen = random.sample(of_tills, min(RECOUNTS, len(of_tills)))
    sales: dict[str, list[Transaction]] = defaultdict(list)
    for transaction in transactions:
        sales[transaction.key.store].append(transaction)
    return [_recount(c, sales[c.key.store], calendar, sequencer, random) for c in chosen]


def receipts(
    opening: Iterable[Count], first_day: date, places: dict[str, Place], seed: int
) -> list[Receipt]:
    """Return the suppliers' deliveries to the warehouse and a few to the ERP's stores."""
    random = dice(seed, "receipt")
    shelf: dict[str, list[CountLine]] = defaultdict(list)
    counts = list(opening)
    is_busy = len(counts) >= BUSY_WEEK_COUNTS
    often = {WAREHOUSE: 8 if is_busy else 2}
    for count in counts:
        shelf[count.key.store].extend(count.lines)
    erp = sorted(p.code for p in places.values() if p.owner is Owner.ERP and shelf[p.code])
    wanted = [(code, n) for code in erp for n in range(often.get(code, 2 if is_busy else 1))]
    return [
        Receipt(
            reference=f"GR-{code}-{n + 1}",
            place=code,
            day=first_day + timedelta(days=random.randrange(1, DAYS)),
            lines=_delivered(shelf[code], random),
        )
        for code, n in wanted
    ]


def _sold(transactions: Iterable[Transaction]) -> Counter[Shelf]:
    sold: Counter[Shelf] = Counter()
    for transaction in transactions:
        for line in transaction.fact_lines:
            if line.kind is LineKind.SALE:
                sold[transaction.key.store, line.sku] += line.quantity_milli
    return sold


def _opening_milli(sold_milli: int, random: Random) -> int:
    if random.random() < SHORT_SHARE:
        return int(sold_milli * random.random() * 0.9) // 1000 * 1000
    units = -(-sold_milli // 1000) + random.randint(0, 24)
    return units * 1000


def _warehouse(
    sold: Counter[Shelf],
    products: dict[str, Product],
    places: dict[str, Place],
    random: Random,
) -> list[CountLine]:
    skus = sorted({sku for code, sku in sold if places[code].owner is Owner.ERP})
    chosen = sorted(random.sample(skus, min(WAREHOUSE_SKUS, len(skus))))
    return [CountLine(sku, products[sku].unit, random.randint(0, 200) * 1000) for sku in chosen]


def _chunks(lines: list[CountLine]) -> Iterable[tuple[CountLine, ...]]:
    rest = iter(lines)
    while chunk := tuple(islice(rest, LINES_PER_COUNT)):
        yield chunk


def _count(
    code: str,
    as_of: datetime,
    lines: tuple[CountLine, ...],
    calendar: Calendar,
    sequencer: Sequencer,
) -> Count:
    reported_at = as_of + timedelta(hours=5)
    key = sequencer.issue(code, BACK_OFFICE, reported_at)
    return Count(key, as_of, calendar.occurred_at_us(code, as_of), lines)


def _recount(
    opening: Count,
    sales: list[Transaction],
    calendar: Calendar,
    sequencer: Sequencer,
    random: Random,
) -> Count:
    open_s = 8 * 3600 + random.randrange(SECONDS_OPEN)
    as_of = opening.as_of + timedelta(days=random.randrange(1, DAYS), seconds=open_s)
    lines = random.sample(opening.lines, min(len(opening.lines), random.randint(5, 20)))
    left = Counter({line.sku: line.quantity_milli for line in lines})
    for transaction in sales:
        if transaction.ended_at <= as_of:
            left.subtract({line.sku: line.quantity_milli for line in transaction.fact_lines})
    counted = tuple(
        CountLine(line.sku, line.unit, max(0, left[line.sku] + 1000 * random.randint(-2, 2)))
        for line in sorted(lines, key=lambda line: line.sku)
    )
    return _count(opening.key.store, as_of, counted, calendar, sequencer)


def _delivered(shelf: list[CountLine], random: Random) -> tuple[CountLine, ...]:
    chosen = random.sample(shelf, min(len(shelf), random.randint(10, 25)))
    return tuple(
        CountLine(line.sku, line.unit, random.randint(1, 8) * 6000)
        for line in sorted(chosen, key=lambda line: line.sku)
    )
