"""Orders of a web shop and an app through every task, and their statuses back into the shop.

The shipped handlers over the log in memory, the shipped connectors, the simulated shop: no broker.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import msgspec
import pytest
from omnihub_connectors.app.doubles import TEN, order, track
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.doubles import (
    HOOK_URL,
    KEY,
    SECRET,
    START_S,
    Clock,
    Hub,
    checkout,
    pickup,
    simple,
)
from omnihub_connectors.woocommerce.simulator import (
    Shop,
    ShopSettings,
    WebhookFaults,
    build_app,
)

from omnihub.connect.config import channels_of, maps_of
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.kit import TOKENS
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.observer import Unobserved
from omnihub.connect.refs import CrossReferences
from omnihub.connect.sdk import Context, Delivery
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import EventId, InstanceId, LocationId, Sku
from omnihub.model.records import (
    CommandResult,
    DeliveryKind,
    EventMeta,
    Order,
    Outcome,
    ParkedRecord,
    Rejected,
    SetOrderStatus,
    StockCounted,
)
from omnihub.wiring.installation import Installation, open_installation
from omnihub.wiring.worker import handlers

CONFIG = """
tenant: acme
channels: {web: {locations: [S1, W1]}, app: {locations: [S1, W1]}}
locations:
  W1: {kind: warehouse, services: [ship]}
  S1: {lat: 39.1, lon: -84.5, services: [pickup]}
orders: {sources: {web: [W1, S1], app: [W1]}}
connectors:
  web:
    type: woocommerce
    map: {sku: identity, location: identity}
    orders: {channel: web, status: true}
    config:
      url: http://shop.test
      consumer_key: "${env:KEY}"
      consumer_secret: "${env:SECRET}"
      webhook_secrets: ["${env:HOOK}"]
      webhook_url: http://hub.test/webhooks/web
  app:
    type: app
    map: {sku: identity, location: identity}
    orders: {channel: app}
    config: {write_keys: ["${env:WRITE}"]}
