"""The subscriber kit on a real Kafka: committed records only, once, nothing lost on failure."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from foreign import transactional_producer

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.contracts.codec import Codec
from omnihub.contracts.registry_client import RegistryClient
from omnihub.contracts.topics import Topics
from omnihub.model.ids import EventId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import EventMeta, MovementKind, StockMoved

RegistryOn = Callable[[Cluster, str], AbstractContextManager[str]]
TOPIC = "omni.stock.event.v1"
PARTITIONS = 4
SERVICE = Path(__file__).parent / "subscriber_service.py"
PATIENCE_S = 40.0


class Log:
    """The hub's side: writes events of one SKU in transactions, as its workers do."""

    def __init__(self, cluster: Cluster, codec: Codec) -> None:
        self._codec = codec
        self._producer = Producer(transactional_producer(cluster, "hub"))
        self._producer.init_transactions(10)

    def write(self, *names: str, commit: bool = True) -> None:
        """Write one transaction."""
        self._producer.begin_transaction()
        for name in names:
            value = self._codec.encode(sold(name))
            self._producer.produce(TOPIC, key=b"t:apple", value=value)
        self._producer.flush(10)
        if commit:
            self._producer.commit_transaction(10)
        else:
            self._producer.abort_transaction(10)


def sold(name: str) -> StockMoved:
    meta = EventMeta(
        tenant=TenantId("t"),
        event_id=EventId(name),
        cause_id="c",
        source="till",
        entity="e",
        occurred_at_us=0,
        accepted_at_us=0,
    )
    return StockMoved(
        meta=meta,
        movement_id=MovementId(name),
        sku=Sku("apple"),
        kind=MovementKind.SALE,
        from_location=LocationId("shop"),
        quantity_milli=1000,
    )


@pytest.fixture
def cluster(own_kafka: EmbeddedKafka) -> Cluster:
    broker = own_kafka.status().broker
    assert broker is not None
    return Cluster(broker.bootstrap)


@pytest.fixture
def registry(cluster: Cluster, registry_on: RegistryOn) -> Iterator[str]:
    with registry_on(cluster, "_schemas") as url:
        with RegistryClient(url) as client:
            client.wait_ready(20)
            client.register_all(Topics.load().all([], [], {}))
        yield url


@pytest.fixture
def start(
    cluster: Cluster, registry: str, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start_service() -> subprocess.Popen[bytes]:
        with (tmp_path / "service.log").open("ab") as log:
            command = [sys.executable, str(SERVICE), cluster.bootstrap, registry, str(tmp_path)]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
        running.append(process)
        return process

    yield start_service
    for process in running:
        process.kill()
        process.wait()


def noted(folder: Path) -> list[str]:
    path = folder / "noted"
    return path.read_text().split() if path.exists() else []


def wait_for(condition: Callable[[], bool], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"it never came true: {what()}"
        time.sleep(0.1)


def committed(cluster: Cluster, group: str, partition: int) -> int:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": group})
    [place] = consumer.committed([TopicPartition(TOPIC, partition)], 10)
    consumer.close()
    return place.offset


def test_a_failing_handler_loses_nothing_over_aborts_kill_9_and_restart(
    cluster: Cluster,
    registry: str,
    start: Callable[[], subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    # Not as many partitions as usual: that is the hub's choice, and no reader's business.
    TopicAdmin(cluster).ensure_topics([Topics.load(counts={"default": PARTITIONS}).spec(TOPIC)])
    with RegistryClient(registry) as client:
        log = Log(cluster, Codec(client.ids()))
    log.write("1", "2")
    log.write("3")
    log.write("never", "ever", commit=False)
    log.write("bad", "4")
    log.write("5", "5")

    service = start()
    wait_for(lambda: noted(tmp_path) == ["1", "2", "3"], lambda: noted(tmp_path))
    # 1, 2, marker, 3, marker, never, ever, marker: `bad` is the record at offset 8.
    partition = next(p for p in range(PARTITIONS) if committed_or_none(cluster, p) is not None)
    wait_for(
        lambda: committed(cluster, "noting", partition) in range(4, 9),
        lambda: committed(cluster, "noting", partition),
    )
    time.sleep(4)  # One more commit interval: the offset must not pass the failing record.
    assert committed(cluster, "noting", partition) in range(4, 9)
    assert noted(tmp_path) == ["1", "2", "3"]

    service.kill()
    service.wait()
    (tmp_path / "mended").touch()
    start()
    wait_for(lambda: noted(tmp_path)[-1] == "5", lambda: noted(tmp_path))
    time.sleep(1)
    assert noted(tmp_path) == ["1", "2", "3", "bad", "4", "5"]


def committed_or_none(cluster: Cluster, partition: int) -> int | None:
    """Return the committed offset once there is one; None for partitions without records."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "looking"})
    low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), 10)
    consumer.close()
    return high if high > low else None
