"""Deals some of the week's baskets to other channels: web, app with click & collect, phone.

Guarantees: pure; the same play gives the same orders. A basket that becomes an order leaves its
till. What is shipped comes from the warehouse, whose opening count is raised to cover it, but for
the orders that are to be refused: a SKU of theirs is counted as none. What is collected is there:
the store's opening count is raised. Households order in several channels under identifiers that
differ; some share a phone number, and one device is used by many.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

from omnihub_demo.dice import dice
from omnihub_demo.places import WAREHOUSE, ZONES
from omnihub_demo.play import (
    EACH,
    Count,
    CountLine,
    Kind,
    Line,
    Owner,
    Place,
    Play,
    Product,
    Transaction,
    TransactionKey,
    local_at,
)

DEALT_COUNTER = 98
RECEIVING = 91
LINES_PER_COUNT = 100
SPARE_UNITS = 50
REFUSED_SHARE = 0.1
HOT_SKU = "990001"
HOT_BUYERS = 50
HOT_PRICE_CENTS = 999
MOST_LINES = 5


class Channel(StrEnum):
    """Where an order comes from; also the name of the hub's instance."""

    WEB = "web"
    APP = "app"
    PHONE = "erp"


@dataclass(frozen=True, slots=True)
class Dealt:
    """How many baskets go where in a full week of 2,500 that can be dealt; others give a share.

    A sale costs Tryton about half a second, and moves wait behind it: few come from its places.
    """

    web: int = 40
    app_shipped: int = 15
    app_collected_erp: int = 8
    app_collected: int = 60
    phone: int = 8


@dataclass(frozen=True, slots=True)
class Household:
    """A customer. Addresses lie in domains and number ranges that are reserved for examples."""

    number: int
    phone: str

    @property
    def name(self) -> str:
        """Return a name."""
        return f"Household {self.number:04}"

    @property
    def email(self) -> str:
        """Return the e-mail address used in every channel that asks for one."""
        return f"household-{self.number:04}@example.com"

    @property
    def user_id(self) -> str:
        """Return the login in the app."""
        return f"u-{self.number:04}"


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an order."""

    number: int
    sku: str
    units: int
    price_cents: int


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it will be placed; `place` is where it is collected, None when shipped."""

    name: str
    channel: Channel
    household: Household
    lines: tuple[OrderLine, ...]
    place: Place | None
    is_refused: bool
    share: float
    """When in the day it is placed, 0 to 1."""

    @property
    def total_cents(self) -> int:
        """Return what the buyer pays."""
        return sum(line.units * line.price_cents for line in self.lines)


@dataclass(frozen=True)
class Orders:
    """All orders of a play, and the till receipts of those that are collected."""

    placed: tuple[Order, ...] = ()
    collections: Mapping[str, Transaction] = field(default_factory=dict)
    hot_sku: str = HOT_SKU
    hot_buyers: int = HOT_BUYERS
    day_zone: str = ZONES[0]
    """Where a business day of web and app ends: at the warehouse."""

    @property
    def shipped(self) -> tuple[Order, ...]:
        """Return the orders that leave the warehouse."""
        return tuple(each for each in self.placed if not each.place and not each.is_refused)


def deal(play: Play, now_us: int, dealt: Dealt | None = None) -> tuple[Play, Orders]:
    """Return the play without the dealt baskets and with stock for their orders."""
    dealt, random = dealt or Dealt(), dice(play.seed, "dealing")
    referenced = _referenced(play)
    candidates = [t for t in play.transactions if _is_dealable(t, play, referenced)]
    share = min(1.0, len(candidates) / 2500)
    chosen = _chosen(candidates, play, dealt, share, random)
    households = _households(len(chosen), random)
    placed = [
        _order(number, channel, basket, is_collected, play, households, random)
        for number, (channel, basket, is_collected) in enumerate(chosen, start=1)
    ]
    placed = _with_refusals(placed, play, random)
    gone = {basket.key for _, basket, _ in chosen}
    collections = {o.name: _collection(n, o, now_us) for n, o in enumerate(placed, 1) if o.place}
    kept = tuple(t for t in play.transactions if t.key not in gone)
    played = replace(
        play,
        transactions=kept,
        counts=tuple(_stocked(play, placed)),
        products={
            **play.products,
            HOT_SKU: Product(HOT_SKU, "THE LAST ONE", "TOYS", EACH, HOT_PRICE_CENTS),
        },
        collections=tuple(collections.values()),
        shipments=tuple(_shipments(placed)),
        pickup_stores=frozenset(o.place.code for o in placed if o.place),
    )
    day_zone = play.places[WAREHOUSE].tz
    return played, Orders(tuple(placed), collections, day_zone=day_zone)


