"""Bulk waits while live lags, goes on after, and comes in portions."""

from dataclasses import dataclass

import pytest

from omnihub.engine.lanes import (
    CHUNK_RECORDS,
    HELD_RECORDS,
    IDLE_AFTER_S,
    IDLE_WORK_S,
    LIVE_LAG_S,
    PORTION_LEAST,
    PORTION_MOST,
    SHARE_S,
    WORK_S,
    BulkLane,
    Meter,
)

BULK, LIVE = "omni.entity.diary.bulk.v1", "omni.entity.diary.v1"


@dataclass(frozen=True)
class Sent:
    at: str
    number: int
    body: bytes = b"x"

    def topic(self):
        return self.at

    def value(self):
        return self.body


class Reading:
    """A consumer that notes what it may fetch."""

    def __init__(self):
        self.acts = []

    def pause(self, places):
        self.acts.append(("pause", len(places)))

    def resume(self, places):
        self.acts.append(("resume", len(places)))


class World:
    """One lane, its consumer and a clock that moves with the work."""

    def __init__(self, cost_s=0.0):
        self.now_s, self.cost_s, self.done, self.chunks = 100.0, cost_s, [], []
        self.reading = Reading()
        self.lane = BulkLane({BULK})
        self.lane.delivered(self.reading, [(BULK, 0), (BULK, 1), (LIVE, 0)])
        self.reading.acts.clear()

    def drained(self):
        self.lane.meter.drained_at_s = self.now_s

    def fresh(self):
        self.lane.meter.saw(0.0, self.now_s)

    def hold(self, count, body=b"x"):
        return self.lane.sort_out([Sent(BULK, number, body) for number in range(count)])

    def process(self, chunk):
        self.done += [sent.number for sent in chunk]
        self.chunks.append(len(chunk))
        self.now_s += self.cost_s * len(chunk)

    def work(self, commit_in_s=0.0):
        return self.lane.work(self.process, lambda: self.now_s, self.now_s + commit_in_s)

    def steer(self):
        self.lane.steer(self.reading, self.now_s)


@pytest.fixture
def world():
    made = World()
    made.drained()
    made.fresh()
    return made


def test_live_records_pass_and_bulk_is_held(world):
    live = [Sent(LIVE, 1), Sent(LIVE, 2)]
    assert world.lane.sort_out([Sent(BULK, 1), live[0], Sent(BULK, 2), live[1]]) == live
    assert world.lane.waiting == 2


def test_bulk_waits_while_live_lags_and_goes_on_after(world):
    world.hold(5)
    world.now_s += LIVE_LAG_S
    assert world.work() == 0
    world.drained()
    assert world.work() == 5
    assert world.done == [0, 1, 2, 3, 4]


def test_a_worker_that_never_read_everything_live_reads_no_bulk():
    world = World()
    world.hold(5)
    world.steer()
    assert world.work() == 0
    assert world.reading.acts == []  # Paused since its partitions were given.


def test_a_portion_is_bounded_in_records(world):
    world.hold(1_000)
    assert world.work() == PORTION_LEAST
    world.lane.meter.portion = 100
    world.done.clear()
    assert world.work() == 100
    assert world.done == list(range(PORTION_LEAST, PORTION_LEAST + 100))
    assert max(world.chunks) == CHUNK_RECORDS


def test_a_portion_is_bounded_in_time(world):
    world.cost_s = 0.004
    world.lane.meter.portion = 1_000
    world.hold(1_000)
    world.lane.sort_out([])
    began_s = world.now_s
    world.work()
    assert world.now_s - began_s <= SHARE_S + CHUNK_RECORDS * world.cost_s


def test_the_pause_until_the_next_commit_is_used(world):
    world.cost_s = 0.001
    world.lane.meter.portion = 1_000
    world.hold(1_000, b"x" * 20_000)
    assert world.work(commit_in_s=0.1) == 100


def test_a_large_record_is_a_chunk_of_its_own(world):
    world.hold(3, b"x" * 100_000)
    world.work()
    assert world.chunks == [1, 1, 1]


def test_nothing_more_is_fetched_than_can_be_held(world):
    world.steer()
    assert world.reading.acts == [("resume", 2)]
    world.hold(HELD_RECORDS)
    world.steer()
    assert world.reading.acts == [("resume", 2), ("pause", 2)]
    world.lane.meter.portion = HELD_RECORDS
    world.work()
    world.steer()
    assert world.reading.acts[-1] == ("resume", 2)


def test_nothing_is_fetched_while_live_lags(world):
    world.steer()
    world.now_s += LIVE_LAG_S
    world.steer()
    assert world.reading.acts == [("resume", 2), ("pause", 2)]


def test_what_was_held_is_forgotten_with_the_tasks(world):
    world.hold(5)
    world.lane.forget()
    assert world.lane.waiting == 0
    assert world.work() == 0


def test_a_worker_without_bulk_partitions_pauses_nothing():
    reading, lane = Reading(), BulkLane({BULK})
    lane.delivered(reading, [(LIVE, 0)])
    lane.steer(reading, 0.0)
    assert reading.acts == []
    assert lane.partitions == 0


def test_portions_shrink_when_turns_get_long_and_grow_when_they_are_short():
    meter = Meter(portion=100, fresh_at_s=0.0)
    meter.turned(WORK_S * 1.1, worked=100, now_s=1.0)
    assert meter.portion == 70
    meter.turned(WORK_S * 0.9, worked=70, now_s=1.0)
    assert meter.portion == 78
    meter.turned(WORK_S * 0.9, worked=3, now_s=1.0)  # Not used up: says nothing about more.
    assert meter.portion == 78


def test_bulk_never_starves_and_never_takes_all():
    meter = Meter(fresh_at_s=0.0)
    for _ in range(100):
        meter.turned(9.0, worked=10, now_s=1.0)
    assert meter.portion == PORTION_LEAST
    for _ in range(1_000):
        meter.turned(0.0, worked=meter.portion, now_s=1.0)
    assert meter.portion == PORTION_MOST


def test_an_idle_hub_works_in_long_turns_until_something_fresh_comes():
    meter = Meter(portion=PORTION_LEAST)
    assert meter.is_idle(0.0)
    for _ in range(100):
        meter.turned(IDLE_WORK_S * 0.9, worked=meter.portion, now_s=0.0)
    assert meter.portion == PORTION_MOST
    meter.saw(60.0, 1.0)  # Backfill that waited a minute: nothing fresh.
    assert meter.portion == PORTION_MOST
    meter.saw(0.2, 2.0)
    assert meter.portion == PORTION_LEAST
    assert not meter.is_idle(2.0 + IDLE_AFTER_S)
    assert meter.is_idle(2.1 + IDLE_AFTER_S)


def test_bulk_waits_for_whatever_else_it_must(world):
    is_busy = True
    world.lane.must_wait = lambda: is_busy
    world.hold(5)
    assert world.work() == 0
    is_busy = False
    assert world.work() == 5


def test_partitions_delivered_anew_start_without_what_was_held(world):
    """Held records begin behind what is read again: working on them first would leave a gap."""
    world.hold(5)
    world.lane.delivered(world.reading, [(BULK, 0)])
    assert world.lane.waiting == 0
    assert world.lane.partitions == 1
    assert world.reading.acts == [("pause", 1)]


def test_between_two_assignments_nothing_is_paused_or_resumed(world):
    world.lane.forget()
    world.steer()
    world.now_s += LIVE_LAG_S
    world.steer()
    assert world.reading.acts == []
