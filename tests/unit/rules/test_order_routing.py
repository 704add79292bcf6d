"""Who hears of an order: its source, its buyer, the books; each step once, and nothing personal."""

from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest

from omnihub.model.ids import (
    ChannelId,
    EventId,
    FulfilmentId,
    InstanceId,
    LineId,
    LocationId,
    OrderId,
    ReservationId,
    Sku,
    SubjectId,
    TenantId,
)
from omnihub.model.records import (
    Contact,
    DayTotalAdded,
    EventMeta,
    Fulfilment,
    FulfilmentLine,
    FulfilmentStatus,
    FulfilmentType,
    LineStatus,
    MessageDesired,
    Money,
    Order,
    OrderLineState,
    OrderStatus,
    OrderStatusDesired,
    PaymentState,
    SaleDesired,
)
from omnihub.rules.order_routing import OrderRoutes, SaleRoute, TotalRoute, tell_order
from omnihub.rules.rehearsal import RecordedOut
from omnihub.rules.routing import OUTBOUND_INBOX

S, F = OrderStatus, FulfilmentStatus
TENANT, SHOP, ERP, MAIL = TenantId("t"), InstanceId("shop"), InstanceId("erp"), InstanceId("mail")
WEB, W1, S1 = ChannelId("web"), LocationId("W1"), LocationId("S1")
NEW_YEAR_UTC_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
NEW_YEAR_DAY = 20_454
CONTACT = Contact(subject=SubjectId("s"), name=b"sealed name", email=b"sealed email")
ROUTES = OrderRoutes(
    status=frozenset({SHOP}),
    messages=(MAIL,),
    sales=(SaleRoute(ERP, frozenset({W1})),),
    totals=(TotalRoute(ERP, frozenset({WEB})),),
)


def meta(event="e1"):
    return EventMeta(
        tenant=TENANT, event_id=EventId(event), cause_id="c", source=SHOP, entity="order:1",
        occurred_at_us=1, accepted_at_us=7,
    )  # fmt: skip


def line(name="l1", location=W1, status=LineStatus.COMMITTED, milli=2000):
    return OrderLineState(
        line_id=LineId(name), sku=Sku("apple"), title="Apple", quantity_milli=milli,
        unit_price=Money(unscaled=995, scale=2, currency="EUR"), total_minor=1990,
        fulfilment=FulfilmentType.SHIP, location=location, reservation_id=ReservationId("r"),
        status=status,
    )  # fmt: skip


LINES = (line(),)


