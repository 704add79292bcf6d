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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

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
ZOMBIE_S = 10.0  # Session (6 s), then a heartbeat (2 s) until the other has taken over.
SETTLED_S = 1.0
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
        self.log = folder / "workers.log"
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
        for _ in range(count):
            self.append_one(*self._dice.choices([None, "reject", "park", "remind"], [94, 2, 2, 2]))

    def append_one(self, reason: str | None, sku: int | None = None) -> None:
        """Append one movement of any SKU, or of a given one."""
        spec = self.topics.spec(self.rules[0].inbox)
        sku = self._dice.randrange(SKUS) if sku is None else sku
        moved = movement(len(self.appended), sku, reason)
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
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

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


def movement(number: int, sku: int, reason: str | None) -> StockMoved:
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
        quantity_milli=(number % 97 + 1) * 1000,
        reason=reason,
    )


class Slot:
    """One worker slot under a supervisor that restarts it at once."""

    def __init__(self, installation: Installation, name: str, fault: str | None = None) -> None:
        self._installation, self._name = installation, name
        self._wakes_at: float | None = None
        self._process = installation.start(name, fault)
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
        if self.is_stopped and self._wakes_at is None:
            self._wakes_at = time.monotonic() + ZOMBIE_S
        if self._wakes_at is not None and time.monotonic() >= self._wakes_at:
            self.wake()
        if self._process.poll() is not None:
            self.deaths += 1
            self._process = self._installation.start(self._name, None)

    def stop(self) -> int:
        """End the worker as an operator would; return its exit code."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        return self._process.wait(20)

    @property
    def is_stopped(self) -> bool:
        return _process_state(self._process.pid) == "T"

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._wakes_at = None

    def close(self) -> None:
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
            slot.close()


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
    exits = {slot.stop() for slot in slots}
    assert exits == {0} or installation.plant
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


def test_the_checker_sees_a_zombie_that_nothing_fences(kafka_bootstrap, topic_prefix, tmp_path):
    mark = topic_prefix.rstrip(".")
    installation = Installation(kafka_bootstrap, mark, tmp_path, "offsets-outside")
    with two_slots(installation) as slots:
        play(installation, slots, [(0, "begun:30:STOP")])
        history = settle(installation, slots)
    found = checker.violations(history, installation.appended)
    assert any("repeated" in each for each in found), found


def test_a_zombie_with_nothing_but_timers_is_fenced(kafka_bootstrap, topic_prefix, tmp_path):
    """Its input offset does not move, so only the group's generation can give it away."""
    installation = Installation(kafka_bootstrap, topic_prefix.rstrip("."), tmp_path)
    installation.append_one(None, sku=1)
    installation.flush()
    # Two hops, each announced and then committed, are four transactions. The reminder's two hops
    # are two more, and a second later its timer alone is the seventh.
    zombie = Slot(installation, "a", "begun:7:STOP")
    with contextlib.closing(zombie):
        total = f"omni.{installation.mark}.tally.state.v1"
        wait_until(lambda: any(read_lanes(installation, total, 3)))
        installation.append_one("remind", sku=1)
        installation.flush()
        wait_until(lambda: zombie.is_stopped)
        with contextlib.closing(Slot(installation, "b")) as heir:
            wait_until(lambda: any(read_lanes(installation, installation.rules[0].events, 4)))
            zombie.wake()
            installation.append(200)
            installation.flush()
            history = settle(installation, [zombie, heir])
    assert checker.violations(history, installation.appended) == []


def test_lost_group_offsets_are_made_good_by_the_rows(kafka_bootstrap, topic_prefix, tmp_path):
    installation = Installation(kafka_bootstrap, topic_prefix.rstrip("."), tmp_path)
    for is_first in (True, False):
        with contextlib.closing(Slot(installation, "a")) as slot:
            installation.append(500)
            installation.flush()
            history = settle(installation, [slot])
        if is_first:
            forget_group(installation)
    assert checker.violations(history, installation.appended) == []
    assert "offsets lost" in installation.log.read_text()


def test_a_record_that_kills_the_process_is_parked(kafka_bootstrap, topic_prefix, tmp_path):
    installation = Installation(kafka_bootstrap, topic_prefix.rstrip("."), tmp_path)
    for reason, sku in [(None, 1), ("kill", 2), (None, 2), (None, 3)]:
        installation.append_one(reason, sku)
    installation.flush()
    with contextlib.closing(Slot(installation, "a")) as slot:

        def is_through() -> bool:
            slot.tend()
            lanes = read_lanes(installation, f"omni.{installation.mark}.state.v1", 4)
            through = {seen.record.sku for lane in lanes for seen in lane}
            # The neighbours may be through before the killer has had its four processes.
            return slot.deaths == 4 and through == {"sku-1", "sku-3"}

        wait_until(is_through, 60)
        assert slot.deaths == 4
        assert slot.stop() == 0


def wait_until(is_true: Callable[[], bool], timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.1)


def read_lanes(installation: Installation, topic: str, partitions: int) -> "checker.Lanes":
    return checker.read(installation.bootstrap, topic, partitions, installation.codec)


def forget_group(installation: Installation) -> None:
    """Delete the group's offsets, once its static member has timed out."""
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})

    def is_gone() -> bool:
        try:
            admin.delete_consumer_groups([installation.mark])[installation.mark].result(10)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.NON_EMPTY_GROUP:
                return False
            raise
        return True

    wait_until(is_gone)