def _referenced(play: Play) -> set[TransactionKey]:
    """Return baskets that other documents speak of."""
    found = {t.voids for t in play.transactions if t.voids is not None}
    found |= {x.origin[0] for t in play.transactions for x in t.lines if x.origin is not None}
    return found


def _is_dealable(basket: Transaction, play: Play, referenced: set[TransactionKey]) -> bool:
    return (
        basket.kind is Kind.BASKET
        and basket.key not in referenced
        and 0 < len(basket.lines) <= MOST_LINES
        and len({line.sku for line in basket.lines}) == len(basket.lines)
        and all(_is_sellable(line, play) for line in basket.lines)
    )


def _is_sellable(line: Line, play: Play) -> bool:
    whole = line.quantity_milli > 0 and line.quantity_milli % 1000 == 0
    priced = play.products[line.sku].price_cents > 0
    return whole and priced and line.unit == EACH and not line.void and line.origin is None


def _chosen(
    candidates: list[Transaction], play: Play, dealt: Dealt, share: float, random: Random
) -> list[tuple[Channel, Transaction, bool]]:
    """Return (channel, basket, whether it is collected), each basket once."""
    recounted = _recounted(play)
    of_erp = [t for t in candidates if play.places[t.key.store].owner is Owner.ERP]
    of_tills = [
        t
        for t in candidates
        if play.places[t.key.store].owner is Owner.POS
        and not any((t.key.store, line.sku) in recounted for line in t.lines)
    ]
    random.shuffle(of_erp)
    random.shuffle(of_tills)
    taken: list[tuple[Channel, Transaction, bool]] = []
    for channel, pool, wanted, is_collected in (
        (Channel.APP, of_erp, dealt.app_collected_erp, True),
        (Channel.APP, of_tills, dealt.app_collected, True),
        (Channel.APP, of_tills, dealt.app_shipped, False),
        (Channel.WEB, of_tills, dealt.web, False),
        (Channel.PHONE, of_tills, dealt.phone, False),
    ):
        for _ in range(min(len(pool), max(2, round(wanted * share)) if wanted else 0)):
            taken.append((channel, pool.pop(), is_collected))
    return taken


def _recounted(play: Play) -> set[tuple[str, str]]:
    """Return shelves that are counted more than once: what is there then is not ours to say."""
    counted = Counter((c.key.store, line.sku) for c in play.counts for line in c.lines)
    return {shelf for shelf, times in counted.items() if times > 1}


