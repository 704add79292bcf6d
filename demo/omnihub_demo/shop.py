"""The web store of the demo: the WooCommerce simulator in a process of its own.

Guarantees: everything goes through its REST API with its own keys; quantities are read page by
page in the order of ids. It stands in for the provider's service, which cannot run here.
"""

import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from omnihub_demo.folders import Folders
from omnihub_demo.play import Product
from omnihub_demo.process import ChildProcess, DemoError, last_words, start
from omnihub_demo.promises import OF_WEBHOOKS
from omnihub_demo.waiting import until

MODULE = "omnihub_connectors.woocommerce.simulator"
WEBHOOK_DELAY_S = "2"
"""A real store hands webhooks to Action Scheduler, which runs once a minute or after a page view
(woocommerce.com/document, Scheduled Actions)."""
KEY, SECRET, WEBHOOK_SECRET = "woo_consumer_key", "woo_consumer_secret", "woo_webhook_secret"
PAGE = 100
BY_CHANCE = ("--webhook-duplicate", "0.08", "--webhook-copies", "3", "--webhook-reorder", "0.08")
FOR_CERTAIN = ("--creations-tripled", "1", "--creations-overtaken", "1")
START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Shop:
    """A running store; its own SKU of a product is `code_of(sku)`."""

    url: str
    process: ChildProcess
    http: httpx.AsyncClient

    async def create_products(self, products: Iterable[Product]) -> None:
        """Put products on sale, none in stock yet."""
        rows = [_row(product) for product in products]
        for start_at in range(0, len(rows), PAGE):
            await self._post("products/batch", {"create": rows[start_at : start_at + PAGE]})

    async def quantities_milli(self) -> dict[str, int]:
        """Return what the store offers, by canonical SKU."""
        found: dict[str, int] = {}
        page, pages = 1, 1
        while page <= pages:
            sort: dict[str, str | int] = {"orderby": "id", "order": "asc"}
            query = {**sort, "per_page": PAGE, "page": page}
            answer = await self.http.get("products", params=query)
            answer.raise_for_status()
            for row in answer.json():
                found[sku_of(row["sku"])] = round((row["stock_quantity"] or 0) * 1000)
            page, pages = page + 1, int(answer.headers["X-WP-TotalPages"])
        return found

    async def set_quantity(self, sku: str, units: int) -> None:
        """Change a quantity by hand, as a person in the store's office would."""
        answer = await self.http.get("products", params={"sku": code_of(sku)})
        answer.raise_for_status()
        row = answer.json()[0]
        await self._post(f"products/{row['id']}", {"stock_quantity": units})

    async def hold_newest_order(self) -> None:
        """Put an order on hold by hand, as a person in the store's office would."""
        answer = await self.http.get("orders", params={"per_page": 1})
        answer.raise_for_status()
        body = {"status": "on-hold"}
        (await self.http.put(f"orders/{answer.json()[0]['id']}", json=body)).raise_for_status()

    async def injected(self) -> dict[str, int]:
        """Return how often the store injected each webhook fault: by chance and for certain."""
        answer = await self.http.get(f"{self.url}/simulator/state")
        answer.raise_for_status()
        state = answer.json()
        return {**state["webhook_faults"], **{name: state[name] for name in OF_WEBHOOKS}}

    async def _post(self, path: str, body: Any) -> None:
        answer = await self.http.post(path, json=body)
        answer.raise_for_status()


def code_of(sku: str) -> str:
    """Return the store's own SKU of a product."""
    return f"shop-{sku}"


def sku_of(code: str) -> str:
    """Return the canonical SKU of one of the store's."""
    return code.removeprefix("shop-")


def make_keys(folders: Folders) -> None:
    """Make the keys that the store and the hub share."""
    folders.write_secret(KEY, f"ck_{secrets.token_hex(20)}")
    folders.write_secret(SECRET, f"cs_{secrets.token_hex(20)}")
    folders.write_secret(WEBHOOK_SECRET, secrets.token_urlsafe(32))


def connect(folders: Folders, url: str, process: ChildProcess) -> Shop:
    """Return a client of a running store."""
    auth = (folders.secret(KEY), folders.secret(SECRET))
    base = f"{url}/wp-json/wc/v3/"
    return Shop(url, process, httpx.AsyncClient(base_url=base, auth=auth, timeout=30.0))


async def open_shop(folders: Folders, port: int) -> Shop:
    """Start the store and return when it answers.

    Raises:
        DemoError: it ended, or stays silent.
    """
    log = folders.logs / "shop.log"
    command = [sys.executable, "-m", MODULE, "--port", str(port), "--zone", "America/New_York"]
    command += ["--orders-leave-stock", "--webhook-delay-s", WEBHOOK_DELAY_S]
    command += [*BY_CHANCE, *FOR_CERTAIN]
    keys = {
        "WOO_CONSUMER_KEY": folders.secret(KEY),
        "WOO_CONSUMER_SECRET": folders.secret(SECRET),
    }
    shop = connect(folders, f"http://127.0.0.1:{port}", start(command, MODULE, log, keys))

    async def answers() -> bool:
        if not shop.process.is_alive():
            raise DemoError(f"the web store ended. {last_words(log)}")
        try:
            return (await shop.http.get("products")).is_success
        except httpx.TransportError:
            return False

    try:
        await until(answers, START_TIMEOUT_S, f"the web store is silent. {last_words(log)}")
    except BaseException:  # Ctrl-C while waiting must not leave it behind
        shop.process.end(1.0)
        raise
    return shop


def _row(product: Product) -> dict[str, Any]:
    return {
        "name": product.description,
        "sku": code_of(product.sku),
        "regular_price": f"{product.price_cents / 100:.2f}",
        "manage_stock": True,
        "stock_quantity": 0,
    }
