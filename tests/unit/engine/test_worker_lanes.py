"""The worker's own turns over a consumer in memory: bulk beside live, none lost, none twice."""

from typing import ClassVar

import pytest

from omnihub.broker.clients import Cluster
from omnihub.connect.lanes import Lane, raw_topic
from omnihub.connect.split import Split
from omnihub.connect.valve import Valve
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.lanes import LIVE_LAG_S
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.errors import RetryableError
from omnihub.model.ids import DeliveryId, InstanceId, TenantId
from omnihub.model.records import DeliveryKind, SourceEntity

TOPICS, CODEC = Topics.load(), Codec.offline()
VALVE = Valve("diary")
LIVE = Split("diary", {}).inbox


class Sent:
    """A message as the consumer gives it."""

    def __init__(self, topic, partition, offset, value):
        self._at, self._value = (topic, partition, offset), value

    def topic(self):
        return self._at[0]

    def partition(self):
        return self._at[1]

    def offset(self):
        return self._at[2]

    def value(self):
        return self._value

    def key(self):
        return b"k"

    def timestamp(self):
        return (1, 1_000)

    def error(self):
        return None


class Log:
    """A consumer over lists: it honours assign, pause and resume, and gives what was not read."""

    def __init__(self):
        self.logs, self.read_to, self.paused = {}, {}, set()

    def add(self, topic, value, partition=0):
        lane = self.logs.setdefault((topic, partition), [])
        lane.append(Sent(topic, partition, len(lane), value))

    def assign(self, places):
        self.read_to = {(p.topic, p.partition): p.offset for p in places}
        self.paused = set()

    def pause(self, places):
        self.paused |= {(p.topic, p.partition) for p in places}

    def resume(self, places):
        self.paused -= {(p.topic, p.partition) for p in places}

    def consume(self, limit, _):
        found = []
        for at, offset in self.read_to.items():
            if at not in self.paused:
                found += self.logs.get(at, [])[offset:]
        found = found[:limit]
        for message in found:
            self.read_to[message.topic(), message.partition()] = message.offset() + 1
        return found

    def poll(self, _):
        return next(iter(self.consume(1, 0)), None)

    def get_watermark_offsets(self, place, cached):
        return 0, len(self.logs.get((place.topic, place.partition), []))


class Kept:
    """Transactions that keep what was committed, and fail when told to."""

    entities: ClassVar[list[str]] = []
    failures: ClassVar[int] = 0

    def __init__(self, *_):
        pass

    def start(self):
        pass

    def close(self):
        pass

    def commit(self, tasks, _):
        for task in tasks:
            task.changes()
        if Kept.failures:
            Kept.failures -= 1
            raise RetryableError("not now")
        for task in tasks:
            for topic, _, _, value, *_ in task.outputs.staged:
                if topic == "omni.entity.diary.v1":
                    Kept.entities.append(CODEC.decode(value).entity_id)
        return 0.0


def entity(number):
    return CODEC.encode(
        SourceEntity(
            tenant=TenantId("t"),
            connector="diary",
            instance=InstanceId("me"),
            type="product",
            entity_id=str(number),
            kind=DeliveryKind.POLL,
            delivery_id=DeliveryId("d"),
            accepted_at_us=0,
            body=b"{}",
        )
    )


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def worker(log):
    Kept.entities, Kept.failures = [], 0
    settings = WorkerSettings(Cluster("k:1"), "g", "0", idle_wait_s=0.0, commit_pause_s=0.0)
    made = Worker(settings, [VALVE, Split("diary", {})], CODEC, TOPICS, make_transactions=Kept)
    assignment = made._assignment
    assignment.tasks = {at: made._make_task(*at) for at in [(VALVE.inbox, 0), (LIVE, 0)]}
    for task in assignment.tasks.values():
        task.open(0)
    assignment.deliver(log)
    return made


def turns(worker, log, count):
    for _ in range(count):
        worker._turn(log)


def test_everything_passes_the_valve_once_and_in_order(worker, log):
    for number in range(500):
        log.add(VALVE.inbox, entity(number))
    turns(worker, log, 100)
    assert Kept.entities == [str(number) for number in range(500)]


def test_nothing_passes_while_live_lags(worker, log):
    for number in range(50):
        log.add(VALVE.inbox, entity(number))
    worker._look = lambda _: None  # Nothing live is ever known to be read.
    turns(worker, log, 10)
    assert Kept.entities == []
    assert log.paused == {(VALVE.inbox, 0)}


def test_a_backlog_in_the_log_is_live_lag_even_if_little_is_fetched(worker, log):
    for number in range(200):
        log.add(VALVE.inbox, entity(number))
    log.get_watermark_offsets = lambda place, cached: (0, 10_000)
    turns(worker, log, 3)
    meter = worker._bulk.meter
    assert worker._is_behind
    assert not meter.is_open(meter.drained_at_s + LIVE_LAG_S)


def test_a_batch_that_is_rolled_back_leaves_no_gap(worker, log):
    for number in range(200):
        log.add(VALVE.inbox, entity(number))
    worker._pause_s = lambda _: 0.0
    turns(worker, log, 4)
    Kept.failures = 3
    turns(worker, log, 100)
    assert Kept.entities == [str(number) for number in range(200)]


def test_partitions_read_anew_in_between_leave_no_gap(worker, log):
    for number in range(200):
        log.add(VALVE.inbox, entity(number))
    turns(worker, log, 4)
    assert worker._bulk.waiting
    worker._assignment.deliver(log)
    turns(worker, log, 100)
    assert Kept.entities == [str(number) for number in range(200)]


def test_the_topics_of_both_lanes_differ():
    assert raw_topic("diary", Lane.BULK) != raw_topic("diary")
