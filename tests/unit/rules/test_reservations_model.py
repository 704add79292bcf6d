"""Reservations on the real engine in memory, against a model that looks at everything.

The judge replays the committed inbox, timers included, in the plainest words; what the rule told,
kept and published must be the same, whatever was repeated, killed or left lying in between.
"""

from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import STAGES, Crash, TestDriver
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
    MovementKind,
    ReleaseReservation,
    Reservation,
    ReservationChanged,
    ReserveStock,
    StockCounted,
    StockLevel,
    StockMoved,
    TimerDue,
)
from omnihub.model.time import SECOND_US
from omnihub.rules.policy import Channel, StockPolicy
from omnihub.rules.stock import StockRule

TENANT, SKU, WEB = TenantId("t"), Sku("apple"), ChannelId("WEB")
DEPOT, SHOP = LocationId("depot"), LocationId("shop")
PLACES = (DEPOT, SHOP)
INBOX, EVENTS, ORDERS = StockRule.inbox, StockRule.events, "omni.order.inbox.v1"
TTL_S = 60
BUFFER = 1
POLICY = StockPolicy(channels=(Channel(WEB, frozenset(PLACES), buffer_milli=BUFFER),))
TOPICS, CODEC = Topics.load(counts={"default": 1}), Codec.offline()
ENDED = ("REFUSED", "CONSUMED", "RELEASED", "EXPIRED")
STORY = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# -- what is told ----------------------------------------------------------------------------------


def meta(event_id, at_us):
    return EventMeta(
        tenant=TENANT, event_id=EventId(event_id), cause_id="c", source=InstanceId("test"),
        entity="e", occurred_at_us=at_us, accepted_at_us=at_us,
    )  # fmt: skip


def names(line):
    """Return the fields every request about a line has: orders have two lines each."""
    return {
        "reservation_id": ReservationId(f"r{line}"), "order_id": OrderId(f"o{line // 2}"),
        "sku": SKU,
    }  # fmt: skip


def reserve(name, at_us, line, milli, locations=(), ttl_s=TTL_S):
    return ReserveStock(
        meta=meta(name, at_us), line_id=LineId(f"l{line}"), channel=WEB, locations=locations,
        quantity_milli=milli, expires_at_us=at_us + ttl_s * SECOND_US, **names(line),
    )  # fmt: skip


def commit(name, at_us, line):
    return CommitReservation(meta=meta(name, at_us), **names(line))


def moved(name, at_us, milli, source, line=None):
    return StockMoved(
        meta=meta(name, at_us), movement_id=MovementId(name), sku=SKU, kind=MovementKind.SALE,
        from_location=source, quantity_milli=milli,
        order_id=None if line is None else OrderId(f"o{line // 2}"),
    )  # fmt: skip


def counted(name, at_us, milli, place):
    return StockCounted(
        meta=meta(name, at_us), count_id=name, sku=SKU, location=place, quantity_milli=milli,
        as_of_us=at_us,
    )  # fmt: skip


# -- the naive model -------------------------------------------------------------------------------


