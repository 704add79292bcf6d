"""Exactly once, shown on a real Kafka: two workers are killed and stopped while they work.

The oracle is `checker.py`: everything that was committed is recomputed from the committed inbox.
`OMNIHUB_CHAOS_SEED` picks another order of faults, `OMNIHUB_CHAOS_FAULTS` more of them.
"""

import contextlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.ids import EventId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import EventMeta, MovementKind, StockMoved

HERE = Path(__file__).parent
SKUS, SHOPS = 60, 5
EVENTS_PER_S = 1_000
ZOMBIE_S = 8.0  # Longer than the session (6 s) and the transaction timeout (5 s).
SETTLED_S = 1.5
STAGES = ("begun", "produced", "offsets sent", "committed")
SEED = int(os.environ.get("OMNIHUB_CHAOS_SEED", "1"))
FAULTS = int(os.environ.get("OMNIHUB_CHAOS_FAULTS", "6"))


def sibling(name):
    """Load a module that lies beside this file, in no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


chaos_worker, checker = sibling("chaos_worker"), sibling("checker")
pytestmark = pytest.mark.chaos


class Installation:
    """Topics of one run, what was appended to them, and the workers on them."""

    def __init__(self, bootstrap: str, mark: str, folder: Path, plant: str | None = None) -> None:
        self.bootstrap, self.mark, self.plant = bootstrap, mark, plant
        self.contract = folder / "topics.yaml"
        self.contract.write_text(chaos_worker.CONTRACT.format(mark=mark))
        self.log = (folder / "workers.log").open("ab")
        self.topics = Topics.load(self.contract)
        self.rules = (chaos_worker.Ledger(mark), chaos_worker.Tally(mark))
        self.codec = Codec.offline()
        self.appended: list[str] = []
        self._producer = Producer(plain_producer(Cluster(bootstrap)))
        self._dice = random.Random(SEED)
        tasks = {rule.name: rule.inbox for rule in self.rules}
        TopicAdmin(Cluster(bootstrap)).ensure_topics(self.topics.all([], [], tasks))

    def append(self, count: int) -> None:
        """Append movements; a few ask for a refusal, a parking or a timer."""
        spec = self.topics.spec(self.rules[0].inbox)
        for _ in range(count):
            moved = movement(len(self.appended), self._dice)
            self.appended.append(moved.movement_id)
            key = spec.key_of(moved).encode()
            self._producer.produce(
                spec.name,
                self.codec.encode(moved),
                key,
                partition_for(key, spec.partitions),
                timestamp=time.time_ns() // 1_000_000,
            )
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(20) == 0

    def start(self, slot: str, fault: str | None) -> subprocess.Popen[bytes]:
        names = {"bootstrap": self.bootstrap, "mark": self.mark, "slot": slot}
        names |= {"contract": str(self.contract)}
        names |= {"fault": fault} if fault else {}
        names |= {"plant": self.plant} if self.plant else {}
        arguments = [word for name, value in names.items() for word in (f"--{name}", value)]
        command = [sys.executable, str(HERE / "chaos_worker.py"), *arguments]
        return subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def history(self) -> "checker.History":
        def read(topic: str, partitions: int) -> object:
            return checker.read(self.bootstrap, topic, partitions, self.codec)

        ledger, tally = self.rules
        mark = f"omni.{self.mark}"
        return checker.History(
            inbox=read(ledger.inbox, 4),
            events=read(ledger.events, 4),
            state=read(f"{mark}.state.v1", 4),
            tally_inbox=read(tally.inbox, 3),
            tally_state=read(f"{mark}.tally.state.v1", 3),
            ledger_changelog=read(f"omni.changelog.{ledger.name}.v1", 4),
            tally_changelog=read(f"omni.changelog.{tally.name}.v1", 3),
            ledger_offsets=self.offsets(ledger.inbox, 4),
            tally_offsets=self.offsets(tally.inbox, 3),
        )

    def offsets(self, topic: str, partitions: int) -> list[int]:
        """Return what the group has committed."""
        settings = {"bootstrap.servers": self.bootstrap, "group.id": self.mark}
        consumer = Consumer(settings)
        places = consumer.committed([TopicPartition(topic, p) for p in range(partitions)], 10)
        consumer.close()
        return [place.offset for place in sorted(places, key=lambda p: p.partition)]


def movement(number: int, dice: random.Random) -> StockMoved:
    sku = dice.randrange(SKUS)
    [reason] = dice.choices([None, "reject", "park", "remind"], [94, 2, 2, 2])
    name = f"m{number}"
    meta = EventMeta(
        tenant=TenantId("t"),
        event_id=EventId(name),
        cause_id=name,
        source=InstanceId("test"),
        entity=name,
        occurred_at_us=number,
        accepted_at_us=number,
    )
    return StockMoved(
        meta=meta,
        movement_id=MovementId(name),
        sku=Sku(f"sku-{sku}"),
        kind=MovementKind.RECEIPT,
        to_location=LocationId(f"shop-{sku % SHOPS}"),
        quantity_milli=dice.randrange(1, 100) * 1000,
        reason=reason,
    )


class Slot:
    """One worker slot under a supervisor that restarts it at once."""

    def __init__(self, installation: Installation, name: str) -> None:
        self._installation, self._name = installation, name
        self._wakes_at: float | None = None
        self._process = installation.start(name, None)
        self.deaths = 0

    def relaunch(self, fault: str) -> None:
        """Kill the worker and start one that will bring `fault` upon itself."""
        self._process.kill()
        self._process.wait()
        self._process = self._installation.start(self._name, fault)

    @property
    def is_calm(self) -> bool:
        return self._wakes_at is None

    def tend(self) -> None:
        """Wake a stopped worker after its time; restart a dead one."""
        state = _process_state(self._process.pid)
        if state == "T" and self._wakes_at is None:
            self._wakes_at = time.monotonic() + ZOMBIE_S
        if self._wakes_at is not None and time.monotonic() >= self._wakes_at:
            self._process.send_signal(signal.SIGCONT)
            self._wakes_at = None
        if self._process.poll() is not None:
            self.deaths += 1
            self._process = self._installation.start(self._name, None)

    def stop(self) -> int:
        """End the worker as an operator would; return its exit code."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        return self._process.wait(20)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _process_state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"


