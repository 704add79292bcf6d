"""Exactly once on a real Kafka: two workers under load, killed and frozen at random moments."""

import importlib.util
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.model.records import EventMeta, MovementKind, StockMoved

HERE = Path(__file__).parent
INBOX, EVENTS, STATE = "omni.stock.inbox.v1", "omni.stock.event.v1", "omni.stock.state.v1"
PARTITIONS = 8
KEYS = 400


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


differences = load("checker").differences


class Crew:
    """Two worker processes in fixed slots, and what is done to them."""

    def __init__(self, bootstrap, log, *extra):
        self.bootstrap, self.log, self.extra = bootstrap, log, extra
        self.workers = {slot: self.start(slot) for slot in ("0", "1")}
        self.frozen = {}

    def start(self, slot):
        command = [sys.executable, str(HERE / "adder.py"), self.bootstrap, slot, *self.extra]
        return subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def revive(self):
        for slot, worker in self.workers.items():
            if worker.poll() is not None:
                self.workers[slot] = self.start(slot)
        for slot, until in list(self.frozen.items()):
            if time.monotonic() >= until:
                self.workers[slot].send_signal(signal.SIGCONT)
                del self.frozen[slot]

    def kill(self, slot):
        self.workers[slot].kill()
        self.workers[slot].wait()
        self.frozen.pop(slot, None)

    def freeze(self, slot, seconds):
        self.workers[slot].send_signal(signal.SIGSTOP)
        self.frozen[slot] = time.monotonic() + seconds

    def end(self):
        for worker in self.workers.values():
            worker.send_signal(signal.SIGCONT)
            worker.kill()
            worker.wait()


def movement(codec, number):
    meta = EventMeta(
        tenant="t", event_id=f"e{number}", cause_id="d", source="till", entity="e",
        occurred_at_us=number, accepted_at_us=number,
    )  # fmt: skip
    event = StockMoved(
        meta=meta, movement_id=f"m{number}", sku=f"sku-{number * 31 % KEYS}",
        kind=MovementKind.RECEIPT, to_location="shop", quantity_milli=number % 7,
    )  # fmt: skip
    return f"t:{event.sku}", codec.encode(event)


def topics_of(bootstrap):
    topics = Topics.load()
    specs = [topics.spec(t) for t in (INBOX, EVENTS, STATE, "omni.hospital.state.v1")]
    changelog = topics.changelog("adder", INBOX)
    TopicAdmin(Cluster(bootstrap)).ensure_topics([*specs, changelog])
    return changelog.name


def lag(bootstrap):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "lab"})
    places = [TopicPartition(INBOX, p) for p in range(PARTITIONS)]
    done = {p.partition: max(0, p.offset) for p in consumer.committed(places, 10)}
    ends = {p.partition: consumer.get_watermark_offsets(p, 10)[1] for p in places}
    consumer.close()
    return sum(ends[p] - done[p] for p in ends)


def wait_for_quiet(bootstrap, crew, timeout_s):
    """Lag zero within a minute of the last fault: an engine that hangs has failed, too."""
    deadline = time.monotonic() + timeout_s
    while (left := lag(bootstrap)) > 0:
        assert time.monotonic() < deadline, f"stuck with {left} records unread"
        crew.revive()
        time.sleep(0.3)


def under_load(bootstrap, crew, seconds, rate, seed, faults):
    """Send `rate` movements/s for `seconds`, with a fault every few seconds; return the count."""
    dice, codec = random.Random(seed), Codec.offline()
    producer = Producer(plain_producer(Cluster(bootstrap)))
    sent, started, next_fault = 0, time.monotonic(), time.monotonic() + 3
    done = []
    while (age := time.monotonic() - started) < seconds:
        while sent < age * rate:
            key, value = movement(codec, sent)
            producer.produce(INBOX, value, key)
            sent += 1
        producer.poll(0)
        crew.revive()
        if faults and time.monotonic() >= next_fault:
            slot, fault = dice.choice("01"), dice.choice(faults)
            next_fault = time.monotonic() + dice.uniform(2, 5)
            if slot not in crew.frozen:
                done.append(fault)
                crew.kill(slot) if fault == "kill" else crew.freeze(slot, 8)
        time.sleep(0.005)
    producer.flush()
    return sent, done


@pytest.mark.chaos
@pytest.mark.timeout(240)
def test_nothing_is_lost_repeated_or_reordered_under_kills_and_freezes(own_kafka, tmp_path):
    bootstrap = own_kafka.status().broker.bootstrap
    changelog = topics_of(bootstrap)
    with (tmp_path / "workers.log").open("wb") as log:
        crew = Crew(bootstrap, log)
        try:
            faults = ["kill", "kill", "freeze"]
            sent, done = under_load(bootstrap, crew, 40, 600, seed=20, faults=faults)
            wait_for_quiet(bootstrap, crew, 60)
        finally:
            crew.end()
    assert sent > 20_000
    assert done.count("kill") >= 3
    assert done.count("freeze") >= 1
    assert differences(bootstrap, INBOX, EVENTS, STATE, changelog, PARTITIONS) == []


@pytest.mark.chaos
@pytest.mark.timeout(240)
def test_the_checker_notices_offsets_committed_outside_the_transaction(own_kafka, tmp_path):
    bootstrap = own_kafka.status().broker.bootstrap
    changelog = topics_of(bootstrap)
    with (tmp_path / "workers.log").open("wb") as log:
        crew = Crew(bootstrap, log, "--bug")
        try:
            under_load(bootstrap, crew, 12, 300, seed=1, faults=[])
            wait_for_quiet(bootstrap, crew, 60)
        finally:
            crew.end()
    found = differences(bootstrap, INBOX, EVENTS, STATE, changelog, PARTITIONS)
    assert any("extra" in difference for difference in found), found
