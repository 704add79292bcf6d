"""Orders over stock on virtual time: from placing to the goods' departure, or back."""

import pytest
from orders_world import (
    APPLE,
    DEPOT,
    EVENTS,
    HOLD_S,
    NORTH,
    ONE,
    ORDER_POLICY,
    ORDERS,
    PEAR,
    PICKUP,
    SHOP,
    SOUTH,
    STOCK,
    World,
    line,
)

from omnihub.engine.driver import TestDriver
from omnihub.model.records import (
    CancelOrder,
    FulfilmentChanged,
    OrderIntent,
    OrderPlaced,
    OrderStatusDesired,
    PaymentState,
    ReleaseReservation,
    ReservationChanged,
    ReservationStatus,
    StockMoved,
)
from omnihub.model.time import DAY_US, MINUTE_US, SECOND_US
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.order_routing import OrderRoutes
from omnihub.rules.orders import OrderRule

UNPAID, PAID = PaymentState.UNPAID, PaymentState.PAID
ON_COLLECTION = PaymentState.ON_COLLECTION
DAY_S, WEEK_S = 86_400, 7 * 86_400


@pytest.fixture
def world():
    return World(apple={"depot": 5, "north": 2, "south": 1}, pear={"depot": 1})


# -- the straight way ------------------------------------------------------------------------------


def test_a_shipped_order_goes_from_placing_to_complete(world):
    world.place(line("a", milli=2 * ONE), line("b", PEAR))
    assert world.status() == "CONFIRMED"
    assert world.lines() == ["COMMITTED", "COMMITTED"]
    assert world.level(APPLE).committed_milli == 2 * ONE
    assert world.fulfilments()[DEPOT].status.value == "ALLOCATED"
    world.report("PACKED")
    assert world.status() == "IN_FULFILMENT"
    world.report("SHIPPED")
    assert world.steps() == ["PENDING", "CONFIRMED", "IN_FULFILMENT", "FULFILLED", "COMPLETED"]
    assert world.fulfilments()[DEPOT].status.value == "SHIPPED"
    assert world.level(APPLE).on_hand_milli == 3 * ONE
    assert world.promised_milli() == 0
    assert world.timers() == []


def test_goods_come_from_the_preferred_place_that_has_them(world):
    world.place(line("a", milli=5 * ONE), line("b", milli=2 * ONE))
    assert [each.location for each in world.order().lines] == [DEPOT, NORTH]
    assert set(world.fulfilments()) == {DEPOT, NORTH}
    world.report("SHIPPED", NORTH)
    assert world.status() == "PARTIALLY_FULFILLED"
    world.report("SHIPPED", DEPOT)
    assert world.status() == "COMPLETED"


def test_an_order_is_collected_where_its_buyer_said(world):
    world.place(line("a", kind=PICKUP, at=SOUTH), pay=ON_COLLECTION)
    known = world.fulfilments()[SOUTH]
    assert known.ready_by_us == world.driver.now_us + 60 * MINUTE_US
    world.report("READY_FOR_PICKUP", SOUTH)
    ready = world.fulfilments()[SOUTH]
    assert ready.pickup_expires_at_us == world.driver.now_us + 7 * DAY_US
    assert world.order().waiting_on == "south: the buyer to collect"
    world.report("COLLECTED", SOUTH)
    assert world.status() == "COMPLETED"
    assert world.level(at=SOUTH).on_hand_milli == 0


def test_a_till_sale_with_the_orders_id_collects_it_and_nothing_is_booked_twice(world):
    world.place(line("a", kind=PICKUP, at=NORTH))
    world.sell("receipt-1", order="1")
    assert world.status() == "COMPLETED"
    assert world.lines() == ["CONSUMED"]
    assert world.fulfilments()[NORTH].status.value == "COLLECTED"
    assert world.level(at=NORTH).on_hand_milli == ONE
    assert len(world.driver.records("omni.stock.event.v1", StockMoved)) == 1


def test_goods_taken_at_a_till_before_payment_was_told_are_paid(world):
    world.place(line("a", kind=PICKUP, at=NORTH), pay=UNPAID)
    assert world.status() == "PENDING"
    world.sell("receipt-1", order="1")
    assert world.status() == "COMPLETED"


