"""Bulk and live meet in one history: whatever the order of arrival, versions decide."""

import json

import pytest

from omnihub.connect.lanes import Lane, raw_topic, tasks_of
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.valve import Valve
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import InstanceId
from omnihub.model.records import Product, ProductUpserted, StockMoved
from omnihub.rules.product import ProductRule

T0_US = 1_700_000_000_000_000


@pytest.fixture
def hub(understanding):
    topics = Topics.load()
    known = {InstanceId("diary"): understanding()}
    splits = [Split("diary", known, lane=lane) for lane in Lane]
    return TestDriver(
        [*splits, Valve("diary"), Translate("diary", known, topics.inbox_of), ProductRule()], topics
    )


@pytest.fixture
def tell(hub, diary_raw):
    def tell(lane, notes, delivery_id="d"):
        hub.append(raw_topic("diary", lane), diary_raw(notes, delivery_id=delivery_id))
        hub.run()

    return tell


def product(version, title):
    return {"type": "product", "id": 7, "v": version, "title": title}


def titles(hub):
    return [record.title for record in hub.state("omni.product.state.v1").values()]


def test_an_old_page_after_a_newer_webhook_changes_nothing(hub, tell):
    tell(Lane.LIVE, [product(2, "new")], "webhook")
    told = len(hub.records("omni.product.event.v1", ProductUpserted))
    tell(Lane.BULK, [product(1, "old")], "page")
    assert titles(hub) == ["new"]
    assert len(hub.records("omni.product.event.v1", ProductUpserted)) == told


def test_a_newer_webhook_after_an_old_page_wins(hub, tell):
    tell(Lane.BULK, [product(1, "old")], "page")
    tell(Lane.LIVE, [product(2, "new")], "webhook")
    assert titles(hub) == ["new"]


def test_a_webhook_that_overtakes_a_waiting_page_wins(hub, tell, diary_raw):
    page = diary_raw([product(1, "old")], delivery_id="page")
    hub.append(raw_topic("diary", Lane.BULK), page)
    tell(Lane.LIVE, [product(2, "new")], "webhook")
    assert titles(hub) == ["new"]


def test_a_fact_told_in_both_lanes_counts_once(hub, tell):
    sale = {"type": "sale", "id": "s1", "sku": "apple", "quantity": 1}
    tell(Lane.LIVE, [sale], "webhook")
    tell(Lane.BULK, [sale], "page")
    assert len(hub.records("omni.stock.inbox.v1", StockMoved)) == 1


def test_the_entities_of_a_page_stay_in_order(hub, tell):
    tell(Lane.BULK, [product(1, "one"), product(2, "two"), product(3, "three")], "page")
    (state,) = hub.state("omni.product.state.v1").values()
    assert isinstance(state, Product)
    assert (state.title, state.seq) == ("three", 3)


def test_bulk_is_the_same_after_a_crash(hub, diary_raw):
    notes = [product(1, "one")]
    page = diary_raw(json.dumps(notes).encode(), delivery_id="page")
    hub.append(raw_topic("diary", Lane.BULK), page)
    hub.crash_at("produced", 2)
    with pytest.raises(BaseException, match="produced"):
        hub.run()
    hub.restart()
    hub.run()
    assert titles(hub) == ["one"]


def test_only_bulk_topics_travel_in_bulk():
    topics = Topics.load()
    assert {topics.spec(inbox).lane for inbox in tasks_of("diary").values()} == {"live", "bulk"}
    bulk = {topics.spec(raw_topic("diary", Lane.BULK)).name, Valve("diary").inbox}
    assert {name for name in tasks_of("diary").values() if topics.spec(name).lane == "bulk"} == bulk
