"""The whole API over the in-memory log and a view in a temporary file."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from omnihub.api.app import create_app
from omnihub.api.feed import ChangeFeed
from omnihub.api.parts import Parts
from omnihub.broker.memory import MemoryLog
from omnihub.connect.calls import CallScheme
from omnihub.connect.config import Place, configure
from omnihub.connect.ingress import Ingress
from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import Connector, ConnectorConfig, Mapping
from omnihub.connect.webhooks import WebhookScheme
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.model.ids import (
    ChannelId,
    EventId,
    InstanceId,
    LocationId,
    Sku,
    TenantId,
)
from omnihub.model.records import (
    ChannelAts,
    CrossReference,
    EventMeta,
    ParkedBody,
    ParkedRecord,
    Product,
    ProductStatus,
    Rejected,
    StockLevel,
)
from omnihub.ops.health import Health
from omnihub.ops.keys import Guard, KeyRing, Scope
from omnihub.ops.metrics import Metrics
from omnihub.rules.places import StoreLocation
from omnihub.settings import InstanceSettings
from omnihub.views.fold import TOPICS, Fold
from omnihub.views.queries import Views
from omnihub.views.requests import Requests
from omnihub.views.schema import open_views

NOW_US = 1_700_000_000_000_000


MAIN = TenantId("main")
SECRET = "shop-secret"
STORES = {
    name: StoreLocation(name, lat=lat, lon=-84.5, services=frozenset({"pickup"}))
    for name, lat in ((LocationId("S1"), 39.1), (LocationId("S2"), 39.2))
}


class ShopConfig(ConnectorConfig):
    secret: SecretStr


class Shop(Connector[ShopConfig]):
    name = "shop"
    config_type = ShopConfig
    mapping_type = Mapping

    @classmethod
    def webhook(cls, config: ShopConfig) -> WebhookScheme:
        return WebhookScheme("X-Signature", secrets=(config.secret,))

    @classmethod
    def calls(cls, config: ShopConfig) -> CallScheme:
        def fault(path: str, body: bytes) -> str | None:
            return None if body.startswith(b"{") else "no object"

        return CallScheme((config.secret,), {"v1/track": 100}, "key", fault, b'{"success":true}')


def shop_instances():
    section = InstanceSettings(type="shop", config={"secret": "${env:SHOP}"})
    return configure(MAIN, {"web": section}, lambda _: Shop, {"SHOP": SECRET}, Place(Path()))


def level(sku: str, location: str, on_hand: int, seq: int = 1) -> StockLevel:
    return StockLevel(
        tenant=MAIN,
        sku=Sku(sku),
        location=LocationId(location),
        on_hand_milli=on_hand * 1000,
        ats_milli=on_hand * 1000,
        seq=seq,
        cause_id=f"cause-{sku}-{seq}",
        occurred_at_us=NOW_US,
        accepted_at_us=NOW_US,
    )


async def at_rest(log: MemoryLog) -> None:
    """Write one record of every kind that the views show."""
    for sku in ("4711", "4712", "4713"):
        for place in ("S1", "S2"):
            await log.append("omni.stock.state.v1", level(sku, place, 12))
    ats = ChannelAts(
        tenant=MAIN,
        sku=Sku("4711"),
        channel=ChannelId("WEB"),
        pool_milli=24_000,
        ats_milli=22_000,
        seq=1,
        cause_id="cause-4711-1",
        accepted_at_us=NOW_US,
    )
    await log.append("omni.stock.channel.state.v1", ats)
    product = Product(
        tenant=MAIN,
        sku=Sku("4711"),
        title="Cola 1 l",
        unit="C62",
        status=ProductStatus.ACTIVE,
        source="erp",
        cause_id="c",
        accepted_at_us=NOW_US,
        seq=1,
    )
    await log.append("omni.product.state.v1", product)
    await log.append("omni.hospital.state.v1", parked("stock", "4711:S1"))
    await log.append("omni.rejected.v1", refusal())
    reference = CrossReference(
        tenant=MAIN,
        instance=InstanceId("web"),
        kind="sku",
        code="9",
        canonical="4711",
        set_by="admin",
        set_at_us=NOW_US,
    )
    await log.append("omni.xref.v1", reference)


def parked(task: str, park_key: str) -> ParkedRecord:
    return ParkedRecord(
        task=task,
        park_key=park_key,
        queue_index=0,
        topic="omni.stock.inbox.v1",
        partition=3,
        offset=17,
        record_type="StockMoved",
        error_class="Unmapped",
        error="location '445' of pos has no canonical id",
        cure="omnihub map set pos location '445' CANONICAL",
        attempts=1,
        parked_at_us=NOW_US,
        accepted_at_us=NOW_US,
    )


def refusal() -> Rejected:
    meta = EventMeta(
        tenant=MAIN,
        event_id=EventId("e-1"),
        cause_id="d-1",
        source="pos",
        entity="sale:1",
        occurred_at_us=NOW_US,
        accepted_at_us=NOW_US,
    )
    return Rejected(
        meta=meta,
        reason_code="negative_quantity",
        detail="the line has -3",
        subject_type="sale",
        subject="1",
    )


class Hub:
    """An API with everything behind it in memory."""

    def __init__(self, folder: Path) -> None:
        self.vault = MemoryVault()
        self.bodies: dict[int, ParkedBody] = {}
        # Every question is later than what a sealer remembers: a destroyed key is gone at once.
        sealer = Sealer(self.vault, seals_bodies=False, now_s=count(step=60).__next__)
        self.log = MemoryLog(Topics.load(), Codec(SchemaIds.offline(), sealer))
        engine = open_views(f"sqlite:///{folder}/views.sqlite")
        self.fold = Fold(engine, "memory")
        self.views = Views(engine, TenantId("main"))
        self.keys = KeyRing(folder)
        self.admin = self.keys.add("admin", Scope.ADMIN)
        self.reader = self.keys.add("dashboard", Scope.READ)
        self.writer = self.keys.add("app", Scope.WRITE)
        self.helpdesk = self.keys.add("helpdesk", Scope.PERSONAL)
        self.now_us = NOW_US
        self.health = Health("api")
        self.feed = ChangeFeed(self.log, self.views, lambda: self.now_us / 1e6)
        instances = shop_instances()
        self.parts = Parts(
            tenant=TenantId("main"),
            instances=frozenset(instances),
            views=self.views,
            appender=self.log,
            feed=self.feed,
            ingress=Ingress(instances, self.log),
            guard=Guard(self.keys),
            metrics=Metrics(),
            health=self.health,
            targets=lambda: [("worker-0", "127.0.0.1:9400")],
            now_us=lambda: self.now_us,
            tokens=TOKENS,
            sealer=Sealer(self.vault),
            codec=self.log.codec,
            topics=self.log.topics,
            body_of=lambda head: self.bodies.get(head.offset),
            requests=Requests(engine),
            stores=STORES,
            body_limit_bytes=10_000,
        )
        self.app = create_app(self.parts)

    async def folded(self) -> None:
        """Bring the view up to the end of the log."""
        start = self.fold.positions()
        entries = [
            entry
            for entry in await self.log.read_all(TOPICS)
            if entry.at.offset >= start.get((entry.at.topic, entry.at.partition), 0)
        ]
        self.fold.apply(entries)

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key or self.admin}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    hub = Hub(tmp_path)
    await at_rest(hub.log)
    await hub.folded()
    following = asyncio.create_task(hub.feed.run())
    await hub.feed.is_caught_up.wait()
    yield hub
    following.cancel()


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    async with hub.client() as client:
        yield client