def test_a_source_that_says_complete_consumes_what_was_promised(world):
    world.place(version=1)
    world.place(version=2, intent=OrderIntent.COMPLETE)
    assert world.status() == "COMPLETED"
    assert world.level().on_hand_milli == 4 * ONE


def test_an_order_waits_in_words(world):
    world.place(run=False, pay=UNPAID)
    world.driver.run()
    assert world.order().waiting_on == "payment"
    world.place(version=2)
    assert world.order().waiting_on == "depot: to ship"
    world.report("SHIPPED", DEPOT)
    assert world.order().waiting_on is None


def test_the_placing_is_public_and_told_once(world):
    world.place()
    world.place()
    assert len(world.driver.records(EVENTS, OrderPlaced)) == 1


# -- refused ---------------------------------------------------------------------------------------


def test_one_line_without_stock_refuses_the_order_and_frees_the_others(world):
    world.place(line("a"), line("b", PEAR, 2 * ONE))
    assert world.status() == "REFUSED"
    assert world.order().reason == "not_enough_stock"
    assert world.lines() == ["RELEASED", "REFUSED"]
    assert world.promised_milli() == 0
    assert world.timers() == []


def test_two_orders_for_the_last_unit_are_one_confirmed_and_one_refused(world):
    world.place(line("a", PEAR), name="1", run=False)
    world.place(line("a", PEAR), name="2", run=False)
    world.driver.run()
    assert sorted([world.status("1"), world.status("2")]) == ["CONFIRMED", "REFUSED"]
    assert world.promised_milli() == ONE


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([line("a"), line("a", PEAR)], "double_line"),
        ([line("a", milli=0)], "bad_quantity"),
        ([line("a", kind=PICKUP)], "no_location"),
        ([line("a", kind=PICKUP, at=DEPOT)], "no_pickup_there"),
        ([line("a", kind=PICKUP, at="nowhere")], "no_pickup_there"),
    ],
)
def test_an_order_that_cannot_be_taken_is_refused_and_asks_nothing(world, wanted, reason):
    world.place(*wanted)
    assert (world.status(), world.order().reason) == ("REFUSED", reason)
    assert world.reservations() == []


def test_an_unpaid_order_waits_until_its_deadline_and_is_refused(world):
    world.place(pay=UNPAID)
    world.driver.advance(HOLD_S - 1)
    assert world.status() == "PENDING"
    world.driver.advance(2)
    assert (world.status(), world.order().reason) == ("REFUSED", "payment_deadline")
    assert world.promised_milli() == 0
    world.driver.advance(WEEK_S)
    assert world.steps() == ["PENDING", "REFUSED"]


def test_an_order_that_is_paid_in_time_is_confirmed(world):
    world.place(pay=UNPAID)
    world.driver.advance(HOLD_S - 1)
    world.place(version=2, pay=PAID)
    world.driver.advance(60)
    assert world.status() == "CONFIRMED"


def test_money_that_comes_after_the_refusal_is_seen_and_changes_nothing_else(world):
    world.place(pay=UNPAID)
    world.driver.advance(HOLD_S + 1)
    world.place(version=2, pay=PAID)
    assert (world.status(), world.order().payment) == ("REFUSED", PAID)


def test_stock_that_never_answers_refuses_the_order():
    world = World()
    world.driver = TestDriver([OrderRule(ORDER_POLICY)], now_us=world.driver.now_us)
    world.place()
    world.driver.advance(HOLD_S + 1)
    assert (world.status(), world.order().reason) == ("REFUSED", "stock_timeout")
    assert len(world.driver.records(STOCK, ReleaseReservation)) == 1


# -- cancelled at each step ------------------------------------------------------------------------


def cancel_when_placed(world):
    world.place(run=False)


def cancel_when_held(world):
    world.place(pay=UNPAID)


def cancel_when_confirmed(world):
    world.place()


def cancel_when_packed(world):
    world.place()
    world.report("PACKED")