def _households(orders: int, random: Random) -> list[Household]:
    """Return fewer households than orders, so that some order in several channels."""
    many = max(2, orders * 2 // 3)
    # 555-0100 to 555-0199 are kept for fiction. Every eighth household has its neighbour's number.
    numbers = [f"+1{area}5550{line}" for area in (212, 303, 312, 513) for line in range(100, 200)]
    random.shuffle(numbers)
    return [
        Household(n, numbers[(n - 1 if n % 8 == 0 else n) % len(numbers)])
        for n in range(1, many + 1)
    ]


def _order(
    number: int,
    channel: Channel,
    basket: Transaction,
    is_collected: bool,
    play: Play,
    households: list[Household],
    random: Random,
) -> Order:
    lines = tuple(
        OrderLine(n, x.sku, x.quantity_milli // 1000, play.products[x.sku].price_cents)
        for n, x in enumerate(basket.lines, start=1)
    )
    return Order(
        name=f"{channel.value[0].upper()}-{number:04}",
        channel=channel,
        household=households[number % len(households)],
        lines=lines,
        place=play.places[basket.key.store] if is_collected else None,
        is_refused=False,
        share=random.uniform(0.02, 0.75),
    )


def _with_refusals(placed: list[Order], play: Play, random: Random) -> list[Order]:
    """Choose shipped orders that cannot be served: a SKU that nobody else wants is not there."""
    wanted = Counter(x.sku for o in placed if not o.place for x in o.lines)
    stocked = {x.sku for c in play.counts if c.key.store == WAREHOUSE for x in c.lines}
    supplied = {x.sku for r in play.receipts if r.place == WAREHOUSE for x in r.lines}
    return [
        replace(o, is_refused=True)
        if not o.place
        and o.channel is not Channel.PHONE
        and wanted[o.lines[0].sku] == 1
        and o.lines[0].sku not in stocked | supplied
        and random.random() < REFUSED_SHARE * 2
        else o
        for o in placed
    ]


def _collection(number: int, order: Order, now_us: int) -> Transaction:
    """Return the till receipt of an order that is collected."""
    assert order.place is not None
    at = local_at(now_us, order.place.tz)
    key = TransactionKey(order.place.code, DEALT_COUNTER, number, at.date())
    lines = tuple(
        Line(x.number, x.sku, EACH, x.units * 1000, x.units * x.price_cents) for x in order.lines
    )
    return Transaction(key, at, at, now_us // 1_000_000 * 1_000_000, lines, collects=order.name)


def _shipments(placed: Iterable[Order]) -> Iterator[tuple[str, int, str, int]]:
    """Yield (order, line, SKU, milli) of what leaves the warehouse."""
    for order in placed:
        if not order.place and not order.is_refused:
            for line in order.lines:
                yield order.name, line.number, line.sku, line.units * 1000
    yield "HOT", 1, HOT_SKU, 1000


def _stocked(play: Play, placed: list[Order]) -> Iterator[Count]:
    """Yield the counts, raised by what the orders need."""
    shipped: Counter[str] = Counter()
    for order in placed:
        if not order.place:
            missing = order.lines[0].sku if order.is_refused else None
            shipped.update({x.sku: 0 if x.sku == missing else x.units for x in order.lines})
    spare = {(o.place.code, x.sku) for o in placed if o.place for x in o.lines}
    short = {o.lines[0].sku for o in placed if o.is_refused}
    opening_us = min(count.occurred_at_us for count in play.counts if count.key.store == WAREHOUSE)
    for count in play.counts:
        code = count.key.store
        if code == WAREHOUSE:
            lines = (_raised(x, shipped.get(x.sku)) for x in count.lines)
            yield replace(count, lines=tuple(lines))
        else:
            lines = (_raised(x, 0 if (code, x.sku) in spare else None) for x in count.lines)
            yield replace(count, lines=tuple(lines))
    known = {x.sku for c in play.counts if c.key.store == WAREHOUSE for x in c.lines}
    template = next(c for c in play.counts if c.key.store == WAREHOUSE)
    more = [
        CountLine(sku, EACH, 0 if sku in short else (units + SPARE_UNITS) * 1000)
        for sku, units in sorted(shipped.items())
        if sku not in known
    ]
    more.append(CountLine(HOT_SKU, EACH, 1000))
    for number, at in enumerate(range(0, len(more), LINES_PER_COUNT), start=1):
        key = replace(template.key, workstation=RECEIVING, sequence=number)
        chunk = tuple(more[at : at + LINES_PER_COUNT])
        yield replace(template, key=key, lines=chunk, occurred_at_us=opening_us)


def _raised(line: CountLine, units: int | None) -> CountLine:
    if units is None:
        return line
    return replace(line, quantity_milli=line.quantity_milli + (units + SPARE_UNITS) * 1000)
