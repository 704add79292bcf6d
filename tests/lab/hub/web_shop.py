"""The simulated WooCommerce shop as a process, and webhooks signed as it signs them."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

MODULE = "omnihub_connectors.woocommerce.simulator"
KEYS = {"WOO_CONSUMER_KEY": "ck_lab", "WOO_CONSUMER_SECRET": "cs_lab"}
WEBHOOK_SECRET = "whk_lab"
START_TIMEOUT_S = 30
FIRST_PRODUCT = 10


class Shop:
    """A running shop; `rest` is its API as the shop's own staff use it."""

    def __init__(self, port: int, products: list[dict[str, Any]], folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        seed = folder / "products.json"
        seed.write_text(json.dumps(products))
        command = [sys.executable, "-m", MODULE, "--port", str(port), "--seed-file", str(seed)]
        command.append("--orders-leave-stock")  # The hub alone owns quantities.
        self._process = subprocess.Popen(command, env={**os.environ, **KEYS})
        auth = (KEYS["WOO_CONSUMER_KEY"], KEYS["WOO_CONSUMER_SECRET"])
        self.rest = httpx.Client(base_url=f"{self.url}/wp-json/wc/v3", auth=auth)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert time.monotonic() < deadline, "the shop did not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.rest.get("/products").status_code == 200
        except httpx.ConnectError:
            return False

    def product(self, sku: str) -> dict[str, Any]:
        """Return the product as the shop shows it."""
        (row,) = self.rest.get("/products", params={"sku": sku}).json()
        return dict(row)

    def change(self, product_id: int, **fields: Any) -> dict[str, Any]:
        """Edit a product in the shop; the shop tells the hub."""
        return dict(self.rest.put(f"/products/{product_id}", json=fields).json())

    def stop(self) -> None:
        """End the shop."""
        self.rest.close()
        self._process.terminate()
        self._process.wait(10)


def product(number: int, sku: str, **fields: Any) -> dict[str, Any]:
    """A product as the shop would tell it; numbers from 900000 are known to no shop."""
    return {
        "id": number,
        "name": f"Product {sku}",
        "type": "simple",
        "status": "publish",
        "sku": sku,
        "date_modified_gmt": "2026-11-16T10:00:00",
        "manage_stock": True,
        "stock_quantity": 4,
        **fields,
    }


def body_of(value: Any) -> bytes:
    """Return the bytes that are signed and sent."""
    return json.dumps(value).encode()


def signed(body: bytes, secret: str = WEBHOOK_SECRET) -> Mapping[str, str]:
    """Return the headers of a webhook with this body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-WC-Webhook-Topic": "product.updated",
        "X-WC-Webhook-Signature": base64.b64encode(digest).decode(),
    }
