"""What was really placed: which order each system knows under which number, and since when."""

from dataclasses import dataclass
from typing import NamedTuple

from omnihub_demo.dealing import Order


class OrderKey(NamedTuple):
    """How the hub's API names an order: a number means something only where it was given."""

    source: str
    number: str


@dataclass(frozen=True, slots=True)
class Placed:
    """An order and the moment of placing by the buyer's clock, in UTC micros."""

    order: Order
    at_us: int
