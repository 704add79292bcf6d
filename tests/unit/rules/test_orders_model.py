"""Orders and stock on the real engine in memory, whatever is asked, repeated, killed or slept over.

What must hold at every rest: an open order has a timer, a closed one has none; goods are promised
only for lines that say so, and never more than there are. At the end nothing is left behind.
"""

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from orders_world import (
    APPLE,
    DEPOT,
    HOLD_S,
    NORTH,
    ONE,
    PEAR,
    PICKUP,
    SOUTH,
    TENANT,
    World,
    line,
)

from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import STAGES, Crash
from omnihub.model.records import OrderIntent, PaymentState

STORY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CONFIRMED = ("CONFIRMED", "IN_FULFILMENT", "PARTIALLY_FULFILLED")
CLOSED = ("COMPLETED", "CANCELLED", "REFUSED")
OVER = ("REFUSED", "CONSUMED", "RELEASED")
TOPICS, CODEC = Topics.load(counts={"default": 2}), Codec.offline()
ORDERS = ("1", "2", "3")
STOCK = {"apple": {"depot": 2, "north": 1}, "pear": {"south": 1}}
LINES = (
    (line("a"),),
    (line("a", milli=2 * ONE),),
    (line("a"), line("b", PEAR, at=SOUTH)),
    (line("a", kind=PICKUP, at=NORTH),),
    (line("a", milli=2 * ONE), line("b", kind=PICKUP, at=NORTH), line("c", PEAR, 2 * ONE)),
)
TOLD = ("PICKING", "PACKED", "READY_FOR_PICKUP", "COLLECTED", "SHIPPED", "DELIVERED", "CANCELLED")

