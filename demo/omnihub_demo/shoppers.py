"""Buyers and staff: place the orders, hand over or ship the goods.

Guarantees: buyers use each channel's own way (the web store's checkout, the app's calls, the hub's
API for the last unit); staff use the hub's API and the tills. What was placed is handed over only
after the hub has confirmed it. Does not: decide anything the hub should.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import httpx

from omnihub.model.time import to_us
from omnihub_demo.dealing import HOT_PRICE_CENTS, Channel, Order, Orders
from omnihub_demo.erp import Erp
from omnihub_demo.hub import Hub
from omnihub_demo.order_readings import key_of
from omnihub_demo.placed import OrderKey, Placed
from omnihub_demo.player import Till
from omnihub_demo.schedule import DropFile
from omnihub_demo.shop import Shop, code_of
from omnihub_demo.verdict import WEB_PLACE

LOOK_EVERY_S = 1.0
AT_ONCE = 50
SHARED_DEVICE = "kiosk-in-the-mall"
OVER = frozenset({"COMPLETED", "REFUSED", "CANCELLED"})


@dataclass
class Shoppers:
    """Everybody who buys, and everybody who serves them."""

    orders: Orders
    hub: Hub
    shop: Shop
    erp: Erp
    till: Till
    write_key: str
    today: date
    numbered: dict[OrderKey, Placed] = field(default_factory=dict)
    """Orders by source and number, as the hub knows them."""
    placed: int = 0
    handled: set[str] = field(default_factory=set)
    over: int = 0

    @property
    def is_done(self) -> bool:
        """Tell whether every order was placed and is at its end."""
        wanted = len(self.orders.placed) + self.orders.hot_buyers
        return self.placed >= wanted and self.over >= wanted

    async def buy(self, day_s: float) -> None:
        """Place every order at its time, and fifty for the last unit at once."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._last_unit(began + 0.5 * day_s))
            for order in sorted(self.orders.placed, key=lambda each: each.share):
                await asyncio.sleep(max(0.0, began + order.share * day_s - time.monotonic()))
                await self._place(order)
                self.placed += 1

    async def serve(self) -> None:
        """Ship and hand over what is confirmed, until cancelled."""
        while True:
            rows = await self.hub.items("/v1/orders", {})
            self.over = sum(row["status"] in OVER for row in rows)
            for row in rows:
                if row["status"] == "CONFIRMED" and row["order_id"] not in self.handled:
                    self.handled.add(row["order_id"])
                    await self._serve(row)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _place(self, order: Order) -> None:
        now = datetime.now(UTC)
        placed = Placed(order, to_us(now))
        match order.channel:
            case Channel.WEB:
                number = await self._check_out(order)
            case Channel.APP:
                number = order.name
                # Noted before it is told: staff may serve it before the app has its answer.
                self.numbered[OrderKey(order.channel, number)] = placed
                await self._order_in_app(order, now)
            case Channel.PHONE:
                number = await self.erp.sell(order, self.today)
        self.numbered[OrderKey(order.channel, number)] = placed

    async def _check_out(self, order: Order) -> str:
        buyer = order.household
        first, last = buyer.name.split(" ")
        address = {"address_1": "1 Main St", "city": "Springfield", "country": "US"}
        billing = {"first_name": first, "last_name": last, "email": buyer.email, **address}
        body = {
            "payment_method": "stripe",
            "set_paid": True,
            "currency": "USD",
            "billing": billing,
            "line_items": [
                {"sku": code_of(line.sku), "quantity": line.units} for line in order.lines
            ],
        }
        answer = await self.shop.http.post("orders", json=body)
        answer.raise_for_status()
        row = answer.json()
        # The note makes an update right behind the creation: they may overtake each other.
        note = {"customer_note": "Ring twice"}
        (await self.shop.http.put(f"orders/{row['id']}", json=note)).raise_for_status()
        return str(row["number"])

    async def _order_in_app(self, order: Order, now: datetime) -> None:
        buyer = order.household
        traits = {"name": buyer.name, "email": buyer.email, "phone": buyer.phone}
        person = {
            "userId": buyer.user_id,
            "anonymousId": SHARED_DEVICE,
            "timestamp": now.isoformat(),
        }
        await self._call("identify", {**person, "traits": traits})
        properties: dict[str, Any] = {
            "order_id": order.name,
            "currency": "USD",
            "total": order.total_cents / 100,
            "email": buyer.email,
            "name": buyer.name,
            "products": [
                {"sku": line.sku, "price": line.price_cents / 100, "quantity": line.units}
                for line in order.lines
            ],
        }
        if order.place is not None:
            properties["pickup_location"] = order.place.location
        await self._call("track", {**person, "event": "Order Completed", "properties": properties})

    async def _call(self, name: str, body: Mapping[str, Any]) -> None:
        told = {**body, "messageId": f"{name}-{time.time_ns()}"}
        auth = httpx.BasicAuth(self.write_key, "")
        (await self.hub.http.post(f"/in/app/v1/{name}", json=told, auth=auth)).raise_for_status()

    async def _last_unit(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        price = HOT_PRICE_CENTS
        line = {"line_id": "1", "sku": self.orders.hot_sku, "quantity_milli": 1000}
        body = {
            "channel": WEB_PLACE,
            "currency": "USD",
            "payment": "PAID",
            "lines": [{**line, "unit_price_minor": price, "total_minor": price}],
            "total_minor": price,
        }

        async def grab(buyer: int) -> None:
            key = {"Idempotency-Key": f"hot-{buyer}"}
            answer = await self.hub.http.post("/v1/orders", json=body, headers=key)
            answer.raise_for_status()
            self.placed += 1

        await asyncio.gather(*(grab(buyer) for buyer in range(self.orders.hot_buyers)))

    async def _serve(self, row: Mapping[str, Any]) -> None:
        order_id = row["order_id"]
        detail = await self.hub.get(f"/v1/orders/{order_id}")
        for each in detail["fulfilments"]:
            is_collected = each["fulfilment"] == "PICKUP"
            status = "READY_FOR_PICKUP" if is_collected else "SHIPPED"
            report = {"location": each["location"], "status": status}
            answer = await self.hub.http.post(f"/v1/orders/{order_id}/fulfilment", json=report)
            answer.raise_for_status()
        placed = self.numbered.get(key_of(row))
        receipt = self.orders.collections.get(placed.order.name) if placed else None
        if receipt is not None:
            await self.till.put(DropFile(f"collect-{row['number']}.xml", (receipt,)))
