"""Reservations on a real Kafka: holds that expire under a zombie, a hot SKU, commits that waited.

The workers are real processes that are stopped, killed and left away; each test has a tenant of its
own on one broker.
"""

import contextlib
import importlib.util
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos import reading
from confluent_kafka import Producer

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.ids import (
    EventId,
    InstanceId,
    LineId,
    OrderId,
    ReservationId,
    Sku,
    TenantId,
)
from omnihub.model.records import (
    CommitReservation,
    EventMeta,
    ReservationChanged,
    ReserveStock,
    StockCounted,
    StockLevel,
    TimerDue,
)
from omnihub.rules.levels import STATE_TOPIC
from omnihub.rules.promises import ORDER_INBOX
from omnihub.rules.stock import StockRule

HERE = Path(__file__).parent
STAGES = ("produced", "committed")
NEEDED = ("omni.stock.", "omni.reservation.", "omni.order.inbox.", "omni.changelog.")


def sibling(name):
    """Load a module that lies beside this file, in no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


stock_worker = sibling("stock_worker")
pytestmark = pytest.mark.chaos
PARTITIONS = stock_worker.COUNTS["default"]


class Retailer:
    """One tenant: what is asked for it, and what came of it; quantities are whole units."""

    def __init__(self, bootstrap: str, log: Path) -> None:
        self.tenant = TenantId(f"t{uuid.uuid4().hex[:8]}")
        self._bootstrap, self._log = bootstrap, log
        self._topics, self._codec = Topics.load(counts=stock_worker.COUNTS), Codec.offline()

    def append(self, *records: object) -> None:
        """Append to the stock inbox, through a producer of its own."""
        spec = self._topics.spec(StockRule.inbox)
        producer = Producer(plain_producer(Cluster(self._bootstrap)))
        codec = Codec.offline()
        for record in records:
            key = spec.key_of(record).encode()
            at = partition_for(key, spec.partitions)
            producer.produce(spec.name, codec.encode(record), key, at, timestamp=now_us() // 1000)
        assert producer.flush(20) == 0

    def meta(self, event_id: str) -> EventMeta:
        return EventMeta(
            tenant=self.tenant, event_id=EventId(event_id), cause_id=event_id,
            source=InstanceId("test"), entity="", occurred_at_us=now_us(), accepted_at_us=now_us(),
        )  # fmt: skip

    def counted(self, sku: str, units: int) -> StockCounted:
        return StockCounted(
            meta=self.meta(f"count {sku}"), count_id="c", sku=Sku(sku), location=stock_worker.SHOP,
            quantity_milli=units * 1000, as_of_us=now_us(),
        )  # fmt: skip

    def reserve(self, sku: str, number: int, expires_at_us: int) -> ReserveStock:
        return ReserveStock(
            meta=self.meta(f"reserve {number}"), reservation_id=ReservationId(f"r{number}"),
            order_id=OrderId(f"o{number}"), line_id=LineId("1"), sku=Sku(sku),
            channel=stock_worker.WEB, locations=(), quantity_milli=1000,
            expires_at_us=expires_at_us,
        )  # fmt: skip

    def commit(self, sku: str, number: int) -> CommitReservation:
        return CommitReservation(
            meta=self.meta(f"commit {number}"), reservation_id=ReservationId(f"r{number}"),
            order_id=OrderId(f"o{number}"), sku=Sku(sku),
        )  # fmt: skip

    def read(self, topic: str) -> list[object]:
        lanes = reading.read(self._bootstrap, topic, PARTITIONS, self._codec)
        return [seen.record for lane in lanes for seen in lane]

    def told(self, topic: str = StockRule.events, sku: str | None = None) -> Counter[str]:
        """Return how many changes of reservations were told, by status."""
        return Counter(
            record.status.value
            for record in self.read(topic)
            if isinstance(record, ReservationChanged) and record.meta.tenant == self.tenant
            if sku in (None, record.sku)
        )

    def kept_milli(self) -> Counter[str]:
        """Return what the newest levels hold, promise and have, over all SKUs."""
        newest = {
            level.sku: level
            for level in self.read(STATE_TOPIC)
            if isinstance(level, StockLevel) and level.tenant == self.tenant
        }
        total: Counter[str] = Counter()
        for level in newest.values():
            total["held"] += level.held_milli
            total["committed"] += level.committed_milli
            total["ats"] += level.ats_milli
        return total

    def due(self) -> list[str]:
        """Return the timers that came due, by id."""
        return [
            record.timer_id
            for record in self.read(StockRule.inbox)
            if isinstance(record, TimerDue) and record.timer_id.startswith(f"{self.tenant}:")
        ]

    @contextlib.contextmanager
    def worker(self, slot: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker process; whatever state it is in at the end, it goes."""
        command = [sys.executable, str(HERE / "stock_worker.py"), "--bootstrap", self._bootstrap]
        with self._log.open("ab") as log:
            process = subprocess.Popen([*command, "--slot", slot, *arguments], stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def now_us() -> int:
    return time.time_ns() // 1000


def wait_until(is_true: Callable[[], bool], timeout_s: float = 40) -> None:
    until = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def stock_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker with the topics of stock under their real names, which other tests use, too."""
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("stock-kafka"))
    bootstrap = kafka.start().bootstrap
    topics = Topics.load(counts=stock_worker.COUNTS)
    specs = topics.all([], [], {StockRule.name: StockRule.inbox})
    TopicAdmin(Cluster(bootstrap)).ensure_topics([s for s in specs if s.name.startswith(NEEDED)])
    yield bootstrap
    kafka.stop()


@pytest.fixture
def retailer(stock_kafka: str, tmp_path: Path) -> Retailer:
    return Retailer(stock_kafka, tmp_path / "workers.log")


def test_holds_expire_once_each_though_their_owner_was_stopped_and_continued(retailer):
    holds, skus, ttl_s = 5_000, 50, 14
    with retailer.worker("a") as owner:
        retailer.append(*(retailer.counted(f"sku{n}", holds) for n in range(skus)))
        until_us = now_us() + ttl_s * 1_000_000
        asked = (retailer.reserve(f"sku{n % skus}", n, until_us) for n in range(holds))
        retailer.append(*asked)
        wait_until(lambda: retailer.told()["HELD"] == holds)
        assert now_us() < until_us, "the machine is too slow for this test's TTL"
        owner.send_signal(signal.SIGSTOP)
        with retailer.worker("b") as heir:
            wait_until(lambda: retailer.told()["EXPIRED"] > 0)
            owner.send_signal(signal.SIGCONT)  # All of its timers are due, too.
            wait_until(lambda: retailer.told()["EXPIRED"] >= holds)
            time.sleep(3)  # What the zombie might still commit.
            assert heir.poll() is None
    assert retailer.told() == {"HELD": holds, "EXPIRED": holds}
    assert retailer.told(ORDER_INBOX) == {"HELD": holds, "EXPIRED": holds}
    due = retailer.due()
    assert len(due) == len(set(due)) == holds
    assert retailer.kept_milli() == {"held": 0, "committed": 0, "ats": skus * holds * 1000}


def test_fifty_who_want_the_last_unit_and_a_worker_killed_in_between(retailer):
    for stage in STAGES:
        until_us = now_us() + 600_000_000
        with retailer.worker("a", "--batch", "7", "--fault", f"{stage}:4:KILL") as victim:
            retailer.append(retailer.counted(stage, 1))
            wants = [retailer.reserve(stage, n, until_us) for n in range(50)]
            buyers = [threading.Thread(target=retailer.append, args=(want,)) for want in wants]
            for buyer in buyers:
                buyer.start()
            for buyer in buyers:
                buyer.join()
            assert victim.wait(30) == -signal.SIGKILL
        with retailer.worker("a"):
            wait_until(lambda at=stage: retailer.told(ORDER_INBOX, at).total() >= 50)
        assert retailer.told(ORDER_INBOX, stage) == {"HELD": 1, "REFUSED": 49}
        assert retailer.told(StockRule.events, stage) == {"HELD": 1, "REFUSED": 49}
    assert retailer.kept_milli() == {"held": len(STAGES) * 1000, "committed": 0, "ats": 0}


def test_commits_that_waited_through_twice_the_ttl_all_win(retailer):
    holds, ttl_s = 300, 5
    with retailer.worker("a"):
        retailer.append(retailer.counted("warm", 1), retailer.reserve("warm", holds, now_us()))
        wait_until(lambda: retailer.told()["EXPIRED"] == 1)  # It works, so the rest is quick.
        until_us = now_us() + ttl_s * 1_000_000
        retailer.append(retailer.counted("apple", holds))
        retailer.append(*(retailer.reserve("apple", n, until_us) for n in range(holds)))
        wait_until(lambda: retailer.told(sku="apple")["HELD"] == holds)
    assert now_us() < until_us, "the machine is too slow for this test's TTL"
    retailer.append(*(retailer.commit("apple", n) for n in range(holds)))
    time.sleep(max(0.0, (until_us - now_us()) / 1e6) + ttl_s)  # Down until twice the TTL is over.
    with retailer.worker("a", "--batch", "20"):  # Timers are due before most commits are read.
        wait_until(lambda: retailer.told(sku="apple")["COMMITTED"] == holds)
        time.sleep(2)  # Timers that were due all the time are in the log by now.
    assert retailer.told(sku="apple") == {"HELD": holds, "COMMITTED": holds}
    assert retailer.kept_milli()["committed"] == holds * 1000
