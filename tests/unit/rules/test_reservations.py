"""Reservations: what each request does in each state; goods and their promise leave together."""

import msgspec
import pytest

from omnihub.model.errors import RejectedError
from omnihub.model.ids import (
    ChannelId,
    EventId,
    InstanceId,
    LineId,
    LocationId,
    MovementId,
    OrderId,
    ReservationId,
    Sku,
    TenantId,
)
from omnihub.model.records import (
    ChannelAts,
    CommitReservation,
    ConsumeReservation,
    EventMeta,
    ExtendReservation,
    LevelDesired,
    MovementDesired,
    MovementKind,
    OrderReservations,
    ReleaseReservation,
    Reservation,
    ReservationChanged,
    ReserveStock,
    StockCounted,
    StockLevel,
    StockMoved,
    StockShortage,
    TimerDue,
)
from omnihub.model.time import DAY_US, MINUTE_US
from omnihub.rules.policy import Channel, LevelRoute, MovementRoute, StockPolicy
from omnihub.rules.promises import FORGET_AFTER_US, ORDER_INBOX, RESERVATION_TOPIC
from omnihub.rules.rehearsal import Rehearsal
from omnihub.rules.stock import StockRule

TENANT, SKU, WEB, ERP = TenantId("t"), Sku("apple"), ChannelId("WEB"), InstanceId("erp")
ANNEX, DEPOT, SHOP = LocationId("annex"), LocationId("depot"), LocationId("shop")
TTL_US = 15 * MINUTE_US
POLICY = StockPolicy(
    channels=(Channel(WEB, frozenset({SHOP, DEPOT})),),
    levels=(LevelRoute(InstanceId("store"), WEB),),
    movements=(MovementRoute(ERP, frozenset({SHOP})),),
)


class Desk(Rehearsal):
    """The stock rule with a clock, in the words of these tests; quantities are whole units."""

    def __init__(self, policy=POLICY):
        super().__init__(StockRule(policy))
        self.now_us = DAY_US
        self.told = 0

    def tell(self, record):
        """Let the rule handle one record now; return what it replied to the order."""
        emitted = self.play(record, at_us=self.now_us)
        return [record for topic, record in emitted if topic == ORDER_INBOX]

    def meta(self, event_id=None):
        self.told += 1
        return EventMeta(
            tenant=TENANT, event_id=EventId(event_id or f"e{self.told}"), cause_id="c",
            source=InstanceId("till"), entity="e", occurred_at_us=self.now_us,
            accepted_at_us=self.now_us,
        )  # fmt: skip

    def count(self, at, units):
        self.now_us += 1
        counted = StockCounted(
            meta=self.meta(), count_id=f"c{self.now_us}", sku=SKU, location=at,
            quantity_milli=units * 1000, as_of_us=self.now_us,
        )  # fmt: skip
        self.tell(counted)
        self.now_us += 1

    def sale(self, units, at=SHOP, order="o1", name=None, kind=MovementKind.SALE):
        meta = self.meta()
        return StockMoved(
            meta=meta, movement_id=MovementId(name or meta.event_id), sku=SKU, kind=kind,
            from_location=at, quantity_milli=units * 1000, order_id=order and OrderId(order),
        )  # fmt: skip

    def reserve(self, name, units, *at, order="o1", channel=WEB):
        request = ReserveStock(
            meta=self.meta(), reservation_id=ReservationId(name), order_id=OrderId(order),
            line_id=LineId(name), sku=SKU, channel=channel, locations=at,
            quantity_milli=units * 1000, expires_at_us=self.now_us + TTL_US,
        )  # fmt: skip
        return self.tell(request)

    def ask(self, kind, name="r", order="o1", **fields):
        request = kind(
            meta=self.meta(), reservation_id=ReservationId(name), order_id=OrderId(order), sku=SKU,
            **fields,
        )  # fmt: skip
        return self.tell(request)

    def extend(self, name="r", by_us=TTL_US):
        return self.ask(ExtendReservation, name, expires_at_us=self.now_us + by_us)

    def commit(self, name="r", **fields):
        return self.ask(CommitReservation, name, **fields)

    def release(self, name="r"):
        return self.ask(ReleaseReservation, name, reason="cancelled")

    def consume(self, units, name="r"):
        return self.ask(ConsumeReservation, name, quantity_milli=units * 1000)

    def advance(self, by_us):
        """Let timers come due, as the engine does: a `TimerDue` each, and its row is gone."""
        self.now_us += by_us
        for (name, timer_id), (key, due_at_us) in sorted(self.timers.items(), key=lambda t: t[1]):
            if due_at_us <= self.now_us:
                del self.timers[name, timer_id]
                at = {"due_at_us": due_at_us, "fired_at_us": self.now_us}
                self.tell(TimerDue(name=name, key=key, timer_id=timer_id, **at))

    def reservation(self, name="r"):
        return self.rows.get(Reservation, f"{TENANT}:{SKU}:{name}")

    def status(self, name="r"):
        return self.reservation(name).status.value

    def units(self, at=SHOP):
        """Return on hand, held, committed and available to sell of one place."""
        level = self.rows.get(StockLevel, f"{TENANT}:{SKU}:{at}")
        milli = (level.on_hand_milli, level.held_milli, level.committed_milli, level.ats_milli)
        return tuple(each / 1000 for each in milli)

    def channel_units(self):
        return self.rows.get(ChannelAts, f"{TENANT}:{SKU}:{WEB}").ats_milli / 1000