@pytest.mark.parametrize(
    "arrange", [cancel_when_placed, cancel_when_held, cancel_when_confirmed, cancel_when_packed]
)
def test_a_cancel_frees_everything_at_each_step(world, arrange):
    arrange(world)
    world.cancel()
    assert (world.status(), world.order().reason) == ("CANCELLED", "changed_mind")
    assert world.promised_milli() == 0
    assert world.timers() == []
    assert {each.status.value for each in world.fulfilments().values()} <= {"CANCELLED"}


def test_a_cancel_told_twice_changes_nothing_and_is_not_refused(world):
    world.place()
    world.cancel()
    before = world.order()
    world.cancel()
    world.place(version=2, intent=OrderIntent.CANCEL)
    assert world.order().seq == before.seq + 1, "only the source's version was noted"
    assert world.refusals() == []


def test_what_was_shipped_cannot_be_cancelled(world):
    world.place()
    world.report("SHIPPED")
    world.cancel()
    assert world.status() == "COMPLETED"
    assert world.refusals() == ["illegal_transition"]


def test_a_cancel_after_one_of_two_places_shipped_completes_the_rest(world):
    world.place(line("a", milli=5 * ONE), line("b", milli=2 * ONE))
    world.report("SHIPPED", NORTH)
    world.cancel()
    assert world.status() == "COMPLETED"
    assert world.lines() == ["RELEASED", "CONSUMED"]
    assert world.fulfilments()[DEPOT].status.value == "CANCELLED"
    assert world.promised_milli() == 0


def test_a_cancel_right_behind_the_shipping_keeps_what_has_left(world):
    world.place()
    world.report("SHIPPED", run=False)
    world.cancel(run=False)
    world.driver.run()
    assert world.status() == "COMPLETED"
    assert world.refusals() == ["illegal_transition"]


def test_a_till_sale_in_the_moment_of_a_cancel_is_kept_as_a_fact(world):
    world.place(line("a", kind=PICKUP, at=NORTH))
    world.sell("receipt-1", order="1", run=False)
    world.cancel(run=False)
    world.driver.run()
    assert world.status() in ("CANCELLED", "COMPLETED")
    assert world.lines() == ["CONSUMED"]
    assert world.level(at=NORTH).on_hand_milli == ONE
    assert world.promised_milli() == 0


def test_a_place_that_cannot_fulfil_frees_its_lines(world):
    world.place()
    world.report("CANCELLED")
    assert (world.status(), world.order().reason) == ("CANCELLED", "cancelled")
    assert world.promised_milli() == 0


# -- told twice, too late, too early ---------------------------------------------------------------


def test_an_update_that_comes_before_the_creation_is_the_placing(world):
    world.place(version=3, pay=PAID)
    world.place(version=1, pay=UNPAID)
    assert world.status() == "CONFIRMED"
    assert world.order().payment is PAID


def test_an_older_version_that_comes_late_says_nothing(world):
    world.place(version=3)
    world.place(version=2, intent=OrderIntent.CANCEL)
    assert world.status() == "CONFIRMED"
    assert world.order().version == 3


def test_an_order_first_seen_as_cancelled_asks_nothing(world):
    world.place(version=2, intent=OrderIntent.CANCEL)
    world.place(version=1)
    assert (world.status(), world.order().reason) == ("CANCELLED", "cancelled_by_source")
    assert world.reservations() == []


def test_an_order_first_seen_as_complete_is_held_and_consumed(world):
    world.place(intent=OrderIntent.COMPLETE)
    assert world.steps() == ["PENDING", "CONFIRMED", "IN_FULFILMENT", "FULFILLED", "COMPLETED"]
    assert world.level().on_hand_milli == 4 * ONE


def test_a_placing_told_three_times_is_one_order(world):
    for _ in range(3):
        world.place()
    assert world.steps() == ["PENDING", "CONFIRMED"]
    assert world.promised_milli() == ONE


def test_other_lines_of_a_placed_order_are_refused(world):
    world.place()
    world.place(line("a"), line("b"), version=2)
    assert world.refusals() == ["lines_changed"]
    assert world.status() == "CONFIRMED"


def test_requests_for_an_order_nobody_placed_are_refused_and_park_nothing(world):
    world.cancel("9")
    world.report("SHIPPED", name="9")
    assert world.refusals() == ["unknown_order", "unknown_order"]
    assert world.driver.state("omni.hospital.state.v1") == {}


