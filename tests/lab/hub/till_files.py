"""POSLog files as tills of one store write them, so that a test reads as what was sold."""

from collections.abc import Sequence
from dataclasses import dataclass

DAY = "2026-11-16"
STORE = "367"


@dataclass(frozen=True, slots=True)
class Sold:
    """One receipt: its number and its lines as (item, quantity)."""

    number: int
    lines: tuple[tuple[str, str], ...]
    at: str = "12:00:00"
    store: str = STORE

    def xml(self) -> str:
        """Return the transaction."""
        lines = "".join(
            f"<LineItem><SequenceNumber>{index}</SequenceNumber><Sale><ItemID>{item}</ItemID>"
            f"<Quantity>{quantity}</Quantity></Sale></LineItem>"
            for index, (item, quantity) in enumerate(self.lines, start=1)
        )
        content = f"<RetailTransaction>{lines}</RetailTransaction>"
        return _transaction(self.store, "3", self.number, self.at, content)


@dataclass(frozen=True, slots=True)
class Counted:
    """One count of some items: its number and (item, quantity)."""

    number: int
    lines: tuple[tuple[str, str], ...]
    at: str = "00:00:00"
    store: str = STORE

    def xml(self) -> str:
        """Return the transaction."""
        lines = "".join(
            f"<LineItem><SequenceNumber>{index}</SequenceNumber><ItemID>{item}</ItemID>"
            f"<Quantity>{quantity}</Quantity></LineItem>"
            for index, (item, quantity) in enumerate(self.lines, start=1)
        )
        taken = f"<AsOfDateTime>{DAY}T{self.at}</AsOfDateTime>"
        content = f"<InventoryCount>{taken}{lines}</InventoryCount>"
        content = f"<InventoryControlTransaction>{content}</InventoryControlTransaction>"
        return _transaction(self.store, "90", self.number, self.at, content)


@dataclass(frozen=True, slots=True)
class Collected:
    """One receipt of ordered goods that are handed over: (item, quantity) of whose order."""

    number: int
    item: str
    quantity: str
    order: str
    source: str

    def xml(self) -> str:
        """Return the transaction."""
        order = f'<InventoryReservationID OrderSource="{self.source}">{self.order}'
        goods = f"<ItemID>{self.item}</ItemID><Quantity>{self.quantity}</Quantity>{order}"
        goods = f"{goods}</InventoryReservationID>"
        line = f"<PreviousCustomerOrder>{goods}</PreviousCustomerOrder>"
        line = f"<LineItem><SequenceNumber>1</SequenceNumber>{line}</LineItem>"
        content = f"<RetailTransaction>{line}</RetailTransaction>"
        return _transaction(STORE, "3", self.number, "18:00:00", content)


def sold(number: int, item: str, quantity: int | str = 1, **where: str) -> Sold:
    """A receipt of one line."""
    return Sold(number, ((item, str(quantity)),), **where)


def counted(number: int, item: str, quantity: int | str, **where: str) -> Counted:
    """A count of one item."""
    return Counted(number, ((item, str(quantity)),), **where)


def collected(number: int, item: str, quantity: int, order: str, source: str) -> Collected:
    """A receipt of goods that were ordered elsewhere."""
    return Collected(number, item, str(quantity), order, source)


def poslog(*told: Sold | Counted | Collected) -> str:
    """A file that holds `told`, in this order."""
    return _file([each.xml() for each in told])


def _file(transactions: Sequence[str]) -> str:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + "<POSLog>\n" + "\n".join(transactions) + "\n</POSLog>\n"


def _transaction(store: str, till: str, number: int, at: str, content: str) -> str:
    return (
        f"<Transaction><RetailStoreID>{store}</RetailStoreID><WorkstationID>{till}</WorkstationID>"
        f"<SequenceNumber>{number}</SequenceNumber><BusinessDayDate>{DAY}</BusinessDayDate>"
        f"<EndDateTime>{DAY}T{at}</EndDateTime>{content}</Transaction>"
    )