@pytest.fixture
def desk():
    """Ten in the shop, four in the depot."""
    desk = Desk()
    desk.count(SHOP, 10)
    desk.count(DEPOT, 4)
    return desk


def bring_to(desk, status):
    """Bring reservation r, of two units in the shop, to a status."""
    if status == "REFUSED":
        desk.reserve("r", 99, SHOP)
        return
    desk.reserve("r", 2, SHOP)
    if status in ("COMMITTED", "CONSUMED"):
        desk.commit()
    if status == "CONSUMED":
        desk.consume(2)
    if status == "RELEASED":
        desk.release()
    if status == "EXPIRED":
        desk.advance(TTL_US)
    assert desk.status() == status


ALL = ("HELD", "REFUSED", "COMMITTED", "CONSUMED", "RELEASED", "EXPIRED")
FINAL = ("REFUSED", "CONSUMED", "RELEASED", "EXPIRED")
KEPT = {"HELD": (10, 2, 0, 8), "COMMITTED": (10, 0, 2, 8), "CONSUMED": (8, 0, 0, 8)}
FREE = (10, 0, 0, 10)


# -- granting --------------------------------------------------------------------------------------


def test_a_hold_takes_from_what_place_and_channel_may_sell(desk):
    [reply] = desk.reserve("r", 2, SHOP)
    assert (reply.status.value, reply.location, reply.quantity_milli) == ("HELD", SHOP, 2000)
    assert reply.expires_at_us == desk.now_us + TTL_US
    assert desk.units(SHOP) == (10, 2, 0, 8)
    assert desk.channel_units() == 12


def test_a_change_is_told_as_event_state_and_reply_and_to_the_web_store(desk):
    [reply] = desk.reserve("r", 2, SHOP)
    assert desk.emitted_to(StockRule.events)[-1] == reply
    assert desk.emitted_to(RESERVATION_TOPIC) == [desk.reservation()]
    told = desk.emitted_to("omni.outbound.inbox.v1")
    assert [t.quantity_milli for t in told if isinstance(t, LevelDesired)][-1] == 12_000


def test_the_first_candidate_that_has_it_all_is_taken(desk):
    assert desk.reserve("a", 5, DEPOT, SHOP)[0].location == SHOP
    assert desk.reserve("b", 4, DEPOT, SHOP)[0].location == DEPOT


