"""A topic read in one go: committed records, each partition in order, up to the ends of now."""

import time

import pytest
from confluent_kafka import Producer
from foreign import transactional_producer

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.contracts.topics import TopicSpec

PARTITIONS = 4


@pytest.fixture
def cluster(kafka_bootstrap: str) -> Cluster:
    return Cluster(kafka_bootstrap)


@pytest.fixture
def topic(cluster: Cluster, topic_prefix: str) -> str:
    name = f"{topic_prefix}rows"
    TopicAdmin(cluster).ensure_topics([TopicSpec(name, PARTITIONS, "compact", None, records={})])
    return name


@pytest.fixture
def producer(cluster: Cluster, topic: str) -> Producer:
    made = Producer(transactional_producer(cluster, topic))
    made.init_transactions(20)
    return made


def write(producer: Producer, topic: str, *values: bytes, commit: bool = True) -> None:
    """Write each value into every partition but the last, in one transaction."""
    producer.begin_transaction()
    for value in values:
        for partition in range(PARTITIONS - 1):
            producer.produce(topic, value, b"key-%d" % partition, partition)
    producer.commit_transaction(20) if commit else producer.abort_transaction(20)


def test_committed_records_come_partition_by_partition_in_order(
    cluster: Cluster, topic: str, producer: Producer
) -> None:
    write(producer, topic, b"1", b"2")
    write(producer, topic, b"never", commit=False)
    write(producer, topic, b"3")
    found = [(each.partition, each.value) for each in TopicAdmin(cluster).read(topic)]
    assert found == [(at, value) for at in range(PARTITIONS - 1) for value in (b"1", b"2", b"3")]


def test_the_very_last_record_is_read_where_no_marker_follows_it(
    cluster: Cluster, topic: str
) -> None:
    plain = Producer(plain_producer(cluster))
    for value in (b"1", b"2"):
        plain.produce(topic, value, b"key", PARTITIONS - 1)
    assert plain.flush(20) == 0
    assert [each.value for each in TopicAdmin(cluster).read(topic)] == [b"1", b"2"]


def test_newest_gives_the_last_value_of_each_key(
    cluster: Cluster, topic: str, producer: Producer
) -> None:
    write(producer, topic, b"old", b"new")
    admin = TopicAdmin(cluster)
    assert admin.newest(topic, 1, [b"key-1", b"key-9"]) == {b"key-1": b"new"}
    assert admin.newest(topic, PARTITIONS - 1, [b"key-1"]) == {}


def test_offsets_of_several_topics_are_told_at_once(
    cluster: Cluster, topic: str, producer: Producer
) -> None:
    admin = TopicAdmin(cluster)
    write(producer, topic, b"1")
    assert admin.ends([topic, "no-such-topic"]) == {
        (topic, at): 2 if at < PARTITIONS - 1 else 0 for at in range(PARTITIONS)
    }
    assert admin.offsets_since([topic], 0) == {(topic, at): 0 for at in range(PARTITIONS)}
    later_us = (time.time_ns() // 1000) + 60_000_000
    assert admin.offsets_since([topic], later_us) == admin.ends([topic])