@pytest.mark.parametrize("told", ["DELIVERED", "COLLECTED", "READY_FOR_PICKUP", "PICKUP_EXPIRED"])
def test_an_illegal_step_is_refused(world, told):
    world.place()
    world.report(told)
    assert world.refusals() == ["illegal_transition"]
    assert world.fulfilments()[DEPOT].status.value == "ALLOCATED"


def test_a_report_from_a_place_without_goods_of_the_order_is_refused(world):
    world.place()
    world.report("SHIPPED", NORTH)
    assert world.refusals() == ["no_fulfilment"]


def test_a_step_told_twice_is_taken_once(world):
    world.place()
    world.report("SHIPPED")
    world.report("SHIPPED")
    assert world.refusals() == []
    moved = world.driver.records("omni.stock.event.v1", StockMoved)
    assert len(moved) == 1
    changed = world.driver.records(EVENTS, FulfilmentChanged)
    assert [each.status.value for each in changed] == ["ALLOCATED", "SHIPPED"]


def test_a_parcel_is_delivered_after_its_order_is_complete(world):
    world.place()
    world.report("SHIPPED")
    world.report("DELIVERED")
    assert world.fulfilments()[DEPOT].status.value == "DELIVERED"
    assert world.status() == "COMPLETED"


def test_goods_held_too_late_for_a_closed_order_are_given_back(world):
    world.place()
    world.cancel()
    known = world.reservations()[0]
    late = ReservationChanged(
        meta=world.meta(), reservation_id=known.reservation_id, order_id=known.order_id,
        line_id=known.line_id, sku=APPLE, channel=known.channel, location=DEPOT,
        quantity_milli=ONE, status=ReservationStatus.HELD,
    )  # fmt: skip
    before = len(world.driver.records(STOCK, ReleaseReservation))
    world.tell(ORDERS, late)
    released = world.driver.records(STOCK, ReleaseReservation)
    assert len(released) == before + 1
    assert released[-1].reservation_id == known.reservation_id
    assert world.status() == "CANCELLED"


def test_reservations_of_orders_never_placed_are_left_to_their_own_deadline(world):
    world.place()
    known = world.reservations()[0]
    stranger = ReservationChanged(
        meta=world.meta(), reservation_id=known.reservation_id, order_id="stranger",
        line_id=known.line_id, sku=APPLE, channel=known.channel, location=DEPOT,
        quantity_milli=ONE, status=ReservationStatus.HELD,
    )  # fmt: skip
    world.tell(ORDERS, stranger)
    assert world.driver.records(STOCK, ReleaseReservation) == []


# -- time ------------------------------------------------------------------------------------------


def test_a_hold_that_was_lost_is_asked_for_once_more_elsewhere():
    world = World(apple={"depot": 1, "north": 1})
    world.place(pay=UNPAID)
    assert world.order().lines[0].location == DEPOT
    world.driver.now_us += (HOLD_S + 120) * SECOND_US  # The hub slept past the hold.
    world.driver.run()
    assert world.reservations()[0].status is ReservationStatus.EXPIRED
    world.sell("receipt", at=DEPOT)
    world.place(version=2, pay=PAID)
    assert world.steps() == ["PENDING", "ON_HOLD", "CONFIRMED"]
    assert world.order().lines[0].location == NORTH
    assert world.order().reason is None
    assert world.promised_milli() == ONE


def test_a_hold_that_cannot_be_had_again_refuses_the_order():
    world = World(apple={"depot": 1})
    world.place(pay=UNPAID)
    world.driver.now_us += (HOLD_S + 120) * SECOND_US
    world.driver.run()
    world.sell("receipt", at=DEPOT)
    world.place(version=2, pay=PAID)
    assert world.steps() == ["PENDING", "ON_HOLD", "REFUSED"]
    assert world.promised_milli() == 0


def test_orders_that_waited_out_an_outage_of_the_hub_are_confirmed(world):
    world.place(run=False)
    world.driver.now_us += 3 * HOLD_S * SECOND_US
    world.driver.run()
    world.driver.advance(HOLD_S)
    assert world.status() == "CONFIRMED"
    assert world.promised_milli() == ONE


