"""The independent ledger: what every system must show at rest, from the play's truth alone.

Guarantees: computed without OmniHub, without the files and without the order of delivery, so
duplicates, reordering and late files cannot change it. A count sets the base at its instant; what
occurred later applies on top, what occurred at that instant or before is inside it.
Does not clamp: a shelf that sold more than was counted is negative, as the tills' facts say.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omnihub_demo.places import WAREHOUSE, midnight
from omnihub_demo.play import (
    Kind,
    Line,
    LineKind,
    Owner,
    Play,
    Transaction,
    TransactionKey,
    instant_us,
)

Shelf = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Movement:
    """Goods into (positive) or out of a location; `cause` and `line` are its natural id."""

    location: str
    sku: str
    delta_milli: int
    occurred_at_us: int
    cause: TransactionKey | str
    line: int


@dataclass(frozen=True)
class Facts:
    """How many canonical facts of each kind the play holds; each is one event in the hub."""

    sales: int
    returns: int
    voids: int
    without_quantity: int
    counts: int
    receipts: int

    @property
    def total(self) -> int:
        """Return all facts: `without_quantity` is a part of sales, returns and voids."""
        return self.sales + self.returns + self.voids + self.counts + self.receipts

    @property
    def moving(self) -> int:
        """Return the facts that move goods."""
        return self.sales + self.returns + self.voids + self.receipts - self.without_quantity


@dataclass(frozen=True)
class Ledger:
    """The expected state at rest. Shelves are (location, sku); quantities in thousandths.

    `web_ats_milli` covers the SKUs of the web's places (the ERP's). `erp_movements` are the tills'
    movements that Tryton must learn, by location; its own counts and receipts are not among them.
    """

    on_hand_milli: dict[Shelf, int]
    web_ats_milli: dict[str, int]
    shortages: frozenset[Shelf]
    facts: Facts
    erp_movements: dict[str, tuple[Movement, ...]]

    @property
    def erp_on_hand_milli(self) -> dict[Shelf, int]:
        """Return what Tryton must show for its own locations."""
        return {x: n for x, n in self.on_hand_milli.items() if x[0] in self.erp_movements}


def judge(play: Play) -> Ledger:
    """Return what every system must show when all of the play has been delivered."""
    till = list(till_movements(play))
    shipped = list(shipped_movements(play))
    on_hand = _on_hand(play, [*till, *shipped, *receipt_movements(play)])
    return Ledger(
        on_hand_milli=on_hand,
        web_ats_milli=_web_ats(play, on_hand),
        shortages=frozenset(shelf for shelf, milli in on_hand.items() if milli < 0),
        facts=_facts(play),
        erp_movements=_erp_movements(play, [*till, *shipped]),
    )


def best_sellers(play: Play, most: int) -> list[tuple[str, int]]:
    """Return the SKUs sold most, in thousandths, voids taken back; ties by SKU."""
    sold: Counter[str] = Counter()
    for transaction in (*play.transactions, *play.collections):
        sign = -1 if transaction.kind is Kind.POST_VOID else 1
        for line in transaction.fact_lines:
            if line.kind is LineKind.SALE:
                sold[line.sku] += sign * line.quantity_milli
    for _, _, sku, milli in play.shipments:
        sold[sku] += milli
    return sorted(sold.items(), key=lambda one: (-one[1], one[0]))[:most]


def till_movements(play: Play) -> Iterator[Movement]:
    """Yield what the tills moved: nothing for void lines, training and lines without quantity."""
    for transaction in (*play.transactions, *play.collections):
        location = play.places[transaction.key.store].location
        for line in transaction.fact_lines:
            moved_milli = delta_milli(line, transaction)
            if moved_milli:
                at_us = transaction.occurred_at_us
                yield Movement(location, line.sku, moved_milli, at_us, transaction.key, line.number)


def shipped_movements(play: Play) -> Iterator[Movement]:
    """Yield what leaves the warehouse for orders, after all counts."""
    after_all_us = max((count.occurred_at_us for count in play.counts), default=0) + 1
    for order, line, sku, milli in play.shipments:
        location = play.places[WAREHOUSE].location
        yield Movement(location, sku, -milli, after_all_us, order, line)


def receipt_movements(play: Play) -> Iterator[Movement]:
    """Yield what suppliers brought, at the noon of its day (the ERP knows no time of day)."""
    for receipt in play.receipts:
        place = play.places[receipt.place]
        noon_us = instant_us(midnight(receipt.day).replace(hour=12), place.tz)
        for number, line in enumerate(receipt.lines, start=1):
            yield Movement(
                place.location, line.sku, line.quantity_milli, noon_us, receipt.reference, number
            )


def on_hand_of(counts: Iterable[tuple[int, int]], movements: Iterable[tuple[int, int]]) -> int:
    """Return the stock of one shelf from (instant, quantity) counts and (instant, delta) moves."""
    as_of_us, base_milli = max(counts, default=(None, 0), key=lambda count: count[0] or 0)
    later = (delta for at_us, delta in movements if as_of_us is None or at_us > as_of_us)
    return base_milli + sum(later)


def delta_milli(line: Line, transaction: Transaction) -> int:
    """Return what a line brings into (positive) or takes out of its store."""
    sold = line.kind is LineKind.SALE
    outward = sold is not (transaction.kind is Kind.POST_VOID)
    return -line.quantity_milli if outward else line.quantity_milli


def _on_hand(play: Play, movements: Iterable[Movement]) -> dict[Shelf, int]:
    counts: dict[Shelf, list[tuple[int, int]]] = defaultdict(list)
    for count in play.counts:
        location = play.places[count.key.store].location
        for line in count.lines:
            counts[location, line.sku].append((count.occurred_at_us, line.quantity_milli))
    moves: dict[Shelf, list[tuple[int, int]]] = defaultdict(list)
    for move in movements:
        moves[move.location, move.sku].append((move.occurred_at_us, move.delta_milli))
    shelves = sorted(counts.keys() | moves.keys())
    return {x: on_hand_of(counts.get(x, ()), moves.get(x, ())) for x in shelves}


def _web_ats(play: Play, on_hand: dict[Shelf, int]) -> dict[str, int]:
    safety = {place.location: place.safety_milli for place in play.owned_by(Owner.ERP)}
    ats: Counter[str] = Counter()
    for (location, sku), milli in on_hand.items():
        if location in safety:
            ats[sku] += max(0, milli - safety[location])
    return dict(ats)


def _erp_movements(play: Play, till: list[Movement]) -> dict[str, tuple[Movement, ...]]:
    by_location: dict[str, list[Movement]] = defaultdict(list)
    for move in till:
        by_location[move.location].append(move)
    locations = [place.location for place in play.owned_by(Owner.ERP)]
    return {location: tuple(by_location[location]) for location in locations}


def _facts(play: Play) -> Facts:
    kinds: Counter[str] = Counter()
    for transaction in (*play.transactions, *play.collections):
        for line in transaction.fact_lines:
            void = transaction.kind is Kind.POST_VOID
            kinds["void" if void else line.kind.value] += 1
            kinds["without_quantity"] += line.quantity_milli == 0
    return Facts(
        sales=kinds["sale"] + len(play.shipments),
        returns=kinds["return"],
        voids=kinds["void"],
        without_quantity=kinds["without_quantity"],
        counts=sum(count.facts for count in play.counts),
        receipts=sum(receipt.facts for receipt in play.receipts),
    )
