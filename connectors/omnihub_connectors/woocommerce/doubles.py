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
from omnihub.connect.sdk import Delivery
from omnihub.model.errors import Unmapped
from omnihub.model.ids import CommandId, DeliveryId, InstanceId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import DeliveryKind, RawDelivery, Refetch, SetStockLevel
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

    def resolve(self, kind: str, code: str) -> str:
        """See `Refs.resolve`."""
        canonical = self.skus.get(code, code)
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

    def accept(
        self, body: bytes, kind: DeliveryKind = DeliveryKind.WEBHOOK, stream: str = "products"
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
                body=body,
                accepted_at_us=int(START_S * 1_000_000) + self._count,
            )
        )

    def accept_all(self, deliveries: Sequence[Delivery], stream: str = "products") -> list[Record]:
        """Take in what a poll or refetch returned."""
        return [
            record for each in deliveries for record in self.accept(each.body, each.kind, stream)
        ]


def refetch_of(entity_id: str) -> Refetch:
    """A command to read a product again."""
    return Refetch(
        command_id=CommandId(f"refetch-{entity_id}"),
        tenant=TenantId("acme"),
        instance=InstanceId("web"),
        target=f"product:{entity_id}",
        cause_id="cause",
        accepted_at_us=0,
        type="product",
        entity_id=entity_id,
        reason="test",
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