def order(status=S.CONFIRMED, lines=LINES, **changes):
    known = Order(
        tenant=TENANT, order_id=OrderId("o1"), number="W-17", channel=WEB, source=SHOP,
        status=status, payment=PaymentState.PAID, currency="EUR", lines=lines, total_minor=1990,
        contact=CONTACT, placed_at_us=NEW_YEAR_UTC_US, seq=3, cause_id="e1", occurred_at_us=1,
        accepted_at_us=7,
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def fulfilment(status, cause="e1", name="f1", lines=("l1",)):
    return Fulfilment(
        tenant=TENANT, fulfilment_id=FulfilmentId(name), order_id=OrderId("o1"), location=S1,
        fulfilment=FulfilmentType.PICKUP, status=status, seq=1, cause_id=cause, occurred_at_us=1,
        lines=tuple(
            FulfilmentLine(line_id=LineId(each), sku=Sku("apple"), quantity_milli=1000)
            for each in lines
        ),
        accepted_at_us=1, tracking_number="T9",
    )  # fmt: skip


def told(old, new, fulfilments=(), cause="e1", routes=ROUTES, kind=None):
    out = RecordedOut()
    tell_order(old, new, tuple(fulfilments), meta(cause), routes, out)
    assert {topic for topic, _ in out.emitted} <= {OUTBOUND_INBOX}
    return [record for _, record in out.emitted if kind is None or isinstance(record, kind)]


def templates(*args, **kwargs):
    return [each.template for each in told(*args, **kwargs, kind=MessageDesired)]


def test_a_confirmed_order_is_told_to_its_source_its_buyer_and_one_book():
    kinds = [type(each) for each in told(order(S.PENDING), order())]
    assert kinds == [OrderStatusDesired, MessageDesired, SaleDesired]


def test_nobody_is_told_without_routes():
    assert told(order(S.PENDING), order(), routes=OrderRoutes()) == []


# -- status -----------------------------------------------------------------------------------


def test_the_source_sees_every_status_but_waiting():
    assert told(None, order(S.PENDING), kind=OrderStatusDesired) == []
    [desired] = told(order(S.PENDING), order(S.REFUSED), kind=OrderStatusDesired)
    assert (desired.instance, desired.target, desired.status, desired.seq) == (
        SHOP, "o1", S.REFUSED, 3,
    )  # fmt: skip


def test_another_source_is_not_told():
    assert told(order(S.PENDING), order(source="api"), kind=OrderStatusDesired) == []


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ((), F.UNKNOWN),
        ((F.ALLOCATED, F.SHIPPED), F.ALLOCATED),
        ((F.CANCELLED, F.SHIPPED), F.SHIPPED),
        ((F.CANCELLED,), F.CANCELLED),
    ],
)
def test_goods_are_as_far_as_the_last_of_them(statuses, shown):
    parts = [fulfilment(status, name=f"f{n}") for n, status in enumerate(statuses)]
    [desired] = told(order(), order(S.IN_FULFILMENT), parts, kind=OrderStatusDesired)
    assert desired.fulfilment_status is shown


# -- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (S.PENDING, S.CONFIRMED, ["order_confirmed"]),
        (None, S.CONFIRMED, ["order_confirmed"]),
        (S.ON_HOLD, S.CONFIRMED, []),  # its goods were committed before
        (S.CONFIRMED, S.IN_FULFILMENT, []),
        (S.PENDING, S.REFUSED, ["order_refused"]),
        (None, S.REFUSED, ["order_refused"]),
        (S.CONFIRMED, S.CANCELLED, ["order_cancelled"]),
        (S.CANCELLED, S.CANCELLED, []),
        (None, S.PENDING, []),
    ],
)
def test_each_step_has_its_message_once(before, after, expected):
    assert templates(order(before) if before else None, order(after)) == expected


def test_an_order_held_back_before_it_was_confirmed_is_confirmed_later():
    held = order(S.ON_HOLD, (line(status=LineStatus.HELD),))
    assert templates(held, order()) == ["order_confirmed"]


def test_goods_that_just_became_ready_are_told_and_others_not_again():
    ready = fulfilment(F.READY_FOR_PICKUP, cause="e1")
    other = fulfilment(F.READY_FOR_PICKUP, cause="e0", name="f2")
    assert templates(order(), order(), [ready, other], "e1") == ["ready_for_pickup"]
    assert templates(order(), order(), [ready, other], "e2") == []


def test_goods_on_their_way_are_told_with_their_lines_and_tracking_number():
    both = (line("l1"), line("l2", milli=500))
    part = fulfilment(F.SHIPPED, lines=("l2",))
    [mail] = told(order(lines=both), order(lines=both), [part], kind=MessageDesired)
    assert mail.template == "order_shipped"
    assert mail.values["lines"] == "0.5 x Apple"
    assert mail.values["tracking_number"] == "T9"
    assert mail.values["location"] == S1


def test_each_reason_has_its_own_message_id_and_the_same_on_replay():
    def ids():
        parts = [fulfilment(F.READY_FOR_PICKUP), fulfilment(F.READY_FOR_PICKUP, name="f2")]
        confirmed = told(order(S.PENDING), order(), parts, kind=MessageDesired)
        cancelled = told(order(), order(S.CANCELLED), kind=MessageDesired)
        return [each.message_id for each in (*confirmed, *cancelled)]

    assert len(set(ids())) == 4
    assert ids() == ids()


