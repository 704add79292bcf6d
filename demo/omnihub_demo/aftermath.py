"""What happens after a sale: goods come back, and whole receipts are voided.

Guarantees: a return never brings back more than was sold, occurs after its sale and inside the
play; a post-voided basket has no returns. Returns may happen in another store than the sale. Fuel
and lines without quantity never come back.
"""

from datetime import datetime, timedelta
from random import Random

from omnihub_demo.dice import dice
from omnihub_demo.places import DAYS
from omnihub_demo.play import (
    EACH,
    Kind,
    Line,
    LineKind,
    Transaction,
    local_at,
)
from omnihub_demo.tills import Calendar, Sequencer

POST_VOID_SHARE = 0.008
RETURN_SHARE = 0.1
ELSEWHERE_SHARE = 0.2
SERVICE_DESK = 80
HOUR_US = 3_600_000_000


def post_voids(
    baskets: list[Transaction], calendar: Calendar, sequencer: Sequencer, seed: int
) -> list[Transaction]:
    """Return the transactions that void a few baskets, minutes after them, at the same till."""
    random = dice(seed, "post-void")
    end = calendar.first_midnight + timedelta(days=DAYS)
    able = [basket for basket in baskets if basket.ended_at < end - timedelta(minutes=30)]
    chosen = random.sample(able, max(2, round(POST_VOID_SHARE * len(able))))
    return [_post_void(basket, calendar, sequencer, random) for basket in chosen]


def returns(
    baskets: list[Transaction], calendar: Calendar, sequencer: Sequencer, seed: int
) -> list[Transaction]:
    """Return the transactions that bring some lines of `baskets` back later."""
    random = dice(seed, "return")
    chosen = [basket for basket in baskets if random.random() < RETURN_SHARE]
    made = (_return(basket, calendar, sequencer, random) for basket in chosen)
    return [transaction for transaction in made if transaction is not None]


def _post_void(
    basket: Transaction, calendar: Calendar, sequencer: Sequencer, random: Random
) -> Transaction:
    store, ended_at = basket.key.store, basket.ended_at + timedelta(seconds=random.randint(90, 900))
    return Transaction(
        key=sequencer.issue(store, basket.key.workstation, ended_at),
        began_at=ended_at - timedelta(seconds=40),
        ended_at=ended_at,
        occurred_at_us=calendar.occurred_at_us(store, ended_at),
        lines=basket.fact_lines,
        kind=Kind.POST_VOID,
        voids=basket.key,
    )


def _return(
    basket: Transaction, calendar: Calendar, sequencer: Sequencer, random: Random
) -> Transaction | None:
    able = [line for line in basket.fact_lines if line.unit == EACH and line.quantity_milli > 0]
    store = _where(basket, calendar, random)
    ended_at = _when(basket, store, calendar, random)
    if not able or ended_at is None:
        return None
    back = random.sample(able, min(len(able), random.choice((1, 1, 1, 2, 3))))
    return Transaction(
        key=sequencer.issue(store, SERVICE_DESK, ended_at),
        began_at=ended_at - timedelta(seconds=75),
        ended_at=ended_at,
        occurred_at_us=calendar.occurred_at_us(store, ended_at),
        lines=tuple(_back(i, line, basket, random) for i, line in enumerate(back, start=1)),
    )


def _where(basket: Transaction, calendar: Calendar, random: Random) -> str:
    """Return a store of the same owner: the ERP's five have each the others' products."""
    if random.random() >= ELSEWHERE_SHARE:
        return basket.key.store
    owner = calendar.places[basket.key.store].owner
    alike = [p.code for p in calendar.places.values() if p.owner is owner and p.code.isdigit()]
    return random.choice(alike)


def _when(basket: Transaction, store: str, calendar: Calendar, random: Random) -> datetime | None:
    """Return a local time in `store` at least an hour after the sale and inside the play."""
    end = calendar.first_midnight + timedelta(days=DAYS)
    left_us = calendar.occurred_at_us(store, end) - basket.occurred_at_us
    if left_us < 3 * HOUR_US:
        return None
    at_us = basket.occurred_at_us + HOUR_US + int(random.random() * (left_us - 3 * HOUR_US))
    return local_at(at_us, calendar.places[store].tz)


def _back(number: int, line: Line, basket: Transaction, random: Random) -> Line:
    units = random.randint(1, line.quantity_milli // 1000)
    return Line(
        number=number,
        sku=line.sku,
        unit=line.unit,
        quantity_milli=units * 1000,
        amount_cents=line.amount_cents * units * 1000 // line.quantity_milli,
        kind=LineKind.RETURN,
        origin=(basket.key, line.number),
    )
