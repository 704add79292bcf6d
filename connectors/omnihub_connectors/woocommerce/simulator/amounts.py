"""What an order costs: amounts as WooCommerce writes them, decimal text with two digits.

Guarantees: prices include tax or not, as the shop is set up; tax of a line is kept with six digits
inside `taxes` and with two in its total, as the plugin does; the order's total is the sum of what
is shown. Does not: know coupons (give `subtotal` and `total` of a line for a discount).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Payload = dict[str, Any]
CENT = Decimal("0.01")
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Tax:
    """The one tax rate of the shop."""

    percent: Decimal = Decimal(0)
    is_included: bool = False

    def net(self, price: Decimal) -> Decimal:
        """Return a catalogue price without tax."""
        return price / (1 + self.percent / HUNDRED) if self.is_included else price

    def of(self, net: Decimal) -> Decimal:
        """Return the tax on a net amount."""
        return net * self.percent / HUNDRED


def text(amount: Decimal) -> str:
    """Return an amount with two digits, rounded half up."""
    return str(amount.quantize(CENT, ROUND_HALF_UP))


def decimal(value: Any) -> Decimal:
    """Return what REST gives as text or number."""
    return Decimal(str(value or 0))


def taxed(net: Decimal, tax: Tax) -> Payload:
    """Return total, total_tax and taxes of something that costs `net`."""
    exact = tax.of(net)
    rows = [{"id": 1, "total": str(round(exact, 6)), "subtotal": ""}] if tax.percent else []
    return {"total": text(net), "total_tax": text(exact), "taxes": rows}


def add_up(order: Payload) -> None:
    """Set the totals of an order from its lines."""
    goods, ways, fees = (order[name] for name in ("line_items", "shipping_lines", "fee_lines"))
    order["discount_total"] = text(_sum(goods, "subtotal") - _sum(goods, "total"))
    order["discount_tax"] = text(_sum(goods, "subtotal_tax") - _sum(goods, "total_tax"))
    order["shipping_total"] = text(_sum(ways, "total"))
    order["shipping_tax"] = text(_sum(ways, "total_tax"))
    order["cart_tax"] = text(_sum([*goods, *fees], "total_tax"))
    everything = [*goods, *ways, *fees]
    order["total_tax"] = text(_sum(everything, "total_tax"))
    order["total"] = text(_sum(everything, "total") + _sum(everything, "total_tax"))


def _sum(rows: Iterable[Payload], name: str) -> Decimal:
    return sum((decimal(row[name]) for row in rows), Decimal(0))
