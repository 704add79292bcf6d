"""A real Tryton with products in it, once per test session; a store of its own for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count

import httpx
import pytest

from omnihub_connectors.tryton.doubles import OPENING_DAY, OPENING_MILLI, PRODUCTS, Shop
from omnihub_connectors.tryton.install import Installation, default_home, say
from omnihub_connectors.tryton.rpc import TrytonRpc
from omnihub_connectors.tryton.seed import Quantity, Seed
from omnihub_connectors.tryton.server import TrytonServer

_store_numbers = count(1)


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonServer]:
    """A server of its own, with products."""
    installation = Installation(default_home())
    installation.install(say)
    server = TrytonServer(tmp_path_factory.mktemp("tryton"), installation)
    server.start()
    try:
        asyncio.run(_fill(server))
        yield server
    finally:
        server.stop()


@pytest.fixture
async def shop(tryton: TrytonServer) -> AsyncIterator[Shop]:
    """A store with 100 of every product, counted on the opening day."""
    code = f"store-{next(_store_numbers)}"
    async with httpx.AsyncClient() as http:
        admin = TrytonRpc(http, tryton.admin)
        seed = Seed(admin)
        await seed.add_stores([code])
        counted = [Quantity(product.sku, OPENING_MILLI) for product in PRODUCTS]
        await seed.count(code, OPENING_DAY, counted)
        yield Shop(tryton, code, seed, admin)


async def _fill(server: TrytonServer) -> None:
    async with httpx.AsyncClient() as http:
        await Seed(TrytonRpc(http, server.admin)).add_products(PRODUCTS)
