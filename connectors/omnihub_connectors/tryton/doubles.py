"""For tests against a real Tryton: a store in it, and a network that fails on purpose.

Guarantees: a cut request either never reaches the server, or does and its answer is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

import httpx

from omnihub.connect.http import Patience, PatientTransport
from omnihub.connect.kit import TOKENS
from omnihub.connect.kit.subject import Canonical
from omnihub.connect.sdk import Context, Delivery, Fact, Offset, State, Stream
from omnihub.model.ids import DeliveryId, InstanceId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import DeliveryKind, RawDelivery
from omnihub_connectors.tryton.config import TrytonConfig
from omnihub_connectors.tryton.connector import Tryton
from omnihub_connectors.tryton.mapping import TrytonMapping
from omnihub_connectors.tryton.rpc import TrytonRpc
from omnihub_connectors.tryton.seed import NewProduct, Seed
from omnihub_connectors.tryton.server import TrytonServer

TENANT, ERP = TenantId("t"), InstanceId("erp")
PRODUCTS = [NewProduct(Sku(f"SKU-{number:03}"), f"Product {number}") for number in range(60)]
OPENING_DAY = date(2026, 3, 1)
OPENING_MILLI = 100_000
ACCEPTED_AT_US = 1_900_000_000_000_000
WRITES = (".create", ".wait", ".assign_force", ".do", ".quote", ".confirm", "sale.sale.write")


@dataclass(frozen=True)
class Shop:
    """A store in a running Tryton, with `OPENING_MILLI` of every product."""

    server: TrytonServer
    code: str
    seed: Seed
    admin: TrytonRpc

    @property
    def config(self) -> TrytonConfig:
        """How a hub would be configured for it."""
        account = self.server.connector
        return TrytonConfig(
            url=account.url,
            database=account.database,
            user=account.user,
            password=account.password,
            locations=(self.code,),
            timezone="Europe/Brussels",
            poll_interval_s=30.0,
        )

    def connector(self, network: httpx.AsyncBaseTransport | None = None, **changes: Any) -> Tryton:
        """Return a connector as a fresh process would have it, but without patience."""
        inner = network or httpx.AsyncHTTPTransport()
        transport = PatientTransport(inner, ERP, patience=Patience(attempts=1))
        http = httpx.AsyncClient(transport=transport, timeout=20.0)
        config = self.config.model_copy(update=changes)
        return Tryton(config, Context(TENANT, ERP, Canonical(), http))

    async def on_hand(self) -> dict[str, int]:
        """Return what Tryton says the store has, in thousandths, by SKU."""
        return {each.sku: each.quantity_milli for each in await self.connector().read_back()}

    def events(self, deliveries: Sequence[Delivery]) -> list[Record]:
        """Return what the mapping makes of `deliveries`."""
        return [event for told in self.told(deliveries) for event in told.events]

    def told(self, deliveries: Sequence[Delivery]) -> list[Fact | State]:
        """Return the facts and states in `deliveries`."""
        mapping = TrytonMapping(self.config, TOKENS)
        entities = [entity for each in deliveries for entity in mapping.split(raw_delivery(each))]
        return [told for entity in entities for told in mapping.translate(entity, Canonical())]


def raw_delivery(delivery: Delivery) -> RawDelivery:
    """Return `delivery` as the log would hold it."""
    return RawDelivery(
        delivery_id=DeliveryId("d"),
        tenant=TENANT,
        connector="tryton",
        instance=ERP,
        kind=DeliveryKind.POLL,
        stream="",
        name=delivery.name,
        headers=delivery.headers,
        body=delivery.body,
        accepted_at_us=ACCEPTED_AT_US,
    )


@dataclass
class Poller:
    """Polls one feed as the runtime would, and remembers where it is."""

    connector: Tryton
    feed: str
    at: Offset | None = None

    async def news(self, limit: int = 200) -> list[Delivery]:
        """Return everything up to the end of the feed."""
        stream = Stream(self.feed)
        found: list[Delivery] = []
        while True:
            batch = await self.connector.poll(stream, self.at, limit)
            found += batch.deliveries
            self.at = batch.next
            if not batch.more:
                return found


class Cut(Enum):
    """Where the connection breaks."""

    BEFORE = "the server never sees the request"
    AFTER = "the server acts and its answer is lost"


@dataclass
class CutNetwork(httpx.AsyncBaseTransport):
    """Cuts the `at`-th write, counted from one, and is dead from then on."""

    at: int
    how: Cut
    inner: httpx.AsyncBaseTransport = field(default_factory=httpx.AsyncHTTPTransport)
    seen: int = 0

    @property
    def was_cut(self) -> bool:
        """Tell whether the chosen write happened."""
        return self.seen >= self.at

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Forward, or fail as a dead connection does."""
        if self.was_cut:
            raise httpx.ConnectError("dead", request=request)
        self.seen += any(f'{name}"'.encode() in request.content for name in WRITES)
        if self.was_cut and self.how is Cut.BEFORE:
            raise httpx.ConnectError("cut", request=request)
        response = await self.inner.handle_async_request(request)
        await response.aread()
        if self.was_cut:
            raise httpx.ReadError("cut", request=request)
        return response

    async def aclose(self) -> None:
        """Close the real network."""
        await self.inner.aclose()
