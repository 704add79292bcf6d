"""Fills a Tryton through its own RPC: places, products, counts, receipts. For tests and the demo.

Guarantees: products go in batches that trytond can take; a count is a confirmed inventory, a
receipt a set of done moves from the supplier.
Does not: look whether something is there already; a second run adds it a second time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from omnihub.model.ids import Sku
from omnihub_connectors.tryton.books import the
from omnihub_connectors.tryton.rpc import MAX_ROWS_PER_CREATE, Row, TrytonRpc

CENTRAL_STORAGE = "STO"
"""Code of the storage zone that every new Tryton has, in its one warehouse."""


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product to create; `unit` is Tryton's symbol (u, kg, g, l ...)."""

    sku: Sku
    name: str
    list_price: Decimal = Decimal("1.00")
    unit: str = "u"


@dataclass(frozen=True, slots=True)
class Quantity:
    """So much of a product, in thousandths of its unit."""

    sku: Sku
    milli: int


class Seed:
    """Writes master data and documents as a user of `rpc`'s account would."""

    def __init__(self, rpc: TrytonRpc) -> None:
        self._rpc = rpc
        self._products: dict[str, Row] = {}
        self._units: dict[str, int] = {}

    async def rename_location(self, code: str, new_code: str, name: str) -> None:
        """Give a location another code and name."""
        found = await the(self._rpc, "stock.location", [["code", "=", code]])
        values = {"code": new_code, "name": name}
        await self._rpc.call("model.stock.location.write", [found], values)

    async def add_stores(self, codes: Iterable[str]) -> None:
        """Add a warehouse per store; its one storage location is called `code`."""
        lost_found = await the(self._rpc, "stock.location", [["type", "=", "lost_found"]])
        for code in codes:
            shelf = {"name": f"Store {code}", "code": code, "type": "storage"}
            zone = (await self._rpc.create("stock.location", [shelf]))[0]
            zones = ("input_location", "storage_location", "output_location")
            warehouse = {
                "name": f"Store {code}",
                "type": "warehouse",
                "lost_found_location": lost_found,
                **dict.fromkeys(zones, zone),
            }
            await self._rpc.create("stock.location", [warehouse])

    async def add_products(self, products: Sequence[NewProduct]) -> None:
        """Add products; about 200 a second."""
        category = await the(self._rpc, "product.category", [["accounting", "=", True]])
        for start in range(0, len(products), MAX_ROWS_PER_CREATE):
            chunk = products[start : start + MAX_ROWS_PER_CREATE]
            rows = [_template(each, category, await self._unit(each.unit)) for each in chunk]
            await self._rpc.create("product.template", rows)

    async def count(self, location: str, day: date, counted: Sequence[Quantity]) -> None:
        """Confirm an inventory of `location` as of `day`; about 100 lines a second."""
        products = await self._known(counted)
        lines = [
            {"product": products[each.sku]["id"], "quantity": each.milli / 1000} for each in counted
        ]
        inventory = {
            "location": await the(self._rpc, "stock.location", [["code", "=", location]]),
            "date": day,
            "lines": [["create", lines]],
        }
        created = await self._rpc.create("stock.inventory", [inventory])
        await self._rpc.press("stock.inventory", "confirm", created)

    async def receive(self, location: str, day: date, received: Sequence[Quantity]) -> None:
        """Book goods from the supplier into `location`, moved on `day`."""
        products = await self._known(received)
        common = {
            "from_location": await the(self._rpc, "stock.location", [["type", "=", "supplier"]]),
            "to_location": await the(self._rpc, "stock.location", [["code", "=", location]]),
            "currency": await the(self._rpc, "currency.currency", []),
            "unit_price": Decimal("1.00"),
            "planned_date": day,
            "effective_date": day,
        }
        moves = [
            {
                **common,
                "product": products[each.sku]["id"],
                "unit": products[each.sku]["default_uom"],
                "quantity": each.milli / 1000,
            }
            for each in received
        ]
        created = await self._rpc.create("stock.move", moves)
        await self._rpc.press("stock.move", "do", created)

    async def _unit(self, symbol: str) -> int:
        if symbol not in self._units:
            self._units[symbol] = await the(self._rpc, "product.uom", [["symbol", "=", symbol]])
        return self._units[symbol]

    async def _known(self, wanted: Sequence[Quantity]) -> dict[str, Row]:
        if missing := [each.sku for each in wanted if each.sku not in self._products]:
            rows = await self._rpc.search_read(
                "product.product", [["code", "in", missing]], ["code", "default_uom"]
            )
            self._products |= {row["code"]: row for row in rows}
        return self._products


def _template(product: NewProduct, category: int, unit: int) -> Row:
    return {
        "name": product.name,
        "type": "goods",
        "default_uom": unit,
        "account_category": category,
        "list_price": product.list_price,
        "salable": True,
        "sale_uom": unit,
        "purchasable": True,
        "purchase_uom": unit,
        "products": [["create", [{"suffix_code": product.sku}]]],
    }