@pytest.mark.parametrize("contact", [None, Contact(subject=SubjectId("s"), phone=b"sealed")])
def test_without_an_address_nobody_is_written_to(contact):
    assert templates(order(S.PENDING), order(contact=contact)) == []


def test_the_contact_is_carried_sealed_and_the_values_hold_nothing_of_it():
    [mail] = told(order(S.PENDING), order(), kind=MessageDesired)
    assert mail.contact == CONTACT
    assert mail.values == {
        "number": "W-17", "channel": "web", "currency": "EUR", "total_minor": "1990",
        "lines": "2 x Apple",
    }  # fmt: skip


# -- books ------------------------------------------------------------------------------------


def test_an_order_from_the_books_own_places_becomes_a_sale_and_no_total():
    [sale] = told(order(S.PENDING), order(), kind=SaleDesired)
    assert (sale.instance, sale.location, sale.number, sale.total_minor) == (ERP, W1, "W-17", 1990)
    assert [each.line_id for each in sale.lines] == ["l1"]
    assert told(order(S.PENDING), order(), kind=DayTotalAdded) == []


@pytest.mark.parametrize("lines", [(line(location=S1),), (line("l1"), line("l2", S1))])
def test_every_other_order_is_part_of_its_days_total(lines):
    before, after = order(S.PENDING, lines), order(S.CONFIRMED, lines)
    assert told(before, after, kind=SaleDesired) == []
    [added] = told(before, after, kind=DayTotalAdded)
    assert (added.day, added.orders, added.total_minor) == (NEW_YEAR_DAY, 1, 1990)
    assert added.target == f"web:{NEW_YEAR_DAY}:EUR"


def test_an_order_that_came_from_the_book_is_not_told_to_it():
    for place in (W1, S1):
        from_erp = order(source=ERP, lines=(line(location=place),))
        assert told(order(S.PENDING, source=ERP), from_erp, kind=(SaleDesired, DayTotalAdded)) == []


def test_a_channel_the_book_did_not_ask_for_is_left_out():
    phone = order(channel=ChannelId("phone"), lines=(line(location=S1),))
    assert told(None, phone, kind=DayTotalAdded) == []


def test_a_confirmed_order_that_is_cancelled_is_taken_back_from_its_total():
    confirmed = order(lines=(line(location=S1),))
    released = order(S.CANCELLED, lines=(line(location=None, status=LineStatus.RELEASED),))
    [back] = told(confirmed, released, kind=DayTotalAdded)
    assert (back.orders, back.total_minor, back.day) == (-1, -1990, NEW_YEAR_DAY)


def test_a_cancelled_sale_is_not_taken_from_a_total_it_never_was_part_of():
    released = order(S.CANCELLED, lines=(line(location=None, status=LineStatus.RELEASED),))
    assert told(order(), released, kind=DayTotalAdded) == []


@pytest.mark.parametrize("after", [S.REFUSED, S.CANCELLED])
def test_what_was_never_confirmed_is_not_taken_back(after):
    lines = (line(location=S1, status=LineStatus.HELD),)
    assert told(order(S.PENDING, lines), order(after, lines), kind=DayTotalAdded) == []


def test_later_steps_add_nothing():
    lines = (line(location=S1),)
    steps = [S.PENDING, S.CONFIRMED, S.IN_FULFILMENT, S.ON_HOLD, S.IN_FULFILMENT, S.COMPLETED]
    orders = [order(step, lines) for step in steps]
    added = [told(a, b, kind=DayTotalAdded) for a, b in pairwise(orders)]
    assert [len(each) for each in added] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/New_York", NEW_YEAR_DAY - 1),
        ("Asia/Tokyo", NEW_YEAR_DAY),
        ("Pacific/Kiritimati", NEW_YEAR_DAY),
    ],
)
def test_a_business_day_ends_in_the_channels_zone(zone, day):
    lines = (line(location=S1),)
    routes = OrderRoutes(totals=ROUTES.totals, zones={WEB: ZoneInfo(zone)})
    [added] = told(None, order(lines=lines), routes=routes, kind=DayTotalAdded)
    assert added.day == day
