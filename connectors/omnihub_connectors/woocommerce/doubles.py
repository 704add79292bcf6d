"""Doubles of the connector's surroundings for its tests: clock, hub, cross-references, commands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from omnihub.connect.kit.journey import Journey
from omnihub.connect.personal import order_id_of
from omnihub.connect.refs import DEFAULT_CHANNEL
from omnihub.connect.sdk import Delivery
from omnihub.model.errors import ParkError, Unmapped
from omnihub.model.ids import ChannelId, CommandId, DeliveryId, InstanceId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    DeliveryKind,
    FulfilmentStatus,
    OrderStatus,
    RawDelivery,
    Refetch,
    SetOrderStatus,
    SetStockLevel,
)
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.simulator import ApiKey

START_S = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC).timestamp()
HOOK_URL = "http://hub.test/webhooks/web"
SECRET = "whk_test"  # noqa: S105 (a test vector)
KEY = ApiKey("ck_test", "cs_test")


@dataclass
class Clock:
    """Time that passes only when a test says so."""

    now_s: float = START_S

    def __call__(self) -> float:
        """Return UTC seconds."""
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds


@dataclass
class Hub:
    """The other end of the webhooks: keeps what arrives and answers as told."""

    status: int = 200
    deliveries: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        """Keep one delivery or ping."""
        body = await request.body()
        if "x-wc-webhook-signature" in request.headers:
            self.deliveries.append((dict(request.headers), body))
        else:
            self.pings.append(body)
        return Response(status_code=self.status)

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(routes=[Route("/{path:path}", self.receive, methods=["POST"])])


@dataclass
class CodeTable:
    """Cross-references: identity, except for the codes listed here; None = not mapped."""

    skus: dict[str, str | None] = field(default_factory=dict)
    others: dict[tuple[str, str], str] = field(default_factory=dict)
    """By kind and code; kinds other than SKU and location are never identical."""
    channel: ChannelId = DEFAULT_CHANNEL

    def resolve(self, kind: str, code: str) -> str:
        """See `Refs.resolve`."""
        by_default = code if kind in ("sku", "location") else None
        canonical = self.skus.get(code, by_default) if kind == "sku" else by_default
        canonical = self.others.get((kind, code), canonical)
        if canonical is None:
            raise Unmapped("web", kind, code)
        return canonical

    def code_of(self, kind: str, canonical: str) -> str:
        """See `Refs.code_of`."""
        if canonical in self.skus and self.skus[canonical] is None:
            raise Unmapped("web", kind, canonical)
        codes = [code for code, known in self.skus.items() if known == canonical]
        return codes[0] if codes else canonical


class Worker:
    """Split and translate of one instance, as the workers run them."""

    def __init__(
        self, mapping: WooCommerceMapping, refs: CodeTable, owns: Sequence[str] = ()
    ) -> None:
        self._journey = Journey("woocommerce", "web", mapping, refs, frozenset(owns))
        self._count = 0

    @property
    def parked(self) -> list[ParkError]:
        """What waits in the hospital."""
        return self._journey.parked

    def accept(
        self,
        body: bytes,
        kind: DeliveryKind = DeliveryKind.WEBHOOK,
        stream: str = "products",
        headers: dict[str, str] | None = None,
    ) -> list[Record]:
        """Take in one delivery; return what came out for rules and sinks."""
        self._count += 1
        return self._journey.tell(
            RawDelivery(
                delivery_id=DeliveryId(f"delivery-{self._count}"),
                tenant=TenantId("acme"),
                connector="woocommerce",
                instance=InstanceId("web"),
                kind=kind,
                stream=stream,
                name=stream,
                headers=headers or {},
                body=body,
                accepted_at_us=int(START_S * 1_000_000) + self._count,
            )
        )

    def accept_all(self, deliveries: Sequence[Delivery], stream: str = "products") -> list[Record]:
        """Take in what a poll or refetch returned."""
        return [
            record
            for each in deliveries
            for record in self.accept(each.body, each.kind, stream, each.headers)
        ]


def refetch_of(entity_id: str, type: str = "product") -> Refetch:
    """A command to read a resource again."""
    return Refetch(
        command_id=CommandId(f"refetch-{entity_id}"),
        tenant=TenantId("acme"),
        instance=InstanceId("web"),
        target=f"{type}:{entity_id}",
        cause_id="cause",
        accepted_at_us=0,
        type=type,
        entity_id=entity_id,
        reason="test",
    )


def status_of(
    order_id: int, status: OrderStatus, number: str | None = None, seq: int = 1
) -> SetOrderStatus:
    """A command to show `status` on the shop's order `order_id`."""
    return SetOrderStatus(
        command_id=CommandId(f"{order_id}/{seq}"),
        tenant=TenantId("acme"),
        instance=InstanceId("web"),
        target=str(order_id),
        cause_id="cause",
        accepted_at_us=int(START_S * 1_000_000),
        order_id=order_id_of(TenantId("acme"), "web", str(order_id)),
        number=number or str(order_id),
        status=status,
        fulfilment_status=FulfilmentStatus.UNKNOWN,
        seq=seq,
    )


def level(sku: str, quantity: int, seq: int = 1) -> SetStockLevel:
    """A command to show `quantity` pieces of `sku`."""
    return SetStockLevel(
        command_id=CommandId(f"{sku}/{seq}"),
        tenant=TenantId("acme"),
        instance=InstanceId("web"),
        target=sku,
        cause_id="cause",
        accepted_at_us=int(START_S * 1_000_000),
        sku=Sku(sku),
        quantity_milli=quantity * 1000,
        seq=seq,
    )


def simple(sku: str, quantity: int = 0, **fields: Any) -> dict[str, Any]:
    """The fields of a product that manages its stock."""
    stock = {"manage_stock": True, "stock_quantity": quantity}
    return {"sku": sku, "name": f"Product {sku}", "regular_price": "1.99", **stock, **fields}


def checkout(*skus: str, **fields: Any) -> dict[str, Any]:
    """What a buyer's checkout posts: one of each SKU, shipped, paid for by card."""
    buyer = {
        "first_name": "Ada",
        "last_name": "Byron",
        "address_1": "Gracht 1",
        "city": "Utrecht",
        "postcode": "3511 AB",
        "country": "NL",
    }
    return {
        "payment_method": "stripe",
        "set_paid": True,
        "currency": "EUR",
        "billing": {**buyer, "email": "Ada@Example.org", "phone": "030 123 4567"},
        "shipping": buyer,
        "line_items": [{"sku": sku, "quantity": 1} for sku in skus],
        "shipping_lines": [{"method_id": "flat_rate", "method_title": "Post", "total": "4.95"}],
        **fields,
    }


def pickup(place: str, method: str = "local_pickup") -> list[dict[str, Any]]:
    """The shipping lines of an order that is collected at `place`."""
    meta = [{"id": 1, "key": "_pickup_location", "value": place}] if place else []
    return [{"method_id": method, "instance_id": "3", "total": "0.00", "meta_data": meta}]