"""
ENVIRON = {
    "KEY": KEY.consumer_key,
    "SECRET": KEY.consumer_secret,
    "HOOK": SECRET,
    "WRITE": "wk_0123456789abcdef",
}
WEB, APP = InstanceId("web"), InstanceId("app")
COD = {"payment_method": "cod", "set_paid": False, "status": "on-hold"}
MAX_ROUNDS = 10


@dataclass
class World:
    """The hub, the shop and what passes between them."""

    install: Installation
    driver: TestDriver
    shop: Shop
    hub: Hub
    woo: WooCommerce
    clock: Clock
    written: int = 0

    def count(self, sku: str, place: str, units: int) -> None:
        """Say how many there are."""
        now_us = self.driver.now_us
        counted = StockCounted(
            meta=EventMeta(
                tenant=self.install.tenant,
                event_id=EventId(f"count-{sku}-{place}"),
                cause_id="count",
                source=InstanceId("erp"),
                entity="count",
                occurred_at_us=now_us,
                accepted_at_us=now_us,
            ),
            count_id=f"count-{sku}-{place}",
            sku=Sku(sku),
            location=LocationId(place),
            quantity_milli=units * 1000,
            as_of_us=now_us,
        )
        self.driver.append("omni.stock.inbox.v1", counted)
        self.driver.run()

    def take(self, instance: InstanceId, topic: str, delivery: Delivery) -> None:
        """Accept one delivery as ingress does."""
        connector = self.install.instances[instance].connector.name
        time = VirtualTime(now_s=self.driver.now_us / 1e6).time
        acceptance = Acceptance(self.install.tenant, connector, instance, time)
        self.driver.append(acceptance.topic, acceptance.pushed(topic, delivery))
        self.driver.run()

    def call(self, name: str, at: str = TEN, **properties: object) -> None:
        """Let the app send a track call."""
        body = msgspec.json.encode(track(name, at, **properties))
        self.take(APP, "v1/track", Delivery("v1/track", body, kind=DeliveryKind.WEBHOOK))

    async def settle(self) -> int:
        """Carry webhooks in and statuses out until nothing moves; return the rounds it took."""
        for rounds in range(MAX_ROUNDS):
            await self.shop.deliveries.drain()
            arrived, self.hub.deliveries = self.hub.deliveries, []
            for headers, body in arrived:
                topic = headers["x-wc-webhook-topic"]
                self.take(WEB, topic, Delivery(topic, body, headers, DeliveryKind.WEBHOOK))
            self.clock.pass_s(1)
            self.driver.advance(1)
            if not await self._write() and not arrived:
                return rounds
        raise AssertionError(f"still moving after {MAX_ROUNDS} rounds")

    async def _write(self) -> int:
        commands = self.driver.records("omni.command.web.v1", SetOrderStatus)[self.written :]
        self.written += len(commands)
        done = await self.woo.write(commands)
        for command in commands:
            result = CommandResult(
                command_id=command.command_id,
                tenant=command.tenant,
                instance=command.instance,
                target=command.target,
                outcome=Outcome.DONE,
                external_ref=done[command.command_id],
                accepted_at_us=command.accepted_at_us,
                finished_at_us=self.driver.now_us,
            )
            self.driver.append("omni.result.v1", result)
        self.driver.run()
        return len(commands)

    def orders(self) -> dict[str, tuple[str, str]]:
        """Return channel and status of each order, by number."""
        rows = self.driver.state("omni.order.state.v1").values()
        return {row.number: (row.channel, row.status) for row in rows if isinstance(row, Order)}

    def rejected(self) -> list[str]:
        """Return the reasons of everything refused, wherever."""
        topics = ("omni.rejected.v1", "omni.order.event.v1", "omni.stock.event.v1")
        found = (self.driver.records(topic, Rejected) for topic in topics)
        return [each.reason_code for records in found for each in records]

    def parked(self) -> list[ParkedRecord]:
        """Return what waits in the hospital."""
        rows = self.driver.state("omni.hospital.state.v1").values()
        return [row for row in rows if isinstance(row, ParkedRecord)]


@pytest.fixture
async def world(tmp_path) -> AsyncIterator[World]:
    (tmp_path / "omnihub.yaml").write_text(CONFIG)
    install = open_installation(tmp_path / "omnihub.yaml", ENVIRON)
    refs = CrossReferences(maps_of(install.instances), channels_of(install.instances))
    sealer = Sealer(MemoryVault())
    driver = TestDriver(
        handlers(install, refs, Unobserved(), TOKENS, sealer),
        Topics.load(counts={"default": 1, "raw": 1, "single": 1}),
        codec=Codec(SchemaIds.offline(), sealer),
        now_us=int(START_S * 1e6),
    )
    clock, hub = Clock(), Hub()
    faults = WebhookFaults(duplicate=0.3, reorder=0.2, late=0.2, copies=3, seed=7)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app())) as to_hub:
        settings = ShopSettings(keys=(KEY,), takes_stock=False)
        shop = Shop(settings, to_hub, clock, faults)
        shop.load([simple("A", 9), simple("B", 9)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(shop))) as http:
            context = Context(install.tenant, WEB, refs.of(WEB), http)
            woo = WooCommerce(install.instances[WEB].config, context)
            for topic in ("order.created", "order.updated", "order.deleted"):
                fields = {"topic": topic, "delivery_url": HOOK_URL, "secret": SECRET}
                await shop.webhooks.create(fields)
            yield World(install, driver, shop, hub, woo, clock)


async def test_the_shop_shows_what_the_hub_decided_and_it_ends_there(world: World) -> None:
    world.count("A", "W1", 2)
    world.count("B", "S1", 1)
    world.shop.orders.create(checkout("A"))
    world.shop.orders.create(checkout("A", **COD))
    world.shop.orders.create(checkout("A", **COD))  # one too many
    world.shop.orders.create(checkout("B", shipping_lines=pickup("S1"), **COD))
    await world.settle()
    assert world.orders() == {
        "1000": ("web", "CONFIRMED"),
        "1001": ("web", "CONFIRMED"),
        "1002": ("web", "REFUSED"),
        "1003": ("web", "CONFIRMED"),
    }
    shown = [row["status"] for row in world.shop.orders]
    assert shown == ["processing", "processing", "cancelled", "processing"]
    assert (world.rejected(), world.parked()) == ([], [])
    puts = sum(n for call, n in world.shop.requests.items() if call.startswith("PUT"))
    assert puts == 3
    assert await world.settle() == 0


async def test_a_buyer_who_cancels_gives_the_goods_to_the_next(world: World) -> None:
    world.count("A", "W1", 1)
    world.shop.orders.create(checkout("A", **COD))
    await world.settle()
    world.shop.orders.update(1000, {"status": "cancelled"})
    await world.settle()
    world.shop.orders.create(checkout("A", **COD))
    await world.settle()
    assert world.orders() == {"1000": ("web", "CANCELLED"), "1001": ("web", "CONFIRMED")}
    assert (world.rejected(), world.parked()) == ([], [])


async def test_an_order_read_back_is_the_order_of_the_hub(world: World) -> None:
    world.count("A", "W1", 5)
    world.count("B", "W1", 5)
    world.shop.orders.create(checkout("A", "B"))
    await world.settle()
    (known,) = world.driver.state("omni.order.state.v1").values()
    (seen,) = await world.woo.read_back_orders()
    assert isinstance(known, Order)
    assert (seen.order_id, seen.number, seen.total_minor) == (
        known.order_id,
        known.number,
        known.total_minor,
    )
    assert [(line.sku, line.quantity_milli, line.total_minor) for line in seen.lines] == [
        (line.sku, line.quantity_milli, line.total_minor) for line in known.lines
    ]


async def test_the_app_orders_from_the_same_stock_and_nothing_is_told_to_the_shop(
    world: World,
) -> None:
    world.count("A", "W1", 2)
    world.count("B", "W1", 2)
    for name in ("APP-1", "APP-1", "APP-2"):
        world.call("Order Completed", **order(name))
    await world.settle()
    assert world.orders() == {"APP-1": ("app", "CONFIRMED"), "APP-2": ("app", "REFUSED")}
    world.call("Order Cancelled", at="2026-11-22T10:01:00.000Z", order_id="APP-1")
    assert world.orders()["APP-1"] == ("app", "CANCELLED")
    assert world.written == 0