def test_without_candidates_the_channels_own_places_are_tried_by_name(desk):
    assert [desk.reserve(f"r{n}", 3)[0].location for n in range(2)] == [DEPOT, SHOP]


@pytest.mark.parametrize("at", [(DEPOT,), (ANNEX,), (LocationId("nowhere"),)])
def test_what_no_candidate_can_spare_is_refused(desk, at):
    desk.count(ANNEX, 50)  # Not a place of the channel.
    [reply] = desk.reserve("r", 5, *at)
    assert (reply.status.value, reply.reason) == ("REFUSED", "not_enough_stock")
    assert reply.location is None
    assert desk.units(DEPOT) == (4, 0, 0, 4)


def test_the_buffer_of_the_channel_is_never_granted():
    desk = Desk(StockPolicy(channels=(Channel(WEB, frozenset({SHOP}), buffer_milli=9_000),)))
    desk.count(SHOP, 10)
    assert [desk.reserve(f"r{n}", 1, SHOP)[0].status.value for n in range(2)] == ["HELD", "REFUSED"]


def test_a_channel_nobody_set_up_is_refused(desk):
    [reply] = desk.reserve("r", 1, SHOP, channel=ChannelId("fax"))
    assert (reply.status.value, reply.reason) == ("REFUSED", "unknown_channel")


@pytest.mark.parametrize("units", [0, -1])
def test_a_quantity_of_nothing_is_rejected(desk, units):
    with pytest.raises(RejectedError, match="bad_quantity"):
        desk.reserve("r", units, SHOP)
    bring_to(desk, "COMMITTED")
    with pytest.raises(RejectedError, match="bad_quantity"):
        desk.consume(units)


# -- every request in every state ------------------------------------------------------------------


@pytest.mark.parametrize("status", ALL)
def test_a_request_to_reserve_told_again_is_answered_with_what_is(desk, status):
    bring_to(desk, status)
    before = desk.reservation()
    [reply] = desk.reserve("r", 2, SHOP)
    assert reply.status.value == status
    assert desk.reservation() == before
    assert desk.units() == KEPT.get(status, FREE)


@pytest.mark.parametrize("status", ALL)
def test_an_answer_given_again_is_no_public_event(desk, status):
    bring_to(desk, status)
    told = len(desk.emitted_to(StockRule.events))
    desk.reserve("r", 2, SHOP)
    assert len(desk.emitted_to(StockRule.events)) == told


@pytest.mark.parametrize(
    ("status", "then"),
    [
        ("HELD", "COMMITTED"),
        ("COMMITTED", "COMMITTED"),
        ("CONSUMED", "CONSUMED"),
        ("REFUSED", "REFUSED"),
        ("RELEASED", "COMMITTED"),
        ("EXPIRED", "COMMITTED"),
    ],
)
def test_commit(desk, status, then):
    bring_to(desk, status)
    [reply] = desk.commit()
    assert (reply.status.value, desk.status()) == (then, then)
    assert desk.units() == KEPT.get(then, FREE)


@pytest.mark.parametrize("status", ["RELEASED", "EXPIRED"])
def test_a_commit_too_late_is_refused_once_the_goods_are_gone(desk, status):
    bring_to(desk, status)
    desk.reserve("other", 9, SHOP, order="o2")
    [reply] = desk.commit()
    assert (reply.status.value, reply.reason) == ("REFUSED", "not_enough_stock")
    assert desk.units() == (10, 9, 0, 1)
    assert desk.commit()[0].status.value == "REFUSED"


def test_a_promise_has_no_deadline(desk):
    bring_to(desk, "COMMITTED")
    desk.advance(100 * DAY_US)
    assert (desk.status(), desk.reservation().expires_at_us) == ("COMMITTED", None)


