"""Effects of a replay that reach people are withheld and told; what it may do, it does."""

import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from orders_world import APPLE, ORDER_POLICY, ORDERS, STOCK_POLICY, WEB, line

from omnihub.engine.driver import TestDriver
from omnihub.model.ids import EventId, InstanceId, LocationId, OrderId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import (
    Contact,
    EffectKind,
    EffectWithheld,
    EventMeta,
    OrderChanged,
    OrderIntent,
    OrderPlaced,
    Origin,
    OriginKind,
    PaymentState,
    SendMessage,
    StockCounted,
)
from omnihub.rules.order_routing import OrderRoutes
from omnihub.rules.orders import OrderRule
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.stock import StockRule

NOW_US = 1_764_000_000_000_000
MAIL = InstanceId("mail")


def replayed(*effects):
    return Origin(kind=OriginKind.REPLAY, replay_id="r1", effects=effects)


def meta(name, origin=None):
    return EventMeta(
        tenant=TenantId("t"), event_id=EventId(name), cause_id="d", source=InstanceId("shop"),
        entity="order:1", occurred_at_us=NOW_US, accepted_at_us=NOW_US, origin=origin,
    )  # fmt: skip


def placed(name, origin, payment=PaymentState.PAID, mail="ann@example.com"):
    return OrderPlaced(
        meta=meta(f"placed-{name}", origin), order_id=OrderId(name), number=name, channel=WEB,
        intent=OrderIntent.PLACE, payment=payment, currency="EUR", lines=(line("1"),),
        total_minor=250, placed_at_us=NOW_US,
        contact=Contact(subject=SubjectId("s"), email=Personal(mail)),
    )  # fmt: skip


@pytest.fixture
def driver():
    orders = OrderRule(replace(ORDER_POLICY, routes=OrderRoutes(messages=(MAIL,))))
    made = TestDriver([StockRule(STOCK_POLICY), orders, OutboundRule()], now_us=NOW_US)
    counted = StockCounted(
        meta=meta("count"), count_id="c", sku=APPLE, location=LocationId("depot"),
        quantity_milli=9000, as_of_us=NOW_US,
    )  # fmt: skip
    made.append("omni.stock.inbox.v1", counted)
    made.run()
    return made


def sent(driver):
    return [(e.order_id, e.template) for e in driver.records("omni.command.mail.v1", SendMessage)]


def kept(driver):
    return driver.records("omni.withheld.v1", EffectWithheld)


def test_a_live_order_is_confirmed_to_its_buyer(driver):
    driver.append(ORDERS, placed("o1", None))
    driver.run()
    assert sent(driver) == [("o1", "order_confirmed")]
    assert kept(driver) == []


def test_an_order_that_a_replay_placed_is_confirmed_without_a_mail_and_that_is_told(driver):
    driver.append(ORDERS, placed("o1", replayed()))
    driver.run()
    assert sent(driver) == []
    (one,) = kept(driver)
    assert (one.kind, one.about, one.order_id) == (EffectKind.MAIL, "order_confirmed", "o1")
    assert (one.replay_id, one.instance) == ("r1", "mail")
    assert "ann" not in str(one)


def test_every_event_that_follows_names_the_replay(driver):
    driver.append(ORDERS, placed("o1", replayed()))
    driver.run()
    changes = driver.records("omni.order.event.v1", OrderChanged)
    assert changes
    assert {each.meta.origin.replay_id for each in changes} == {"r1"}


def test_a_replay_that_may_send_mails_sends_them(driver):
    driver.append(ORDERS, placed("o1", replayed(EffectKind.MAIL)))
    driver.run()
    assert sent(driver) == [("o1", "order_confirmed")]
    assert kept(driver) == []


def test_another_kind_of_permission_is_none(driver):
    driver.append(ORDERS, placed("o1", replayed(EffectKind.LABEL, EffectKind.PAYMENT)))
    driver.run()
    assert sent(driver) == []
    assert len(kept(driver)) == 1


def test_what_time_alone_does_to_a_replayed_order_reaches_nobody_either(driver):
    driver.append(ORDERS, placed("o1", replayed(), PaymentState.UNPAID))
    driver.append(ORDERS, placed("o2", None, PaymentState.UNPAID))
    driver.run()
    for _ in range(200):
        driver.advance(5)
    assert sent(driver) == [("o2", "order_refused")]
    assert [(each.order_id, each.about) for each in kept(driver)] == [("o1", "order_refused")]


def test_live_news_of_a_replayed_order_are_told(driver):
    driver.append(ORDERS, placed("o1", replayed(), PaymentState.UNPAID))
    driver.run()
    news = placed("o1", None)
    news = msgspec.structs.replace(news, meta=msgspec.structs.replace(news.meta, event_id="news"))
    driver.append(ORDERS, news)
    driver.run()
    assert sent(driver) == [("o1", "order_confirmed")]
