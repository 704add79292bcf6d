"""A real Tryton with one store, for a hub: its staff's acts, and what it says about its goods.

Guarantees: what it shows is read through its own RPC, as its staff would see it.
Does not: run beside another one on the same folder.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx
from omnihub_connectors.tryton.doubles import Shop
from omnihub_connectors.tryton.install import Installation, default_home, say
from omnihub_connectors.tryton.journal import PREFIX, SHIPMENT
from omnihub_connectors.tryton.rpc import TrytonRpc
from omnihub_connectors.tryton.seed import NewProduct, Quantity, Seed
from omnihub_connectors.tryton.server import TrytonServer

from omnihub.model.ids import Sku

PASSWORD = "LAB_ERP_PASSWORD"
T = TypeVar("T")


class Erp:
    """A running Tryton that keeps the goods of `store`."""

    def __init__(self, folder: Path, store: str, counted: dict[Sku, int], day: date) -> None:
        """Start it and count `counted` pieces by SKU in its store as of the end of `day`."""
        installation = Installation(default_home())
        installation.install(say)
        self.store = store
        self.server = TrytonServer(folder, installation)
        self.server.start()
        self._ask(lambda shop: _fill(shop, counted, day))

    def settings(self) -> dict[str, Any]:
        """Return the connector that a hub has for it."""
        account = self.server.connector
        return {
            "type": "tryton",
            "owns": ["stock"],
            "map": {"sku": "identity", "location": "identity"},
            "movements": {"locations": [self.store]},
            "config": {
                "url": account.url,
                "database": account.database,
                "user": account.user,
                "password": f"${{env:{PASSWORD}}}",
                "locations": [self.store],
                "timezone": "America/New_York",
                "poll_interval_s": 1.0,
            },
        }

    def secrets(self) -> dict[str, str]:
        """Return what the environment of the hub must hold."""
        return {PASSWORD: self.server.connector.password.get_secret_value()}

    def on_hand(self) -> dict[str, int]:
        """Return what it says the store has, in thousandths by SKU."""
        return self._ask(lambda shop: shop.on_hand())

    def recorded(self) -> list[str]:
        """Return one mark for each movement of the hub in it, with repeats if there are any."""
        documents = self._documents(["state", "=", "done"])
        return [mark for each in documents for mark in each["reference"].split()[1:]]

    def moved_lines(self) -> int:
        """Return how many lines of goods the hub's documents moved."""
        return sum(len(each["moves"]) for each in self._documents(["state", "=", "done"]))

    def unfinished(self) -> int:
        """Return how many documents of the hub wait for something."""
        return len(self._documents(["state", "not in", ["done", "cancelled"]]))

    def _documents(self, state: list[Any]) -> list[dict[str, Any]]:
        domain = [["reference", "like", f"{PREFIX}%"], state]
        fields = ["reference", "moves"]
        return self._ask(lambda shop: shop.admin.search_read(SHIPMENT, domain, fields))

    def _ask(self, question: Callable[[Shop], Awaitable[T]]) -> T:
        async def asked() -> T:
            async with httpx.AsyncClient() as http:
                admin = TrytonRpc(http, self.server.admin)
                return await question(Shop(self.server, self.store, Seed(admin), admin))

        return asyncio.run(asked())


async def _fill(shop: Shop, counted: dict[Sku, int], day: date) -> None:
    await shop.seed.add_stores([shop.code])
    await shop.seed.add_products([NewProduct(sku, f"Product {sku}") for sku in counted])
    lines = [Quantity(sku, pieces * 1000) for sku, pieces in counted.items()]
    await shop.seed.count(shop.code, day, lines)