@pytest.mark.parametrize(
    ("status", "then"),
    [("HELD", "RELEASED"), ("COMMITTED", "RELEASED"), *((each, each) for each in FINAL)],
)
def test_release(desk, status, then):
    bring_to(desk, status)
    assert [desk.release()[0].status.value for _ in range(2)] == [then, then]
    assert desk.units() == KEPT.get(then, FREE)


def test_a_release_keeps_its_reason(desk):
    bring_to(desk, "RELEASED")
    assert desk.reservation().reason == "cancelled"
    assert desk.emitted_to(ORDER_INBOX)[-1].reason == "cancelled"


def test_a_hold_expires_at_its_time_and_not_before(desk):
    bring_to(desk, "HELD")
    desk.advance(TTL_US - 1)
    assert desk.status() == "HELD"
    desk.advance(1)
    assert desk.status() == "EXPIRED"
    assert desk.units() == FREE
    assert desk.emitted_to(ORDER_INBOX)[-1].status.value == "EXPIRED"


def test_a_hold_that_is_extended_expires_at_its_new_time_alone(desk):
    bring_to(desk, "HELD")
    desk.extend(by_us=2 * TTL_US)
    desk.advance(2 * TTL_US - 1)
    assert desk.status() == "HELD"
    desk.advance(1)
    assert desk.status() == "EXPIRED"


def test_a_deadline_never_moves_back(desk):
    bring_to(desk, "HELD")
    until_us = desk.reservation().expires_at_us
    assert desk.extend(by_us=1)[0].expires_at_us == until_us
    assert desk.reservation().expires_at_us == until_us


def test_a_due_timer_of_an_earlier_deadline_is_ignored(desk):
    bring_to(desk, "HELD")
    [((name, timer_id), (key, due_at_us))] = desk.timers.items()
    desk.extend(by_us=2 * TTL_US)
    due = {"due_at_us": due_at_us, "fired_at_us": due_at_us}
    desk.tell(TimerDue(name=name, key=key, timer_id=timer_id, **due))
    assert desk.status() == "HELD"


@pytest.mark.parametrize("status", [each for each in ALL if each != "HELD"])
def test_only_a_hold_can_be_extended(desk, status):
    bring_to(desk, status)
    with pytest.raises(RejectedError, match="illegal_transition"):
        desk.extend(by_us=9 * TTL_US)
    assert desk.status() == status


@pytest.mark.parametrize("status", ["HELD", "REFUSED", "RELEASED", "EXPIRED"])
def test_only_a_promise_can_be_consumed_by_request(desk, status):
    bring_to(desk, status)
    with pytest.raises(RejectedError, match="illegal_transition"):
        desk.consume(2)
    assert desk.status() == status
    assert desk.units() == KEPT.get(status, FREE)


@pytest.mark.parametrize("kind", ["extend", "commit", "release"])
def test_what_was_never_reserved_is_rejected(desk, kind):
    with pytest.raises(RejectedError, match="unknown_reservation"):
        getattr(desk, kind)("never")


def test_an_order_cannot_touch_the_reservation_of_another(desk):
    bring_to(desk, "HELD")
    with pytest.raises(RejectedError, match="other_order"):
        desk.commit(order="o2")
    assert desk.status() == "HELD"


# -- goods that leave ------------------------------------------------------------------------------


def test_consuming_books_the_sale_and_ends_the_promise_in_one_change(desk):
    bring_to(desk, "COMMITTED")
    seq = desk.rows.get(StockLevel, f"{TENANT}:{SKU}:{SHOP}").seq
    [reply] = desk.consume(2)
    assert reply.status.value == "CONSUMED"
    assert desk.units() == (8, 0, 0, 8)
    assert desk.rows.get(StockLevel, f"{TENANT}:{SKU}:{SHOP}").seq == seq + 1
    [sale] = [e for e in desk.emitted_to(StockRule.events) if isinstance(e, StockMoved)]
    assert (sale.kind, sale.from_location, sale.order_id) == (MovementKind.SALE, SHOP, "o1")


