"""Orders as the shop, the app and callers of the API place them, and what the hub says of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from running_hub import STORE, WEB_STORE, Hub, without_trace
from till_files import counted, poslog
from web_shop import Shop

WRITE_KEY = "wk_lab_0123456789"
ORDER_SKUS = tuple(
    f"O-{what}"
    for what in (
        *("ship", "thrice", "collect", "late", "beside", "bad-EUX", "bad-total", "bad-quantity"),
        *("cancel", "key", "other", "last"),
    )
)
"""Products that only orders are about; the shop has them, and every till."""
CLOSED = ("COMPLETED", "CANCELLED", "REFUSED")
TEN = datetime(2026, 11, 16, 10, tzinfo=UTC)


def with_orders(config: dict[str, Any]) -> dict[str, Any]:
    """Return an installation that also sells: over the shop, an app and the API."""
    connectors = dict(config["connectors"])
    connectors["shop"] = {**connectors["shop"], "orders": {"channel": "WEB", "status": True}}
    connectors["app"] = {
        "type": "app",
        "map": {"sku": "table", "location": "identity"},
        "orders": {"channel": "APP"},
        "config": {"write_keys": ["${env:LAB_WRITE_KEY}"], "region": "US"},
    }
    return {
        **config,
        "channels": {**config["channels"], "APP": {"locations": [STORE]}},
        "locations": {
            STORE: {"kind": "store", "services": ["ship", "pickup"]},
            WEB_STORE: {"kind": "warehouse", "services": ["ship"]},
        },
        "orders": {"sources": {"WEB": [WEB_STORE], "APP": [STORE]}},
        "connectors": connectors,
    }


class Counter:
    """Where orders are taken and looked up."""

    def __init__(self, hub: Hub, shop: Shop, desk: httpx.Client) -> None:
        """`desk` asks with a key that may write."""
        self.hub = hub
        self.shop = shop
        self._desk = desk

    # -- goods --

    def count(self, number: int, sku: str, pieces: int, location: str) -> None:
        """Count a product at one of the two places."""
        store = {STORE: "367", WEB_STORE: "500"}[location]
        self.hub.drop(f"count-{number}.xml", poslog(counted(number, sku, pieces, store=store)))
        self.hub.until_on_hand(sku, pieces * 1000, location)

    def shelf(self, sku: str, location: str) -> tuple[int, int, int]:
        """Return what is on hand, held and committed, in pieces."""
        level = self.hub.level(sku, location)
        assert level is not None
        pieces = (
            level[name] // 1000 for name in ("on_hand_milli", "held_milli", "committed_milli")
        )
        on_hand, held, committed = pieces
        return on_hand, held, committed

    # -- buyers --

    def buy_in_shop(self, sku: str, pieces: int) -> dict[str, Any]:
        """Order in the web store, paid."""
        line = {"sku": sku, "quantity": pieces}
        paid = {"payment_method": "stripe", "set_paid": True, "line_items": [line]}
        placed = self.shop.rest.post("/orders", json=paid)
        assert placed.status_code == 201, placed.text
        return dict(placed.json())

    def shown_in_shop(self, order_id: int) -> str:
        """Return the status that the shop shows."""
        return str(self.shop.rest.get(f"/orders/{order_id}").json()["status"])

    def tell_by_app(
        self, event: str, order_id: str, sku: str, minute: int = 0, **properties: Any
    ) -> None:
        """Send what the app sends about an order of one product at 2.00 each."""
        pieces = properties.pop("pieces", 1)
        product = {"sku": sku, "name": sku, "price": 2.0, "quantity": pieces}
        told = {"order_id": order_id, "currency": "USD", "products": [product], **properties}
        message = {
            "type": "track",
            "event": event,
            "messageId": f"{event} {order_id}",
            "userId": f"buyer of {order_id}",
            "timestamp": (TEN + timedelta(minutes=minute)).isoformat(),
            "properties": told,
        }
        url = self.hub.api.base_url.join("/in/app/v1/track")
        answer = httpx.post(url, json=message, auth=(WRITE_KEY, ""))
        assert answer.status_code == 200, without_trace(answer.text)

    def ask(self, key: str, sku: str, pieces: int = 1, **headers: str) -> httpx.Response:
        """Order over the API from the web's place, paid, at 2.00 each."""
        amounts = {"unit_price_minor": 200, "total_minor": 200 * pieces}
        line = {"line_id": "1", "sku": sku, "quantity_milli": 1000 * pieces, **amounts}
        total = {"currency": "USD", "total_minor": 200 * pieces}
        body = {"channel": "WEB", "payment": "PAID", "lines": [line], **total}
        headers = {"Idempotency-Key": key, **headers}
        answer = self._desk.post("/v1/orders", json=body, headers=headers)
        without_trace(answer.text)
        return answer

    # -- staff --

    def report(self, order_id: str, location: str, status: str) -> None:
        """Tell how far the goods at a place are."""
        body = {"location": location, "status": status}
        answer = self._desk.post(f"/v1/orders/{order_id}/fulfilment", json=body)
        assert answer.status_code == 202, without_trace(answer.text)

    def cancel(self, order_id: str) -> None:
        """Ask to cancel an order."""
        body = {"reason": "buyer_changed_mind"}
        answer = self._desk.post(f"/v1/orders/{order_id}/cancel", json=body)
        assert answer.status_code == 202, without_trace(answer.text)

    # -- what is there --

    def numbered(self, number: str, source: str) -> list[dict[str, Any]]:
        """Return the orders that have this number in their source."""
        listed = self.hub.get("/v1/orders", number=number, source=source)
        return list(listed.json()["items"])

    def order(self, order_id: str) -> dict[str, Any]:
        """Return an order with all of its parts; empty while it is not known."""
        answer = self.hub.get(f"/v1/orders/{order_id}")
        return dict(answer.json()) if answer.status_code == 200 else {}

    def until_numbered(self, number: str, source: str, status: str) -> dict[str, Any]:
        """Wait until the one order of this number has this status."""

        def found() -> dict[str, Any]:
            rows = self.numbered(number, source)
            assert len(rows) <= 1, rows
            return rows[0] if rows and rows[0]["status"] == status else {}

        return self.order(self.hub.until(found, f"{number} is {status}")["order_id"])

    def until_status(self, order_id: str, status: str) -> dict[str, Any]:
        """Wait until an order has this status."""

        def found() -> dict[str, Any]:
            known = self.order(order_id)
            return known if known.get("status") == status else {}

        return self.hub.until(found, f"{order_id} is {status}")
