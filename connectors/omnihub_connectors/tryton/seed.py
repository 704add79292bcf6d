"""Fills a Tryton through its own RPC: places, products, counts, receipts, sales of staff.

For tests and the demo.
Guarantees: products go in batches that trytond can take; a count is a confirmed inventory, a
receipt a set of done moves from the supplier.
Does not: look whether something is there already; a second run adds it a second time.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from omnihub.connect.errors import Refused
from omnihub.model.ids import Sku
from omnihub_connectors.tryton.books import first, the
from omnihub_connectors.tryton.rpc import MAX_ROWS_PER_CREATE, Row, TrytonRpc
from omnihub_connectors.tryton.sale_journal import SALE

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


@dataclass(frozen=True, slots=True)
class Sold:
    """So much of a product at a price per unit, in the company's currency."""

    sku: Sku
    milli: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who orders by phone; the number is how staff find the party again."""

    name: str
    phone: str
    email: str | None = None
    street: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class StaffSale:
    """A confirmed sale. Its order is `order_id_of(tenant, instance, str(id))`."""

    id: int
    number: str


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
        products = await self._known([each.sku for each in counted])
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
        products = await self._known([each.sku for each in received])
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

    async def sell(
        self, buyer: Caller, location: str, day: date, sold: Sequence[Sold], *, ships: bool = False
    ) -> StaffSale:
        """Quote and confirm a sale as staff on the phone do.

        The warehouse is that of `location`. With `ships` Tryton makes the shipment of its goods
        (then `deliver` moves them); without, the goods are moved by whoever the hub tells.
        """
        party = await self._party(buyer)
        address = await the(self._rpc, "party.address", [["party", "=", party]])
        place = await the(self._rpc, "stock.location", [["code", "=", location]])
        around = [["parent", "parent_of", [place]], ["type", "=", "warehouse"]]
        products = await self._known([each.sku for each in sold])
        sale = {
            "party": party,
            **dict.fromkeys(("invoice_address", "shipment_address"), address),
            "warehouse": await the(self._rpc, "stock.location", around),
            "currency": await the(self._rpc, "currency.currency", []),
            "sale_date": day,
            "invoice_method": "manual",
            "shipment_method": "order" if ships else "manual",
            "lines": [["create", [_sold(each, products[each.sku]) for each in sold]]],
        }
        created = await self._rpc.create(SALE, [sale])
        for button in ("quote", "confirm"):
            await self._rpc.press(SALE, button, created)
        [row] = await self._rpc.search_read(SALE, [["id", "in", created]], ["number"])
        return StaffSale(row["id"], row["number"])

    async def deliver(self, sale: StaffSale) -> None:
        """Hand the goods of a sale that ships to its buyer."""
        [row] = await self._rpc.search_read(SALE, [["id", "=", sale.id]], ["shipments"])
        for button in ("wait", "assign_force", "pick", "pack", "do"):
            with suppress(Refused):  # a store without a zone of its own for output picks nothing
                await self._rpc.press("stock.shipment.out", button, row["shipments"])

    async def _party(self, buyer: Caller) -> int:
        """Return the party with the buyer's number, made if there is none."""
        domain = [["contact_mechanisms.value", "=", buyer.phone]]
        if (known := await first(self._rpc, "party.party", domain)) is not None:
            return known
        ways = [{"type": "phone", "value": buyer.phone}]
        ways += [{"type": "email", "value": buyer.email}] if buyer.email else []
        party = {
            "name": buyer.name,
            "addresses": [["create", [{"street": buyer.street, "city": buyer.city}]]],
            "contact_mechanisms": [["create", ways]],
        }
        return (await self._rpc.create("party.party", [party]))[0]

    async def _unit(self, symbol: str) -> int:
        if symbol not in self._units:
            self._units[symbol] = await the(self._rpc, "product.uom", [["symbol", "=", symbol]])
        return self._units[symbol]

    async def _known(self, wanted: Sequence[Sku]) -> dict[str, Row]:
        if missing := [sku for sku in wanted if sku not in self._products]:
            rows = await self._rpc.search_read(
                "product.product", [["code", "in", missing]], ["code", "default_uom"]
            )
            self._products |= {row["code"]: row for row in rows}
        return self._products


def _sold(sold: Sold, product: Row) -> Row:
    return {
        "type": "line",
        "product": product["id"],
        "unit": product["default_uom"],
        "quantity": sold.milli / 1000,
        "unit_price": sold.unit_price,
    }


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