def test_the_erp_hears_of_a_consumed_promise_as_of_any_movement(desk):
    bring_to(desk, "CONSUMED")
    told = desk.emitted_to("omni.outbound.inbox.v1")
    moves = [t for t in told if isinstance(t, MovementDesired)]
    assert [(t.instance, t.from_location, t.quantity_milli) for t in moves] == [(ERP, SHOP, 2000)]


def test_consuming_twice_books_once(desk):
    bring_to(desk, "CONSUMED")
    [reply] = desk.consume(2)
    assert reply.status.value == "CONSUMED"
    assert desk.units() == (8, 0, 0, 8)


def test_a_part_consumed_leaves_the_rest_promised(desk):
    bring_to(desk, "COMMITTED")
    [reply] = desk.consume(1)
    assert (reply.status.value, reply.quantity_milli) == ("COMMITTED", 1000)
    assert desk.units() == (9, 0, 1, 8)


def test_the_same_request_to_consume_a_part_books_it_once(desk):
    bring_to(desk, "COMMITTED")
    request = ConsumeReservation(
        meta=desk.meta("once"), reservation_id=ReservationId("r"), order_id=OrderId("o1"), sku=SKU,
        quantity_milli=1000,
    )  # fmt: skip
    replies = [desk.tell(request)[0].quantity_milli for _ in range(2)]
    assert replies == [1000, 1000]
    assert desk.units() == (9, 0, 1, 8)


def test_consuming_one_line_leaves_the_other_line_of_the_order(desk):
    for name in ("a", "b"):
        desk.reserve(name, 2, SHOP)
        desk.commit(name)
    desk.consume(3, "b")
    assert (desk.status("a"), desk.status("b")) == ("COMMITTED", "CONSUMED")
    assert desk.units() == (8, 0, 2, 6)


def test_a_request_for_the_whole_books_only_what_the_till_left_of_it(desk):
    bring_to(desk, "COMMITTED")
    desk.tell(desk.sale(1))
    assert desk.consume(2)[0].status.value == "CONSUMED"
    assert desk.units() == (8, 0, 0, 8)


def test_a_till_sale_of_the_order_consumes_its_promise(desk):
    bring_to(desk, "COMMITTED")
    [reply] = desk.tell(desk.sale(2))
    assert reply.status.value == "CONSUMED"
    assert desk.units() == (8, 0, 0, 8)


def test_a_till_sale_consumes_a_mere_hold_and_its_timer(desk):
    bring_to(desk, "HELD")
    desk.tell(desk.sale(2))
    desk.advance(TTL_US)
    assert desk.status() == "CONSUMED"
    assert desk.units() == (8, 0, 0, 8)


def test_a_till_sale_takes_promises_before_holds(desk):
    desk.reserve("held", 2, SHOP)
    desk.reserve("promised", 2, SHOP)
    desk.commit("promised")
    desk.tell(desk.sale(3))
    assert (desk.status("promised"), desk.status("held")) == ("CONSUMED", "HELD")
    assert desk.units() == (7, 1, 0, 6)


def test_a_hold_that_is_partly_sold_still_expires(desk):
    bring_to(desk, "HELD")
    desk.tell(desk.sale(1))
    assert desk.units() == (9, 1, 0, 8)
    desk.advance(TTL_US)
    assert desk.units() == (9, 0, 0, 9)


def test_a_sale_of_more_than_was_promised_is_a_fact(desk):
    bring_to(desk, "COMMITTED")
    desk.tell(desk.sale(5))
    assert desk.units() == (5, 0, 0, 5)


def test_a_consumed_sale_does_not_let_the_web_store_see_less_in_between(desk):
    bring_to(desk, "COMMITTED")
    told = len(desk.emitted_to("omni.stock.channel.state.v1"))
    desk.tell(desk.sale(2))
    assert len(desk.emitted_to("omni.stock.channel.state.v1")) == told


