"""From the configuration to what the rules are told."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from omnihub.model.ids import ChannelId, InstanceId, LocationId
from omnihub.model.time import MINUTE_US, to_us
from omnihub.rules.order_routing import SaleRoute, TotalRoute
from omnihub.rules.places import ready_at_us
from omnihub.wiring.installation import RULES, open_installation
from omnihub.wiring.worker import rules_of

CONFIG = """
channels: {web: {locations: [S1, W1]}, phone: {locations: [W1]}}
locations:
  W1: {kind: warehouse, services: [ship], tz: Europe/Berlin}
  S1: {lat: 39.1, lon: -84.5, tz: America/New_York, pickup_sla_min: 45, services: [pickup],
       opening_hours: {mon: "08:00-20:00"}}
orders: {hold_s: 600, payment_s: 300, sources: {web: [W1, S1]}}
connectors:
  till: {type: poslog, config: {spool: spool, time_zone: UTC}, orders: {channel: web, status: true},
         totals: {channels: [web]}}
  erp: {type: poslog, config: {spool: spool, time_zone: UTC}, orders: {channel: phone},
        sales: {locations: [W1]}, messages: {channel: email}}
"""


@pytest.fixture
def install(tmp_path):
    path = tmp_path / "omnihub.yaml"
    path.write_text(CONFIG)
    return open_installation(path, {})


def test_the_order_rule_is_told_how_long_and_from_where(install):
    policy = install.order_policy()
    assert (policy.hold_s, policy.payment_s) == (600, 300)
    assert policy.sources == {"web": ("W1", "S1")}
    assert policy.hands_over(LocationId("S1"))
    assert not policy.hands_over(LocationId("W1"))
    assert not policy.hands_over(LocationId("nowhere"))


def test_a_store_is_open_as_the_configuration_says(install):
    store = install.store_locations()[LocationId("S1")]
    assert (store.lat, store.lon, store.services) == (39.1, -84.5, {"pickup"})
    assert install.store_locations()[LocationId("W1")].opening is None
    zone = ZoneInfo("America/New_York")
    sunday = to_us(datetime(2026, 11, 22, 12, tzinfo=zone))
    monday = to_us(datetime(2026, 11, 23, 8, tzinfo=zone))
    assert ready_at_us(store, sunday) == monday + 45 * MINUTE_US


def test_who_hears_of_orders(install):
    routes = install.order_policy().routes
    assert routes.status == {"till"}
    assert routes.messages == ("erp",)
    assert routes.sales == (SaleRoute(InstanceId("erp"), frozenset({LocationId("W1")})),)
    assert routes.totals == (TotalRoute(InstanceId("till"), frozenset({ChannelId("web")})),)
    assert routes.zones == {"web": ZoneInfo("Europe/Berlin"), "phone": ZoneInfo("Europe/Berlin")}


def test_workers_run_one_rule_of_each_kind(install):
    assert [type(rule) for rule in rules_of(install)] == list(RULES)
    assert install.tasks()["order"] == "omni.order.inbox.v1"


def test_every_task_has_its_topics(install):
    names = {spec.name for spec in install.topic_specs()}
    for rule in RULES:
        assert rule.inbox in names
        assert f"omni.changelog.{rule.name}.v1" in names
