"""What each system showed of orders, buyers and mails when it was asked: plain data, no opinion."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from omnihub_demo.placed import OrderKey, Placed

Lines = Counter[tuple[str, int]]
"""SKU and thousandths of each line."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale as the ERP shows it; staff's own have no reference."""

    reference: str
    number: str
    state: str
    total_cents: int
    lines: Lines

    @property
    def name(self) -> str:
        """Return what the sale is found by."""
        return self.reference or self.number


class Mail(NamedTuple):
    """A mail in somebody's mailbox: what it is about, by its subject."""

    address: str
    kind: str
    number: str


class Sought(NamedTuple):
    """By what a customer is looked up in the hub: `email` or `phone`, and the value."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Found:
    """A customer that the hub found, and which systems know them."""

    customer_id: str
    sources: frozenset[str]


@dataclass(frozen=True)
class OrderReadings:
    """What every system shows of orders and buyers."""

    orders: tuple[Mapping[str, Any], ...]
    """Rows of the hub's API."""
    details: Mapping[OrderKey, Mapping[str, Any]]
    """Details of the hub's API."""
    placed: Mapping[OrderKey, Placed]
    shop_orders: tuple[Mapping[str, Any], ...]
    sales: tuple[Sale, ...]
    held_milli: int
    mails: Counter[Mail]
    customers: Mapping[Sought, tuple[Found, ...]]
    board: Mapping[str, Any] | None = None
    webhooks: Mapping[str, int] = field(default_factory=dict)


def key_of(row: Mapping[str, Any]) -> OrderKey:
    """Return the key of an order as the hub's API lists it."""
    return OrderKey(row["source"], row["number"])
