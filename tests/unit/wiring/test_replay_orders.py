"""An order that was overlooked: a replay places it, and its buyer is told only if that is asked."""

import sys
from pathlib import Path

import msgspec
import pytest
from omnihub_connectors.app.doubles import order, track
from omnihub_connectors.app.mapping import ORDER, AppMapping

sys.path.insert(0, str(Path(__file__).parent))
from hub_in_memory import HOUR_US, START_US, World

import omnihub.wiring.replay as subject
from omnihub.connect.replays import Replay
from omnihub.connect.sdk import Delivery
from omnihub.model.ids import EventId, InstanceId, LocationId, Sku
from omnihub.model.records import (
    DeliveryKind,
    EffectKind,
    EffectWithheld,
    EventMeta,
    Order,
    OrderStatus,
    SendMessage,
    StockCounted,
)

CONFIG = """
tenant: acme
data_dir: data
channels: {app: {locations: [W1]}}
locations: {W1: {kind: warehouse, services: [ship]}}
connectors:
  app:
    type: app
    map: {sku: identity, location: identity}
    orders: {channel: app}
    config: {write_keys: ["${env:WRITE}"]}
  mail:
    type: smtp
    messages: {}
    config: {host: localhost, sender: shop@example.com}
"""
CHOSEN = subject.Chosen(START_US, START_US + HOUR_US)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An order came, while the mapping of the day overlooked orders."""
    made = World(tmp_path, CONFIG, {"WRITE": "wk_0123456789abcdef"})
    for sku in ("A", "B"):
        count(made, sku)
    translate = AppMapping.translate
    monkeypatch.setattr(
        AppMapping,
        "translate",
        lambda self, entity, refs: [] if entity.type == ORDER else translate(self, entity, refs),
    )
    call = track("Order Completed", **order("APP-1", email="ann@example.com"))
    body = msgspec.json.encode({**call, "context": {"traits": {"email": "ann@example.com"}}})
    made.take("app", "v1/track", Delivery("v1/track", body, kind=DeliveryKind.WEBHOOK))
    monkeypatch.setattr(AppMapping, "translate", translate)
    made.connect(monkeypatch)
    return made


def count(world, sku):
    now_us = world.driver.now_us
    meta = EventMeta(
        tenant=world.install.tenant, event_id=EventId(f"count-{sku}"), cause_id="count",
        source=InstanceId("erp"), entity="count", occurred_at_us=now_us, accepted_at_us=now_us,
    )  # fmt: skip
    counted = StockCounted(
        meta=meta, count_id=sku, sku=Sku(sku), location=LocationId("W1"),
        quantity_milli=9000, as_of_us=now_us,
    )  # fmt: skip
    world.driver.append("omni.stock.inbox.v1", counted)
    world.driver.run()


async def replayed(world, *effects):
    """Compare, foresee and correct; return what was foreseen."""
    one = subject.Replayer(world.install, lambda *_: None)
    found = await one.compare(CHOSEN)
    asked = Replay("r1", "ann", "overlooked", world.driver.now_us + 1_000_000, effects)
    requests = found.requests(asked)
    seen = await one.consequences(requests)
    await one.ask(requests)
    world.driver.run()
    return found, seen


def statuses(world):
    rows = world.driver.state("omni.order.state.v1").values()
    return [row.status for row in rows if isinstance(row, Order)]


def sent(world):
    return [each.template for each in world.driver.records("omni.command.mail.v1", SendMessage)]


def kept(world):
    return [each.about for each in world.driver.records("omni.withheld.v1", EffectWithheld)]


async def test_it_is_placed_and_its_mail_is_withheld_foreseen_and_told(world):
    assert statuses(world) == []
    found, seen = await replayed(world)
    assert {each.change for each in found.found} == {"NEW"}
    assert [each.about for each in seen.withheld] == ["order_confirmed"]
    assert statuses(world) == [OrderStatus.CONFIRMED]
    assert (sent(world), kept(world)) == ([], ["order_confirmed"])
    assert "ann@example.com" not in str(found.found), "what is personal is not shown"
    assert "(personal)" in str(found.found)


async def test_with_mails_allowed_the_buyer_is_told(world):
    _, seen = await replayed(world, EffectKind.MAIL)
    assert seen.withheld == []
    assert seen.commands == {"mail SendMessage": 1}
    assert (sent(world), kept(world)) == (["order_confirmed"], [])


async def test_twice_is_once(world):
    await replayed(world)
    found, seen = await replayed(world, EffectKind.MAIL)
    assert (found.found, seen.commands) == ([], {})
    assert (sent(world), kept(world)) == ([], ["order_confirmed"])