@pytest.mark.parametrize("order", [None, "o2"])
def test_a_sale_for_nobody_or_another_order_consumes_nothing(desk, order):
    bring_to(desk, "COMMITTED")
    desk.tell(desk.sale(2, order=order))
    assert desk.units() == (8, 0, 2, 6)


def test_a_sale_elsewhere_consumes_nothing_here(desk):
    bring_to(desk, "COMMITTED")
    desk.tell(desk.sale(2, at=DEPOT))
    assert desk.status() == "COMMITTED"


def test_only_a_sale_consumes(desk):
    bring_to(desk, "COMMITTED")
    desk.tell(desk.sale(1, kind=MovementKind.DAMAGE))
    sent = msgspec.structs.replace(
        desk.sale(1, kind=MovementKind.TRANSFER), to_location=LocationId("depot")
    )
    desk.tell(sent)
    assert desk.units() == (8, 0, 2, 6)


def test_a_till_sale_told_again_consumes_once(desk):
    bring_to(desk, "COMMITTED")
    sale = desk.sale(1)
    desk.tell(sale)
    assert desk.tell(sale) == []
    assert desk.units() == (9, 0, 1, 8)


def test_a_sale_from_before_a_count_consumes_once_although_the_count_has_seen_it(desk):
    bring_to(desk, "COMMITTED")
    sale = desk.sale(1)
    desk.count(SHOP, 9)
    for _ in range(2):
        desk.tell(sale)
    assert desk.units() == (9, 0, 1, 8)


def test_a_collection_after_the_till_told_it_is_no_second_sale(desk):
    bring_to(desk, "COMMITTED")
    desk.tell(desk.sale(2))
    assert desk.consume(2)[0].status.value == "CONSUMED"
    assert desk.units() == (8, 0, 0, 8)


def test_a_count_below_what_is_promised_is_told_as_a_shortage(desk):
    bring_to(desk, "COMMITTED")
    desk.count(SHOP, 1)
    [short] = [e for e in desk.emitted_to(StockRule.events) if isinstance(e, StockShortage)]
    assert short.missing_milli == 1000
    assert desk.units() == (1, 0, 2, 0)


# -- forgetting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", FINAL)
def test_a_closed_reservation_is_forgotten_in_time_but_not_in_the_state_topic(desk, status):
    bring_to(desk, status)
    desk.advance(FORGET_AFTER_US - 1)
    assert desk.status() == status
    desk.advance(1)
    assert desk.reservation() is None
    assert desk.rows.get(OrderReservations, f"{TENANT}:{SKU}:o1") is None
    assert desk.timers == {}
    assert desk.emitted_to(RESERVATION_TOPIC)[-1].status.value == status


def test_a_reservation_granted_anew_is_not_forgotten(desk):
    bring_to(desk, "EXPIRED")
    desk.commit()
    desk.advance(10 * FORGET_AFTER_US)
    desk.tell(desk.sale(2))
    assert desk.status() == "CONSUMED"


def test_each_word_on_a_reservation_has_an_id_of_its_own(desk):
    bring_to(desk, "CONSUMED")
    told = [e for e in desk.emitted_to(StockRule.events) if isinstance(e, ReservationChanged)]
    assert [each.status.value for each in told] == ["HELD", "COMMITTED", "CONSUMED"]
    assert len({each.meta.event_id for each in told}) == 3


def test_a_deadline_waits_where_the_requests_about_its_reservation_wait(desk):
    desk.count(SHOP, 5)
    desk.reserve("r", 2)
    [((name, timer_id), (key, due_at_us))] = desk.timers.items()
    due = TimerDue(
        name=name, key=key, timer_id=timer_id, due_at_us=due_at_us, fired_at_us=due_at_us
    )
    told = {"order_id": OrderId("o1"), "reservation_id": ReservationId("r"), "sku": SKU}
    commit = CommitReservation(meta=desk.meta(), **told)
    assert desk.handler.park_key(due) == desk.handler.park_key(commit)