class Naive:
    """Every promise as a dict; levels are sums over all of them, taken anew each time."""

    def __init__(self):
        self.promises = {}
        self.counts = {}
        self.moves = {}
        self.settled = set()
        self.told = defaultdict(list)
        self.replies = []

    def replay(self, record):
        match record:
            case StockCounted():
                self.count(record)
            case StockMoved():
                self.move(record, record.quantity_milli)
            case TimerDue(name="hold"):
                self.expire(record)
            case ReserveStock():
                self.reserve(record)
            case TimerDue():
                pass
            case _ if record.reservation_id in self.promises:
                self.ask(record, self.promises[record.reservation_id])

    def count(self, count):
        known = self.counts.get(count.location, count)
        self.counts[count.location] = max(known, count, key=lambda c: (c.as_of_us, c.count_id))

    def counted_at_us(self, place):
        return self.counts[place].as_of_us if place in self.counts else -1

    def on_hand(self, place):
        count, since_us = self.counts.get(place), self.counted_at_us(place)
        moves = [m for m in self.moves.values() if m[0] == place and m[1] > since_us]
        return (count.quantity_milli if count else 0) - sum(milli for _, _, milli in moves)

    def kept(self, place, status):
        return sum(
            p["milli"]
            for p in self.promises.values()
            if p["place"] == place and p["status"] == status
        )

    def ats(self, place):
        kept = self.kept(place, "HELD") + self.kept(place, "COMMITTED")
        return max(0, self.on_hand(place) - kept)

    def can_spare(self, milli, places):
        if max(0, sum(map(self.ats, PLACES)) - BUFFER) < milli:
            return None
        return next((place for place in places if self.ats(place) >= milli), None)

    def become(self, name, status):
        self.promises[name]["status"] = status
        self.told[name].append((status, self.promises[name]["milli"]))
        self.answer(name)

    def answer(self, name):
        self.replies.append((name, self.promises[name]["status"], self.promises[name]["milli"]))

    def reserve(self, request):
        name = request.reservation_id
        if name in self.promises:
            return self.answer(name)
        place = self.can_spare(request.quantity_milli, request.locations or PLACES)
        self.promises[name] = {
            "milli": request.quantity_milli,
            "place": place,
            "due": request.expires_at_us,
            "order": request.order_id,
        }
        return self.become(name, "HELD" if place else "REFUSED")

    def ask(self, request, promise):
        name, status = request.reservation_id, promise["status"]
        match request:
            case ExtendReservation() if status == "HELD":
                if request.expires_at_us <= promise["due"]:
                    return self.answer(name)
                promise["due"] = request.expires_at_us
                return self.become(name, "HELD")
            case CommitReservation() if status == "HELD":
                return self.become(name, "COMMITTED")
            case CommitReservation() if status in ("RELEASED", "EXPIRED"):
                spared = self.can_spare(promise["milli"], [promise["place"]])
                return self.become(name, "COMMITTED" if spared else "REFUSED")
            case ReleaseReservation() if status in ("HELD", "COMMITTED"):
                return self.become(name, "RELEASED")
            case CommitReservation() | ReleaseReservation():
                return self.answer(name)
            case ConsumeReservation():
                return self.consume(request, promise)

    def consume(self, request, promise):
        name = request.reservation_id
        booked = f"consumed by {request.meta.event_id}"
        if promise["status"] == "CONSUMED" or booked in self.moves:
            self.answer(name)
        elif promise["status"] == "COMMITTED":
            took = self.take(name, request.quantity_milli)
            self.moves[booked] = (promise["place"], request.meta.occurred_at_us, took)

    def move(self, sale, milli):
        name, place, at_us = sale.movement_id, sale.from_location, sale.meta.occurred_at_us
        # What a count has seen is only remembered beside the promises of its order.
        is_in_ledger = name in self.moves and at_us > self.counted_at_us(place)
        if is_in_ledger or name in self.settled:
            return
        self.moves[name] = (place, at_us, milli)
        if any(p["order"] == sale.order_id and p["place"] for p in self.promises.values()):
            self.settled.add(name)
        for status in ("COMMITTED", "HELD"):
            for name, promise in self.promises.items():
                here = promise["place"] == sale.from_location
                if promise["order"] == sale.order_id and here and promise["status"] == status:
                    milli -= self.take(name, milli)

    def take(self, name, milli):
        promise = self.promises[name]
        took = min(milli, promise["milli"])
        if took and took < promise["milli"]:
            promise["milli"] -= took
            self.become(name, promise["status"])
        elif took:
            self.become(name, "CONSUMED")
        return took

    def expire(self, due):
        name = due.timer_id.rsplit(":", 1)[1]
        promise = self.promises[name]
        if promise["status"] == "HELD" and promise["due"] == due.due_at_us:
            self.become(name, "EXPIRED")


