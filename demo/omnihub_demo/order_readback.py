"""Asks every system what it knows of the orders, through its own API."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omnihub_demo.hub import Hub
from omnihub_demo.mailbox import MailServer
from omnihub_demo.order_readings import Found, OrderReadings, Sought, key_of
from omnihub_demo.persons import expected_persons
from omnihub_demo.shop import Shop
from omnihub_demo.shoppers import Shoppers


async def read_orders(shoppers: Shoppers, mail: MailServer, board: Path) -> OrderReadings:
    """Read everything back."""
    hub, shop, placed = shoppers.hub, shoppers.shop, shoppers.numbered
    rows = await hub.items("/v1/orders", {})
    known = [row for row in rows if key_of(row) in placed]
    return OrderReadings(
        orders=tuple(rows),
        details={key_of(row): await hub.get(f"/v1/orders/{row['order_id']}") for row in known},
        placed=dict(placed),
        shop_orders=tuple(await _shop_orders(shop)),
        sales=await shoppers.erp.sales(),
        held_milli=await _held_milli(hub),
        mails=await asyncio.to_thread(mail.mails),
        customers={
            sought: await _customers(hub, sought) for sought in expected_persons(shoppers.orders)
        },
        board=await asyncio.to_thread(_shown, board),
        webhooks=await shop.injected(),
    )


def _shown(board: Path) -> Any:
    return json.loads(board.read_text()) if board.exists() else None


async def _shop_orders(shop: Shop) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        answer = await shop.http.get("orders", params={"per_page": 100, "page": page})
        answer.raise_for_status()
        found += answer.json()
        page, pages = page + 1, int(answer.headers["X-WP-TotalPages"])
    return found


async def _held_milli(hub: Hub) -> int:
    rows = await hub.items("/v1/stock", {})
    return sum(row["held_milli"] + row["committed_milli"] for row in rows)


async def _customers(hub: Hub, sought: Sought) -> tuple[Found, ...]:
    answer = await hub.http.post("/v1/customers/search", json={sought.kind: sought.value})
    answer.raise_for_status()
    return tuple(
        Found(row["customer_id"], frozenset(known["source"] for known in row["subjects"]))
        for row in answer.json()["items"]
    )
