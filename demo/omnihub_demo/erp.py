"""The ERP of the demo: a real Tryton, filled and read through its own RPC.

Guarantees: acts are those of a person at Tryton's desk (inventories, supplier moves), one after
another because its database has one writer; what it shows is read from its own stock figures.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
from omnihub_connectors.tryton.rpc import TrytonRpc
from omnihub_connectors.tryton.seed import (
    CENTRAL_STORAGE,
    Caller,
    NewProduct,
    Quantity,
    Seed,
    Sold,
)
from omnihub_connectors.tryton.server import TrytonServer

from omnihub.model.ids import Sku
from omnihub_demo.dealing import Order
from omnihub_demo.ledger import Shelf
from omnihub_demo.order_readings import Lines, Sale
from omnihub_demo.places import WAREHOUSE
from omnihub_demo.play import CountLine, Place, Product

MOVE_FIELDS = ["product", "from_location", "to_location", "quantity"]


class Erp:
    """A running Tryton with the places and products of a play."""

    def __init__(self, server: TrytonServer, places: Iterable[Place]) -> None:
        self.server = server
        self._places = tuple(places)
        self._http = httpx.AsyncClient()
        self._rpc = TrytonRpc(self._http, server.admin)
        self._seed = Seed(self._rpc)

    async def close(self) -> None:
        """Close the connection; the server goes on."""
        await self._http.aclose()

    async def set_up(self, products: Iterable[Product]) -> None:
        """Enter places and products."""
        stores = [place.code for place in self._places if place.code != WAREHOUSE]
        await self._seed.rename_location(CENTRAL_STORAGE, location_code(WAREHOUSE), "Central")
        await self._seed.add_stores(location_code(code) for code in stores)
        await self._seed.add_products([_new(product) for product in products])

    async def count(self, place: str, day: date, lines: Sequence[CountLine]) -> None:
        """Confirm an inventory of a place as of the end of `day`."""
        await self._seed.count(location_code(place), day, _quantities(lines))

    async def receive(self, place: str, day: date, lines: Sequence[CountLine]) -> None:
        """Book goods from a supplier."""
        await self._seed.receive(location_code(place), day, _quantities(lines))

    async def quantities_milli(self) -> dict[Shelf, int]:
        """Return what Tryton has on hand, for every product with stock in one of the places."""
        found: dict[Shelf, int] = {}
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        for code, location in (await self._location_ids()).items():
            rows = await self._rpc.call(
                "model.product.product.search_read",
                [["code", "like", f"{product_code('%')}"], ["quantity", "!=", 0]],
                0,
                None,
                None,
                ["code", "quantity"],
                repeatable=True,
                locations=[location],
                stock_date_end=tomorrow,
                with_childs=False,
            )
            for row in rows:
                found[code, sku_of(row["code"])] = round(row["quantity"] * 1000)
        return found

    async def lines_of_hub(self) -> Counter[str]:
        """Return the done moves of internal shipments, as `location:sku:delta_milli`."""
        places = {number: code for code, number in (await self._location_ids()).items()}
        skus = await self._skus()
        domain = [["shipment", "like", "stock.shipment.internal,%"], ["state", "=", "done"]]
        rows = await self._rpc.search_read("stock.move", domain, MOVE_FIELDS)
        found: Counter[str] = Counter()
        for row in rows:
            for side, sign in (("from_location", -1), ("to_location", 1)):
                if (place := places.get(row[side])) is not None:
                    milli = sign * round(row["quantity"] * 1000)
                    found[f"{place}:{skus[row['product']]}:{milli}"] += 1
        return found

    async def sell(self, order: Order, day: date) -> str:
        """Take an order by phone, as staff do; return the sale's number."""
        buyer = order.household
        caller = Caller(buyer.name, phone=buyer.phone)
        sold = [
            Sold(Sku(product_code(line.sku)), line.units * 1000, Decimal(line.price_cents) / 100)
            for line in order.lines
        ]
        place = location_code(WAREHOUSE)
        made = await self._seed.sell(caller, place, day, sold, ships=False)
        return made.number

    async def sales(self) -> tuple[Sale, ...]:
        """Return every sale that is not cancelled, day totals among them."""
        fields = ["id", "number", "reference", "state", "total_amount"]
        rows = await self._rpc.search_read("sale.sale", [["state", "!=", "cancelled"]], fields)
        domain = [["sale", "in", [row["id"] for row in rows]], ["type", "=", "line"]]
        wanted = ["sale", "product", "quantity"]
        lines = await self._rpc.search_read("sale.line", domain, wanted)
        skus = await self._skus()
        held: dict[int, Lines] = {row["id"]: Lines() for row in rows}
        for line in lines:
            if line["product"] in skus:
                held[line["sale"]][skus[line["product"]], round(line["quantity"] * 1000)] += 1
        return tuple(
            Sale(
                reference=row["reference"] or "",
                number=row["number"] or "",
                state=row["state"],
                total_cents=round(row["total_amount"] * 100),
                lines=held[row["id"]],
            )
            for row in rows
        )

    async def _location_ids(self) -> dict[str, int]:
        """Return Tryton's number of each place, by canonical location."""
        rows = await self._rpc.search_read(
            "stock.location", [["type", "=", "storage"]], ["id", "code"]
        )
        numbers = {row["code"]: row["id"] for row in rows}
        return {place.location: numbers[location_code(place.code)] for place in self._places}

    async def _skus(self) -> dict[int, str]:
        rows = await self._rpc.search_read("product.product", [], ["id", "code"])
        return {row["id"]: sku_of(row["code"]) for row in rows if row["code"]}


def location_code(place: str) -> str:
    """Return Tryton's code of a place."""
    return f"LOC-{place}"


def product_code(sku: str) -> str:
    """Return Tryton's code of a product."""
    return f"ART-{sku}"


def sku_of(code: str) -> str:
    """Return the canonical SKU of one of Tryton's products."""
    return code.removeprefix("ART-")


def _new(product: Product) -> NewProduct:
    price = Decimal(product.price_cents) / 100
    return NewProduct(Sku(product_code(product.sku)), product.description, price)


def _quantities(lines: Sequence[CountLine]) -> list[Quantity]:
    return [Quantity(Sku(product_code(line.sku)), line.quantity_milli) for line in lines]