names = st.sampled_from(ORDERS)
placing = st.tuples(
    st.just("place"),
    names,
    st.sampled_from(LINES),
    st.sampled_from([PaymentState.UNPAID, PaymentState.PAID]),
    st.sampled_from([OrderIntent.PLACE, OrderIntent.PLACE, *OrderIntent]),
    st.sampled_from([None, 1, 2]),
)
step = st.one_of(
    placing,
    st.tuples(st.just("cancel"), names),
    st.tuples(
        st.just("report"), names, st.sampled_from([DEPOT, NORTH, SOUTH]), st.sampled_from(TOLD)
    ),
    st.tuples(st.just("pay"), names, st.sampled_from(["CAPTURED", "REFUNDED", "FAILED"])),
    st.tuples(st.just("sell"), names, st.sampled_from([DEPOT, NORTH, SOUTH])),
    st.tuples(st.just("wait"), st.sampled_from([1, HOLD_S // 2, HOLD_S + 1, 4 * HOLD_S, 604_801])),
    st.tuples(st.just("crash"), st.sampled_from(STAGES), st.integers(1, 6)),
    st.just(("run",)),
    st.just(("run",)),
)


class Story(World):
    """Tells a story step by step; runs only where the story says so, through every crash."""

    def __init__(self, batch_records=100):
        super().__init__(topics=TOPICS, codec=CODEC, batch_records=batch_records, **STOCK)
        self.sold = 0

    def act(self, step):
        match step:
            case ("place", name, lines, pay, intent, version):
                self.place(*lines, name=name, pay=pay, intent=intent, version=version, run=False)
            case ("cancel", name):
                self.cancel(name, run=False)
            case ("report", name, place, status):
                self.report(status, place, name, run=False)
            case ("pay", name, kind):
                self.pay(kind, 250, name, payment=f"p{name}", run=False)
            case ("sell", name, place):
                self.sold += 1
                sku = PEAR if place == SOUTH else APPLE
                self.sell(f"receipt-{self.sold}", sku, place, order=name, run=False)
            case ("wait", seconds):
                self.driver.now_us += seconds * 1_000_000
            case ("crash", stage, n):
                self.driver.crash_at(stage, n)
            case ("run",):
                self.rest()

    def rest(self):
        while True:
            try:
                self.driver.run()
                return
            except Crash:
                self.driver.restart()

    def wait_out(self):
        """Let every deadline pass and take back what is still open."""
        for _ in range(3):
            self.driver.now_us += (HOLD_S + 1) * 1_000_000
            self.rest()
        for order in self.orders():
            self.cancel(order.order_id, run=False)
        self.rest()


def check_rest(world):
    is_open = {f"{TENANT}:{o.order_id}" for o in world.orders() if o.status.value not in CLOSED}
    armed = {key.removeprefix("order:") for key in world.timers()}
    assert armed == is_open, "an open order has a deadline, a closed one none"
    bound = {}
    for order in world.orders():
        is_closed = order.status.value in CLOSED
        assert (order.waiting_on is None) == is_closed
        for each in order.lines:
            if is_closed or order.status.value in CONFIRMED:
                promised = OVER if is_closed else ("COMMITTED", *OVER)
                assert each.status.value in promised
            if each.status.value not in OVER:
                bound[each.reservation_id] = each.status.value
    for each in world.reservations():
        if each.status.value in ("HELD", "COMMITTED"):
            assert bound.get(each.reservation_id) == each.status.value, "goods nobody waits for"


def check_nothing_is_promised_that_is_not_there(world):
    """Without tills, which may take what was promised, every promise can be kept."""
    for level in world.driver.state("omni.stock.state.v1").values():
        assert level.on_hand_milli >= level.held_milli + level.committed_milli


@given(
    st.lists(placing, min_size=1, max_size=4),
    st.lists(step, min_size=4, max_size=30),
    st.sampled_from([1, 3, 100]),
)
@STORY
def test_any_story_leaves_no_order_without_a_deadline_and_no_goods_behind(
    placings, steps, batch_records
):
    world = Story(batch_records)
    for each in (*placings, *steps):
        world.act(each)
        if each == ("run",):
            check_rest(world)
    world.rest()
    for order in world.orders():
        event(f"{order.status.value} {order.reason}")
    check_rest(world)
    if not world.sold:
        check_nothing_is_promised_that_is_not_there(world)
    world.wait_out()
    check_rest(world)
    assert [o.order_id for o in world.orders() if o.status.value not in CLOSED] == []
    assert world.promised_milli() == 0
    assert world.driver.state("omni.hospital.state.v1") == {}


@given(st.lists(st.sampled_from(["1", "2", "3", "4"]), min_size=2, max_size=8), st.data())
@STORY
def test_buyers_of_the_last_unit_are_one_confirmed_and_the_others_refused(buyers, data):
    world = Story()
    for name in buyers:
        world.place(line("a", PEAR, at=SOUTH), name=name, run=False)
        if data.draw(st.booleans()):
            world.act(("crash", data.draw(st.sampled_from(STAGES)), data.draw(st.integers(1, 4))))
            world.rest()
    world.rest()
    statuses = sorted(world.status(name) for name in set(buyers))
    assert statuses == ["CONFIRMED"] + ["REFUSED"] * (len(set(buyers)) - 1)
    assert world.promised_milli() == ONE


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("n", range(1, 7))
def test_a_crash_anywhere_on_the_way_changes_nothing_that_is_told(stage, n):
    plain, crashed = Story(), Story()
    crashed.driver.crash_at(stage, n)
    for world in (plain, crashed):
        world.place(line("a"), line("b", PEAR, at=SOUTH), run=False)
        world.rest()
        world.report("SHIPPED", DEPOT, run=False)
        world.rest()
        world.report("SHIPPED", SOUTH, run=False)
        world.rest()
    assert crashed.steps() == plain.steps()
    assert crashed.order() == plain.order()
    assert crashed.promised_milli() == 0


def test_of_fifty_buyers_of_the_last_unit_one_is_confirmed():
    world = Story()
    for number in range(50):
        world.place(line("a", PEAR, at=SOUTH), name=str(number), run=False)
    world.rest()
    statuses = [order.status.value for order in world.orders()]
    assert sorted(statuses) == ["CONFIRMED", *["REFUSED"] * 49]
    assert world.promised_milli() == ONE