def judged(driver):
    """Return the model after the whole committed inbox, and fail on any difference to it."""
    model = Naive()
    for stored in driver.log.read(INBOX, 0):
        model.replay(driver.codec.decode(stored.value))
    told = defaultdict(list)
    for event in driver.records(EVENTS, ReservationChanged):
        told[event.reservation_id].append((event.status.value, event.quantity_milli))
    assert told == model.told
    replies = driver.records(ORDERS, ReservationChanged)
    assert [(r.reservation_id, r.status.value, r.quantity_milli) for r in replies] == model.replies
    states = driver.state("omni.reservation.state.v1").values()
    found = {r.reservation_id: (r.status.value, r.quantity_milli, r.location) for r in states}
    assert found == {
        name: (p["status"], p["milli"], p["place"]) for name, p in model.promises.items()
    }
    agree_on_levels(driver, model)
    return model


def agree_on_levels(driver, model):
    levels = {level.location: level for level in driver.state("omni.stock.state.v1").values()}
    for place, level in levels.items():
        assert level.on_hand_milli == model.on_hand(place)
        assert level.held_milli == model.kept(place, "HELD")
        assert level.committed_milli == model.kept(place, "COMMITTED")
        assert level.ats_milli == model.ats(place)
    for published in driver.records("omni.stock.state.v1", StockLevel):
        assert published.ats_milli >= 0
        assert min(published.held_milli, published.committed_milli) >= 0
    for ats in driver.records("omni.stock.channel.state.v1", ChannelAts):
        assert min(ats.pool_milli, ats.ats_milli) >= 0
    [pool] = driver.state("omni.stock.channel.state.v1").values() or [None]
    assert (pool.pool_milli if pool else 0) == sum(map(model.ats, PLACES))


# -- stories ---------------------------------------------------------------------------------------