def test_goods_nobody_collects_are_free_again_after_a_week(world):
    world.place(line("a", kind=PICKUP, at=SOUTH))
    world.report("READY_FOR_PICKUP", SOUTH)
    world.driver.advance(WEEK_S + 1)
    assert world.fulfilments()[SOUTH].status.value == "PICKUP_EXPIRED"
    assert (world.status(), world.order().reason) == ("CANCELLED", "not_collected")
    assert world.promised_milli() == 0


def test_a_place_that_says_nothing_for_a_week_puts_the_order_on_hold(world):
    world.place()
    world.driver.advance(WEEK_S + 1)
    assert (world.status(), world.order().reason) == ("ON_HOLD", "fulfilment_overdue")
    assert world.order().waiting_on == "depot: to ship"
    assert world.timers() != []
    world.report("SHIPPED")
    assert world.status() == "COMPLETED"
    assert world.order().reason is None


# -- money -----------------------------------------------------------------------------------------


def test_captured_money_confirms_an_unpaid_order(world):
    world.place(pay=UNPAID)
    world.pay("AUTHORISED", 250)
    assert world.order().payment is PaymentState.AUTHORISED
    assert world.status() == "CONFIRMED"
    world.pay("CAPTURED", 250)
    assert world.order().payment is PAID
    (payment,) = world.payments()
    assert (payment.authorised_minor, payment.captured_minor) == (250, 250)


def test_money_told_before_its_order_waits_for_it(world):
    world.pay("CAPTURED", 250)
    world.place(pay=UNPAID)
    assert world.status() == "CONFIRMED"


def test_part_of_the_money_is_not_enough(world):
    world.place(pay=UNPAID)
    world.pay("CAPTURED", 249)
    assert world.status() == "PENDING"
    world.pay("CAPTURED", 1, payment="p2")
    assert world.status() == "CONFIRMED"


def test_a_movement_of_money_counts_once(world):
    world.place(pay=UNPAID)
    world.pay("CAPTURED", 125, event="e1")
    world.pay("CAPTURED", 125, event="e1")
    assert world.payments()[0].captured_minor == 125


def test_refunds_show_and_never_exceed_what_was_captured(world):
    world.place(pay=UNPAID)
    world.pay("CAPTURED", 250)
    world.pay("REFUNDED", 100)
    assert world.order().payment is PaymentState.PART_REFUNDED
    world.pay("REFUNDED", 151)
    assert world.refusals() == ["over_refund"]
    world.pay("REFUNDED", 150)
    assert world.order().payment is PaymentState.REFUNDED
    world.pay("REFUND_FAILED", 250)
    assert world.order().payment is PAID


def test_money_in_another_currency_is_refused(world):
    world.pay("CAPTURED", 250)
    world.pay("CAPTURED", 250, currency="USD")
    world.pay("CAPTURED", -1)
    assert world.refusals() == ["currency_mismatch", "negative_amount"]


def test_a_cancel_before_the_order_is_known_is_refused_and_the_order_placed_later(world):
    world.cancel()
    world.place()
    assert world.refusals() == ["unknown_order"]
    assert world.status() == "CONFIRMED"
    assert isinstance(world.driver.records(ORDERS, CancelOrder)[0], CancelOrder)


# -- who hears of it -------------------------------------------------------------------------------


def test_the_source_of_an_order_hears_of_every_step_in_order():
    policy = OrderPolicy(routes=OrderRoutes(status=frozenset({SHOP})))
    world = World(order_policy=policy, apple={"depot": 1})
    world.place()
    world.report("PACKED")
    world.report("SHIPPED")
    told = world.driver.records("omni.outbound.inbox.v1", OrderStatusDesired)
    steps = [(each.status.value, each.fulfilment_status.value) for each in told]
    assert steps == [
        ("CONFIRMED", "ALLOCATED"),
        ("IN_FULFILMENT", "PACKED"),
        ("IN_FULFILMENT", "SHIPPED"),
        ("FULFILLED", "SHIPPED"),
        ("COMPLETED", "SHIPPED"),
    ]
    assert sorted(each.seq for each in told) == [each.seq for each in told]