@contextlib.contextmanager
def two_slots(installation: Installation) -> Iterator[list[Slot]]:
    slots = [Slot(installation, "a"), Slot(installation, "b")]
    try:
        yield slots
    finally:
        for slot in slots:
            slot.end()


def play(installation: Installation, slots: list[Slot], faults: list[tuple[int, str]]) -> None:
    """Append at an even rate and bring one fault after another, until all of them have struck."""
    wait_for_commits(installation, slots)
    for slot, fault in faults:
        slots[slot].relaunch(fault)
        deaths = sum(each.deaths for each in slots)
        was_stopped = False
        until = time.monotonic() + 20
        while time.monotonic() < until:
            installation.append(EVENTS_PER_S // 20)
            time.sleep(0.05)
            for each in slots:
                each.tend()
            was_stopped |= not slots[slot].is_calm
            has_died = sum(each.deaths for each in slots) > deaths
            if slots[slot].is_calm and (has_died or was_stopped):
                break
        else:
            raise AssertionError(f"{fault} never struck")
    installation.flush()


def wait_for_commits(installation: Installation, slots: list[Slot]) -> None:
    until = time.monotonic() + 30
    while max(installation.offsets(installation.rules[0].inbox, 4)) < 0:
        assert time.monotonic() < until, "no worker ever committed"
        installation.append(50)
        time.sleep(0.1)
        for each in slots:
            each.tend()


def settle(installation: Installation, slots: list[Slot]) -> "checker.History":
    """Wait until nothing moves any more; stop the workers; return what was committed."""
    until, seen, since = time.monotonic() + 60, None, 0.0
    while time.monotonic() < until:
        for slot in slots:
            slot.tend()
        state = tuple(installation.offsets(rule.inbox, 3) for rule in installation.rules)
        if state != seen:
            seen, since = state, time.monotonic()
        elif time.monotonic() - since > SETTLED_S and not behind(installation):
            break
        time.sleep(0.2)
    exits = [slot.stop() for slot in slots]
    assert exits == [0, 0] or installation.plant
    return installation.history()


def behind(installation: Installation) -> int:
    """Return how many committed inbox records the group has not processed."""
    ledger, tally = installation.rules
    lag = 0
    for rule, partitions in ((ledger, 4), (tally, 3)):
        lanes = checker.read(installation.bootstrap, rule.inbox, partitions, installation.codec)
        for lane, offset in zip(lanes, installation.offsets(rule.inbox, partitions), strict=True):
            lag += sum(1 for seen in lane[-1:] if seen.offset >= offset)
    return lag


def test_nothing_is_lost_repeated_or_reordered(kafka_bootstrap, topic_prefix, tmp_path):
    dice = random.Random(SEED)
    stages = [f"{stage}:{dice.randrange(1, 20)}:KILL" for stage in STAGES]
    faults = [(dice.randrange(2), fault) for fault in stages]
    faults.append((dice.randrange(2), f"{dice.choice(STAGES)}:{dice.randrange(1, 20)}:STOP"))
    while len(faults) < FAULTS:
        kind = dice.choices(["KILL", "STOP"], [3, 1])[0]
        faults.append((dice.randrange(2), f"{dice.choice(STAGES)}:{dice.randrange(1, 40)}:{kind}"))
    dice.shuffle(faults)
    installation = Installation(kafka_bootstrap, topic_prefix.rstrip("."), tmp_path)
    with two_slots(installation) as slots:
        play(installation, slots, faults)
        history = settle(installation, slots)
    assert checker.violations(history, installation.appended) == []
    assert sum(len(lane) for lane in history.inbox) > len(installation.appended)  # timers, releases


@pytest.mark.parametrize("plant", [None, "offsets-outside"])
def test_a_zombie_is_fenced_and_the_checker_sees_one_that_is_not(
    kafka_bootstrap, topic_prefix, tmp_path, plant
):
    installation = Installation(kafka_bootstrap, topic_prefix.rstrip("."), tmp_path, plant)
    with two_slots(installation) as slots:
        play(installation, slots, [(0, "begun:5:STOP")])
        history = settle(installation, slots)
    found = checker.violations(history, installation.appended)
    if plant is None:
        assert found == []
    else:
        assert any("repeated" in each for each in found), found
