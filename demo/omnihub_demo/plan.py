"""Build a play: a real grocer's week, mapped onto the seven days before now, with its aftermath.

Guarantees: the same week, seed and date of `now_us` give the same play. Fuel is left out of the
ERP's stores (a grocer's ERP does not keep the tanks, and Tryton rounds litres); what is left
out is counted in `Play.left_out`.
"""

from collections import Counter
from dataclasses import replace

from omnihub_demo.aftermath import post_voids, returns
from omnihub_demo.places import choose_places, first_day, midnight
from omnihub_demo.play import LITRE, Owner, Place, Play, Transaction
from omnihub_demo.source import SourceWeek, read_week
from omnihub_demo.stocktake import opening_counts, receipts, recounts
from omnihub_demo.tills import Calendar, Sequencer, ring_up, unreal_of


def build(week: int, seed: int, now_us: int) -> Play:
    """Return the play of a week (1 to 53) as seen at `now_us` (UTC micros)."""
    return stage(read_week(week), seed, now_us)


def stage(source: SourceWeek, seed: int, now_us: int) -> Play:
    """Return the play of `source`, pure: no clock, no I/O."""
    places = choose_places((line.store for line in source.lines), seed)
    source, left_out = _without_tanks(source, places)
    day = first_day(now_us)
    calendar, sequencer = Calendar(midnight(day), places), Sequencer()
    baskets = ring_up(source, calendar, sequencer, seed)
    voiding = post_voids(baskets, calendar, sequencer, seed)
    gone = {transaction.voids for transaction in voiding}
    kept = [basket for basket in baskets if basket.key not in gone]
    back = returns(kept, calendar, sequencer, seed)
    unreal = unreal_of(baskets, sequencer, seed)
    opening = opening_counts(baskets, source.products, calendar, sequencer, seed)
    again = recounts(opening, baskets, calendar, sequencer, seed)
    return Play(
        week=source.week,
        seed=seed,
        first_day=day,
        places=places,
        products=source.products,
        transactions=_in_time([*baskets, *voiding, *back, *unreal]),
        counts=(*opening, *again),
        receipts=tuple(receipts(opening, day, places, seed)),
        left_out=left_out,
    )


def _without_tanks(
    source: SourceWeek, places: dict[str, Place]
) -> tuple[SourceWeek, dict[str, int]]:
    kept = tuple(
        line
        for line in source.lines
        if source.products[line.sku].unit != LITRE or places[line.store].owner is not Owner.ERP
    )
    left_out = Counter({"fuel_lines_of_erp_stores": len(source.lines) - len(kept)})
    return replace(source, lines=kept), dict(left_out)


def _in_time(transactions: list[Transaction]) -> tuple[Transaction, ...]:
    return tuple(sorted(transactions, key=lambda t: (t.occurred_at_us, t.key)))
