"""What the hub must have understood: every canonical fact of a play under its natural id.

Guarantees: derived from the play alone. A till's fact has a natural id (the four-part key and the
line); the ERP numbers its own documents, so its facts are told apart by what they say.
"""

from collections import Counter
from dataclasses import dataclass, field

from omnihub_demo.ledger import delta_milli, shipped_movements
from omnihub_demo.play import Owner, Play, TransactionKey

COUNT = "count"
MOVE = "move"


@dataclass(frozen=True, slots=True)
class Fact:
    """One canonical fact: a count, or goods in (positive) or out of a place."""

    kind: str
    location: str
    sku: str
    milli: int


@dataclass(frozen=True)
class Expected:
    """The facts of a play: those of the tills by natural id, those of the ERP by content."""

    of_tills: dict[str, Fact]
    of_erp: Counter[Fact]
    of_hub: Counter[Fact] = field(default_factory=Counter)
    """Goods that left for orders: the hub books them itself, once, when they are reported."""

    @property
    def total(self) -> int:
        """Return how many facts there are."""
        return len(self.of_tills) + self.of_erp.total() + self.of_hub.total()


def natural_id(key: TransactionKey, line: int) -> str:
    """Return how a till's line is named all over the world."""
    return f"{key.store}:{key.workstation}:{key.business_day}:{key.sequence}:{line}"


def expected_facts(play: Play) -> Expected:
    """Return every fact that the play's documents hold, each once."""
    of_tills: dict[str, Fact] = {}
    of_erp: Counter[Fact] = Counter()
    for transaction in (*play.transactions, *play.collections):
        location = play.places[transaction.key.store].location
        for line in transaction.fact_lines:
            fact = Fact(MOVE, location, line.sku, delta_milli(line, transaction))
            of_tills[natural_id(transaction.key, line.number)] = fact
    for count in play.counts:
        place = play.places[count.key.store]
        for number, counted in enumerate(count.lines, start=1):
            fact = Fact(COUNT, place.location, counted.sku, counted.quantity_milli)
            if place.owner is Owner.ERP:
                of_erp[fact] += 1
            else:
                of_tills[natural_id(count.key, number)] = fact
    for receipt in play.receipts:
        location = play.places[receipt.place].location
        for each in receipt.lines:
            of_erp[Fact(MOVE, location, each.sku, each.quantity_milli)] += 1
    of_hub = Counter(
        Fact(MOVE, move.location, move.sku, move.delta_milli) for move in shipped_movements(play)
    )
    return Expected(of_tills, of_erp, of_hub)
