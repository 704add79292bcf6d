"""The truth of a play: what really happened in the retailer's week, as frozen records.

Guarantees: nothing here knows files, faults or delivery times (`schedule`), nor OmniHub. Times are
naive local datetimes of the place, as a till writes them, plus the instant they mean in UTC micros.
Does not guarantee that stock stays positive: some opening counts are short on purpose.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from zoneinfo import ZoneInfo

EACH = "C62"
LITRE = "LTR"


class Owner(Enum):
    """Which system owns a place's counts."""

    POS = "pos"
    ERP = "erp"


class Kind(Enum):
    """What a till transaction is."""

    BASKET = "basket"
    POST_VOID = "post_void"
    TRAINING = "training"
    CANCELLED = "cancelled"


class LineKind(Enum):
    """Direction of a line: goods to the customer, or back."""

    SALE = "sale"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Place:
    """A store or the warehouse. `code` is its name at the tills, `location` the canonical id."""

    code: str
    location: str
    tz: str
    owner: Owner
    safety_milli: int = 0


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the data set; `unit` is UN/ECE Rec 20, price in cents per unit."""

    sku: str
    description: str
    department: str
    unit: str
    price_cents: int


@dataclass(frozen=True, slots=True, order=True)
class TransactionKey:
    """The four parts that identify a till transaction, whatever file brings it."""

    store: str
    workstation: int
    sequence: int
    business_day: date


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transaction; `origin` names the sold line that a return brings back."""

    number: int
    sku: str
    unit: str
    quantity_milli: int
    amount_cents: int
    kind: LineKind = LineKind.SALE
    void: bool = False
    origin: tuple[TransactionKey, int] | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one till printed as one receipt."""

    key: TransactionKey
    began_at: datetime
    ended_at: datetime
    occurred_at_us: int
    lines: tuple[Line, ...]
    kind: Kind = Kind.BASKET
    voids: TransactionKey | None = None
    collects: str | None = None
    """The order, by the name its source gave it, whose goods this receipt hands over."""

    @property
    def facts(self) -> int:
        """Return how many canonical facts the transaction holds."""
        return len(self.fact_lines)

    @property
    def fact_lines(self) -> tuple[Line, ...]:
        """Return the lines that are facts: no void line, nothing of training or cancelled."""
        if self.kind in (Kind.TRAINING, Kind.CANCELLED):
            return ()
        return tuple(line for line in self.lines if not line.void)


@dataclass(frozen=True, slots=True)
class CountLine:
    """Quantity of one SKU in a count."""

    sku: str
    unit: str
    quantity_milli: int


@dataclass(frozen=True, slots=True)
class Count:
    """Somebody counted part of a place at `as_of`; one document of a count file, or one RPC."""

    key: TransactionKey
    as_of: datetime
    occurred_at_us: int
    lines: tuple[CountLine, ...]

    @property
    def facts(self) -> int:
        """Return how many canonical facts the count holds."""
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Goods from a supplier, booked in the ERP on `day` (the ERP knows no time of day)."""

    reference: str
    place: str
    day: date
    lines: tuple[CountLine, ...]

    @property
    def facts(self) -> int:
        """Return how many canonical facts the receipt holds."""
        return len(self.lines)


Document = Transaction | Count


@dataclass(frozen=True)
class Play:
    """A retailer's week, mapped onto the seven days that begin with `first_day`."""

    week: int
    seed: int
    first_day: date
    places: dict[str, Place]
    products: dict[str, Product]
    transactions: tuple[Transaction, ...]
    counts: tuple[Count, ...]
    receipts: tuple[Receipt, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    collections: tuple[Transaction, ...] = ()
    """Receipts of orders that are collected; printed when the order is ready."""
    shipments: tuple[tuple[str, int, str, int], ...] = ()
    """What leaves the warehouse for orders: (order, line, SKU, thousandths)."""
    pickup_stores: frozenset[str] = frozenset()
    """Stores in which orders are collected."""

    def owned_by(self, owner: Owner) -> tuple[Place, ...]:
        """Return the places whose counts `owner` owns, in the order of their codes."""
        return tuple(place for _, place in sorted(self.places.items()) if place.owner is owner)

    @property
    def erp_skus(self) -> tuple[str, ...]:
        """Return the SKUs that ever move or are counted in a place of the ERP: also the web's."""
        ours = {place.code for place in self.owned_by(Owner.ERP)}
        skus = {line.sku for c in self.counts if c.key.store in ours for line in c.lines}
        skus |= {line.sku for receipt in self.receipts for line in receipt.lines}
        receipts = (*self.transactions, *self.collections)
        skus |= {x.sku for t in receipts if t.key.store in ours for x in t.fact_lines}
        return tuple(sorted(skus))


def instant_us(local: datetime, tz: str) -> int:
    """Return the UTC micros of a naive local time; of two equal local times, the first."""
    aware = local.replace(tzinfo=ZoneInfo(tz), fold=0)
    return round(aware.timestamp()) * 1_000_000


def local_at(micros: int, tz: str) -> datetime:
    """Return the naive local time, in whole seconds, at a UTC instant."""
    aware = datetime.fromtimestamp(micros // 1_000_000, UTC).astimezone(ZoneInfo(tz))
    return aware.replace(tzinfo=None, fold=0)
