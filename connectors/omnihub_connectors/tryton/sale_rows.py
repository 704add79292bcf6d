"""From the hub's orders to Tryton's sales: references, lines and exact prices. Pure.

Guarantees: a sale's total is the order's total to the minor unit. A line's amount is the line's
total as long as Tryton's four decimals of a unit price can say it (in currencies with cents: below
100 units); what is left over stands in a line of its own, without product.
Does not: know taxes. Amounts are with tax, as the buyer paid them, and the lines carry no tax.
"""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

from omnihub.model.ids import OrderId
from omnihub.model.money import exponent_of
from omnihub.model.records import Money, RecordSale, SaleLine, SetDayTotal
from omnihub_connectors.tryton.catalogue import Article
from omnihub_connectors.tryton.journal import PREFIX, is_ours
from omnihub_connectors.tryton.rpc import Row

TOTAL_PREFIX = f"{PREFIX}total:"
SHIPPING, ROUNDING = "Shipping", "Discount and rounding"
_PRICE_STEP = Decimal("0.0001")
"""Tryton's own default of `price_decimal`."""
_ONE = 1.0


def order_reference(order_id: OrderId) -> str:
    """Return the reference of the sale that holds an order."""
    return f"{PREFIX}{order_id}"


def order_in(reference: str | None) -> OrderId | None:
    """Return the order that the hub wrote into a sale's reference, if it did."""
    if not reference or not is_ours(reference) or reference.startswith(TOTAL_PREFIX):
        return None
    return OrderId(reference.removeprefix(PREFIX))


def total_reference(command: SetDayTotal) -> str:
    """Return the reference of the sale that holds a day's total."""
    return f"{TOTAL_PREFIX}{command.target}"


def sale_lines(command: RecordSale, articles: dict[str, Article], codes: list[str]) -> list[Row]:
    """Return the lines of a sale; `codes` are the product codes of its lines, in order."""
    places = Decimal(1).scaleb(-exponent_of(command.currency))
    rows: list[Row] = []
    left = amount_of(command.total_minor, command.currency)
    for line, code in zip(command.lines, codes, strict=True):
        price, amount = _priced(line, command.currency, places)
        left -= amount
        rows.append(_goods(line, articles[code], price))
    shipping = amount_of(command.shipping_minor, command.currency)
    rows += [plain_line(SHIPPING, shipping)] if shipping else []
    rows += [plain_line(ROUNDING, left - shipping)] if left != shipping else []
    return rows


def total_line(command: SetDayTotal) -> Row:
    """Return the one line of a day's total."""
    amount = amount_of(command.total_minor, command.currency)
    return plain_line(f"Total of {command.orders} orders", amount)


def amount_of(minor: int, currency: str) -> Decimal:
    """Return minor units as the decimal that Tryton counts in."""
    return Decimal(minor).scaleb(-exponent_of(currency))


def plain_line(description: str, amount: Decimal) -> Row:
    """Return a line without product."""
    return {"type": "line", "description": description, "quantity": _ONE, "unit_price": amount}


def day_of(days: int) -> date:
    """Return the date that is `days` after 1970-01-01."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + days)


def _goods(line: SaleLine, article: Article, price: Decimal) -> Row:
    return {
        "type": "line",
        "product": article.id,
        "unit": article.unit,
        "quantity": line.quantity_milli / 1000,
        "unit_price": price,
    }


def _priced(line: SaleLine, currency: str, places: Decimal) -> tuple[Decimal, Decimal]:
    """Return the unit price that gives the line's total, and the amount Tryton makes of it."""
    quantity = Decimal(line.quantity_milli).scaleb(-3)
    total = amount_of(line.total_minor, currency)
    listed = _decimal(line.unit_price)
    if listed == listed.quantize(_PRICE_STEP) and _amount(quantity, listed, places) == total:
        return listed, total
    price = (total / quantity).quantize(_PRICE_STEP, ROUND_HALF_EVEN) if quantity else listed
    return price, _amount(quantity, price, places)


def _amount(quantity: Decimal, price: Decimal, places: Decimal) -> Decimal:
    """Round as Tryton's currencies do."""
    return (quantity * price).quantize(places, ROUND_HALF_EVEN)


def _decimal(money: Money) -> Decimal:
    return Decimal(money.unscaled).scaleb(-money.scale)