lines = st.integers(0, 3)
units = st.integers(1, 4)
places = st.sampled_from(PLACES)
steps = st.one_of(
    st.tuples(st.just("reserve"), lines, units, st.sampled_from([(), (SHOP,), (SHOP, DEPOT)])),
    st.tuples(st.just("extend"), lines, st.sampled_from([TTL_S // 2, 3 * TTL_S])),
    st.tuples(st.sampled_from(["commit", "release"]), lines),
    st.tuples(st.just("consume"), lines, units),
    st.tuples(st.just("collect"), lines, units, places),
    st.tuples(st.just("sell"), units, places),
    st.tuples(st.just("count"), st.integers(0, 9), places),
    st.tuples(st.just("again"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([1, TTL_S // 2, TTL_S, 3 * TTL_S])),
    st.tuples(st.just("crash"), st.sampled_from(STAGES), st.integers(1, 3)),
    st.tuples(st.just("run")),
)


def worded(number, at_us, step):
    """Return the record that a step of a story stands for."""
    name = f"e{number}"
    match step:
        case "reserve", line, milli, locations:
            return reserve(name, at_us, line, milli, locations)
        case "extend", line, by_s:
            until_us = at_us + by_s * SECOND_US
            return ExtendReservation(meta=meta(name, at_us), expires_at_us=until_us, **names(line))
        case "commit", line:
            return commit(name, at_us, line)
        case "release", line:
            return ReleaseReservation(meta=meta(name, at_us), reason="test", **names(line))
        case "consume", line, milli:
            return ConsumeReservation(meta=meta(name, at_us), quantity_milli=milli, **names(line))
        case "collect", line, milli, place:
            return moved(name, at_us, milli, place, line)
        case "sell", milli, place:
            return moved(name, at_us, milli, place)
        case "count", milli, place:
            return counted(name, at_us, milli, place)


def survive(driver, act):
    """Act; should the process die of it, start it again and let it finish."""
    try:
        act()
    except Crash:
        driver.restart()
        driver.run()


def play(story, batch_records=3):
    driver = TestDriver([StockRule(POLICY)], TOPICS, codec=CODEC, batch_records=batch_records)
    told = []
    for number, step in enumerate([("count", 6, SHOP), ("count", 3, DEPOT), *story]):
        driver.now_us += 1000
        match step:
            case "wait", seconds:
                survive(driver, lambda by_s=seconds: driver.advance(by_s))
            case "crash", stage, n:
                driver.crash_at(stage, n)
            case ("run",):
                survive(driver, driver.run)
            case "again", which:
                driver.append(INBOX, told[which % len(told)])
            case _:
                told.append(worded(number, driver.now_us, step))
                driver.append(INBOX, told[-1])
    survive(driver, driver.run)
    return driver


@STORY
@given(st.lists(steps, min_size=10, max_size=50), st.integers(1, 5))
def test_promises_and_goods_are_conserved_over_all_interleavings(story, batch_records):
    judged(play(story, batch_records))


@STORY
@given(st.lists(steps, min_size=5, max_size=30))
def test_in_the_end_no_hold_is_left_and_none_expired_twice(story):
    driver = play(story)
    survive(driver, lambda: driver.advance(10 * TTL_S))
    model = judged(driver)
    assert all(p["status"] in (*ENDED, "COMMITTED") for p in model.promises.values())
    for name, told in model.told.items():
        ends = [status for status, _ in told]
        assert ends.count("EXPIRED") <= 1 + ends.count("COMMITTED"), name


@STORY
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=14),
    st.integers(0, 6),
    st.sampled_from(STAGES),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_of_many_who_want_the_last_units_exactly_as_many_get_one(wants, units, stage, n, batch):
    """`wants` are reservation ids in the order of their requests; repeated ones are duplicates."""
    policy = StockPolicy(channels=(Channel(WEB, frozenset(PLACES)),))
    driver = TestDriver([StockRule(policy)], TOPICS, codec=CODEC, batch_records=batch)
    driver.append(INBOX, counted("c", 1, units * 1000, SHOP))
    for number, line in enumerate(wants):
        driver.append(INBOX, reserve(f"e{number}", 2, line, 1000))
    driver.crash_at(stage, n)
    survive(driver, driver.run)
    states = driver.state("omni.reservation.state.v1").values()
    held = [r for r in states if isinstance(r, Reservation) and r.status.value == "HELD"]
    assert len(held) == min(len(set(wants)), units)
    assert len(driver.records(ORDERS, ReservationChanged)) == len(wants)


# -- the clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_records", [1, 7, 1000])
def test_commits_that_waited_through_twice_the_ttl_all_win(batch_records):
    driver = TestDriver([StockRule(POLICY)], TOPICS, codec=CODEC, batch_records=batch_records)
    driver.append(INBOX, counted("c", 0, 1_000_000, SHOP))
    for line in range(100):
        driver.append(INBOX, reserve(f"h{line}", driver.now_us, line, 1000))
    driver.run()
    for line in range(100):
        driver.append(INBOX, commit(f"c{line}", driver.now_us, line))
    driver.now_us += 2 * TTL_S * SECOND_US  # Nobody works meanwhile.
    driver.restart()
    driver.run()
    told = Counter(event.status.value for event in driver.records(EVENTS, ReservationChanged))
    assert told == {"HELD": 100, "COMMITTED": 100}


def test_a_commit_behind_its_expiry_in_the_log_is_granted_anew_while_there_is_stock():
    driver = TestDriver([StockRule(POLICY)], TOPICS, codec=CODEC)
    driver.append(INBOX, counted("c", 0, 2 + BUFFER, SHOP))
    driver.append(INBOX, reserve("h0", 0, 0, 2))
    driver.advance(TTL_S)
    driver.append(INBOX, commit("c0", driver.now_us, 0))
    driver.run()
    told = [event.status.value for event in driver.records(EVENTS, ReservationChanged)]
    assert told == ["HELD", "EXPIRED", "COMMITTED"]


@pytest.mark.parametrize("stage", STAGES)
def test_thousands_of_holds_expire_once_each_also_around_a_crash(stage):
    driver = TestDriver([StockRule(POLICY)], TOPICS, codec=CODEC, batch_records=500)
    driver.append(INBOX, counted("c", 0, 9_000_000, SHOP))
    for line in range(2_000):
        driver.append(INBOX, reserve(f"h{line}", 0, line, 1))
    driver.run()
    driver.crash_at(stage, 2)
    survive(driver, lambda: driver.advance(TTL_S))
    told = [e for e in driver.records(EVENTS, ReservationChanged) if e.status.value == "EXPIRED"]
    assert len(told) == len({each.reservation_id for each in told}) == 2_000
