"""Doubles of the connector's surroundings for its tests: cross-references, the way of a call."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import SecretStr

from omnihub.connect.kit import TOKENS
from omnihub.connect.kit.journey import Journey
from omnihub.model.errors import ParkError, Unmapped
from omnihub.model.ids import ChannelId, DeliveryId, InstanceId, TenantId
from omnihub.model.record import Record
from omnihub.model.records import DeliveryKind, RawDelivery
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.mapping import AppMapping

TEN_US = 1_795_341_600_000_000
TEN = "2026-11-22T10:00:00.000Z"
WRITE_KEY = "wk_0123456789abcdef"
CONFIG = AppConfig(write_keys=(SecretStr(WRITE_KEY),))


@dataclass
class Codes:
    """Cross-references: identity, except for what is listed; None = not mapped."""

    listed: dict[tuple[str, str], str | None] = field(default_factory=dict)
    channel: ChannelId = field(default=ChannelId("app"))

    def resolve(self, kind: str, code: str) -> str:
        """See `Refs.resolve`."""
        canonical = self.listed.get((kind, code), code)
        if canonical is None:
            raise Unmapped("app", kind, code)
        return canonical

    def code_of(self, kind: str, canonical: str) -> str:
        """See `Refs.code_of`."""
        return canonical


class Worker:
    """Split and translate of one app, as the workers run them."""

    def __init__(
        self, config: AppConfig = CONFIG, codes: Codes | None = None, instance: str = "app"
    ) -> None:
        mapping = AppMapping(config, TOKENS)
        self._journey = Journey("app", instance, mapping, codes or Codes())
        self._count = 0

    @property
    def parked(self) -> list[ParkError]:
        """What waits in the hospital."""
        return self._journey.parked

    def take(self, raw: RawDelivery) -> list[Record]:
        """Take in what ingress wrote."""
        return self._journey.tell(raw)

    def accept(self, call: str, body: Any) -> list[Record]:
        """Take in one call; return what came out for the rules."""
        self._count += 1
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.take(
            RawDelivery(
                delivery_id=DeliveryId(f"delivery-{self._count}"),
                tenant=TenantId("acme"),
                connector="app",
                instance=InstanceId("app"),
                kind=DeliveryKind.WEBHOOK,
                stream=f"v1/{call}",
                name=f"v1/{call}",
                body=raw,
                accepted_at_us=TEN_US + self._count,
            )
        )


def track(event: str, at: str = TEN, **properties: Any) -> dict[str, Any]:
    """A track call of user u-42."""
    message = {"type": "track", "event": event, "messageId": f"{event} {at}", "userId": "u-42"}
    return {**message, "timestamp": at, "properties": properties}


def order(order_id: str = "APP-1", **properties: Any) -> dict[str, Any]:
    """The properties of an order of two products, 20.00 EUR in all."""
    products = [
        {"sku": "A", "name": "Apple", "price": 7.5, "quantity": 2},
        {"sku": "B", "name": "Bread", "price": 5, "quantity": 1},
    ]
    return {
        "order_id": order_id,
        "currency": "EUR",
        "total": 20.0,
        "products": products,
        **properties,
    }
