"""The engine's producer on a real Kafka, judged by librdkafka, in both dialects of the protocol."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from foreign import transactional_producer

from omnihub.broker import session, transactional
from omnihub.broker.admin import TopicAdmin
from omnihub.broker.batches import BATCH_BYTES, Batches
from omnihub.broker.clients import Cluster, restore_consumer, worker_consumer
from omnihub.broker.errors import ProducerFenced, TransactionFailed
from omnihub.broker.membership import Membership
from omnihub.broker.messages import FIRST, SECOND
from omnihub.broker.transactional import TransactionalProducer
from omnihub.contracts.topics import TopicSpec

PARTITIONS = 4
PATIENCE_S = 20.0
NOW_MS = 1_790_000_000_000
Make = Callable[[str], TransactionalProducer]


@pytest.fixture
def cluster(kafka_bootstrap: str) -> Cluster:
    return Cluster(kafka_bootstrap)


@pytest.fixture
def topic(cluster: Cluster, topic_prefix: str) -> str:
    name = f"{topic_prefix}written"
    TopicAdmin(cluster).ensure_topics([TopicSpec(name, PARTITIONS, "compact", None, records={})])
    return name


@pytest.fixture(params=[FIRST, SECOND], ids=["first", "second"])
def make(
    request: pytest.FixtureRequest, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Return how to start a producer in one of the dialects."""
    found = []

    def choose(tags: dict[int, bytes]) -> object:
        found.append(real(tags))
        return request.param

    real = session.dialect_of
    monkeypatch.setattr(session, "dialect_of", choose)
    with contextlib.ExitStack() as closing:

        def made(transactional_id: str) -> TransactionalProducer:
            producer = TransactionalProducer(cluster, transactional_id)
            closing.callback(producer.close)
            producer.start()
            return producer

        yield made
    assert set(found) <= {SECOND}, "Kafka 4 finalizes transaction.version 2"


def batches(topic: str, *records: tuple[int, bytes, bytes | None]) -> Batches:
    """Return records of (partition, key, value), with a header each."""
    made = Batches()
    for number, (partition, key, value) in enumerate(records):
        headers = [("ce_id", b"%d" % number)]
        made.chain(topic, partition).append(key, value, NOW_MS + number, headers)
    return made


def write(producer: TransactionalProducer, made: Batches, *, is_commit: bool = True) -> None:
    producer.begin()
    producer.write(made)
    producer.commit() if is_commit else producer.abort()


def read(cluster: Cluster, topic: str, isolation: str = "read_committed") -> list[Message]:
    """Return what librdkafka finds, partition by partition; it checks every CRC."""
    settings = {"isolation.level": isolation, "check.crcs": True, "auto.offset.reset": "earliest"}
    consumer = Consumer({**restore_consumer(cluster, topic), **settings})
    consumer.assign([TopicPartition(topic, at, 0) for at in range(PARTITIONS)])
    found: list[Message] = []
    ended: set[int] = set()
    until = time.monotonic() + PATIENCE_S
    while len(ended) < PARTITIONS:
        assert time.monotonic() < until, f"no end of {topic}: an open transaction?"
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                found.append(message)
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                ended.add(message.partition())
    consumer.close()
    return sorted(found, key=lambda each: (each.partition(), each.offset()))


def values(cluster: Cluster, topic: str) -> list[tuple[int, bytes]]:
    return [(each.partition(), each.value()) for each in read(cluster, topic)]


def test_a_record_arrives_with_key_value_time_and_headers(
    cluster: Cluster, topic: str, make: Make
) -> None:
    write(make(topic), batches(topic, (1, b"key", b"value"), (1, b"gone", None)))
    first, tombstone = read(cluster, topic)
    assert (first.key(), first.value(), first.partition()) == (b"key", b"value", 1)
    assert first.timestamp()[1] == NOW_MS
    assert first.headers() == [("ce_id", b"0")]
    assert (tombstone.key(), tombstone.value()) == (b"gone", None)


def test_transactions_follow_each_other_in_order(cluster: Cluster, topic: str, make: Make) -> None:
    producer = make(topic)
    for number in range(50):
        text = b"%d" % number
        write(producer, batches(topic, *((at, b"k", text) for at in range(PARTITIONS))))
    wanted = [(at, b"%d" % number) for at in range(PARTITIONS) for number in range(50)]
    assert values(cluster, topic) == wanted


def test_what_was_aborted_never_happened(cluster: Cluster, topic: str, make: Make) -> None:
    producer = make(topic)
    write(producer, batches(topic, (0, b"k", b"never")), is_commit=False)
    write(producer, batches(topic, (0, b"k", b"kept")))
    assert values(cluster, topic) == [(0, b"kept")]
    assert len(read(cluster, topic, "read_uncommitted")) == 2


def test_more_than_a_batch_keeps_its_order(cluster: Cluster, topic: str, make: Make) -> None:
    each, count = 1000, 3 * BATCH_BYTES // 1000
    sent = [(number % 2, b"k", b"%d-" % number + os.urandom(each)) for number in range(count)]
    write(make(topic), batches(topic, *sent))
    in_order = sorted(((at, value) for at, _, value in sent), key=lambda pair: pair[0])
    assert values(cluster, topic) == in_order


def test_ten_mebibytes_are_one_record(cluster: Cluster, topic: str, make: Make) -> None:
    large = os.urandom(10 * 1024 * 1024)
    write(make(topic), batches(topic, *((at, b"k", large) for at in range(PARTITIONS))))
    assert values(cluster, topic) == [(at, large) for at in range(PARTITIONS)]


def test_who_starts_fences_its_predecessor_and_ends_what_that_left_open(
    cluster: Cluster, topic: str, make: Make
) -> None:
    old = make(topic)
    old.begin()
    old.write(batches(topic, (0, b"k", b"left open")))
    write(make(topic), batches(topic, (0, b"k", b"new")))
    with pytest.raises(ProducerFenced, match=r"PRODUCER_FENCED|INVALID_PRODUCER_EPOCH"):
        old.commit()
    with pytest.raises((ProducerFenced, TransactionFailed)):
        write(old, batches(topic, (0, b"k", b"zombie")))
    assert values(cluster, topic) == [(0, b"new")]


def test_librdkafka_and_ours_fence_each_other(cluster: Cluster, topic: str, make: Make) -> None:
    foreign = Producer(transactional_producer(cluster, topic))
    foreign.init_transactions(PATIENCE_S)
    foreign.begin_transaction()
    foreign.produce(topic, b"foreign", b"k", 0)
    foreign.flush(PATIENCE_S)
    ours = make(topic)
    write(ours, batches(topic, (0, b"k", b"ours")))
    assert values(cluster, topic) == [(0, b"ours")]
    Producer(transactional_producer(cluster, topic)).init_transactions(PATIENCE_S)
    with pytest.raises(ProducerFenced):
        write(ours, batches(topic, (0, b"k", b"late")))


@pytest.fixture(params=["slot-0", None], ids=["static", "dynamic"])
def member(request: pytest.FixtureRequest, cluster: Cluster, topic: str) -> Iterator[Consumer]:
    """Return a consumer that has its partitions."""
    settings = worker_consumer(cluster, f"{topic}.group", request.param or "")
    if request.param is None:
        del settings["group.instance.id"]
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    until = time.monotonic() + PATIENCE_S
    while not consumer.assignment():
        assert time.monotonic() < until
        consumer.poll(0.1)
    yield consumer
    consumer.close()


def test_offsets_are_committed_with_the_records(
    cluster: Cluster, topic: str, make: Make, member: Consumer
) -> None:
    producer, place = make(topic), TopicPartition(topic, 2)
    membership = Membership.of(member.consumer_group_metadata())
    for next_offset, is_commit in ((7, True), (8, False), (9, True)):
        producer.begin()
        producer.write(batches(topic, (0, b"k", b"%d" % next_offset)))
        producer.send_offsets({(topic, 2): next_offset}, membership)
        producer.commit() if is_commit else producer.abort()
        wanted = next_offset if is_commit else 7
        assert member.committed([place], PATIENCE_S)[0].offset == wanted
    assert values(cluster, topic) == [(0, b"7"), (0, b"9")]


def test_offsets_of_another_generation_are_refused(
    cluster: Cluster, topic: str, make: Make, member: Consumer
) -> None:
    now = Membership.of(member.consumer_group_metadata())
    assert now.group == f"{topic}.group"
    for stale in (
        Membership(now.group, now.generation - 1, now.member, now.instance),
        Membership(now.group, now.generation, "nobody", now.instance),
    ):
        producer = make(topic)
        producer.begin()
        producer.write(batches(topic, (0, b"k", b"zombie")))
        with pytest.raises(
            (TransactionFailed, ProducerFenced),
            match=r"ILLEGAL_GENERATION|UNKNOWN_MEMBER_ID|FENCED_INSTANCE_ID",
        ):
            producer.send_offsets({(topic, 0): 1}, stale)
        producer.abort()
    assert values(cluster, topic) == []


def test_a_topic_that_is_not_there_is_told_within_the_time_out(
    topic: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactional, "COMMIT_TIMEOUT_S", 0.5)
    producer = make(topic)
    began = time.monotonic()
    with pytest.raises(TransactionFailed, match=r"UNKNOWN_TOPIC_OR_PART|LEADER_NOT_AVAILABLE"):
        write(producer, batches(f"{topic}.missing", (0, b"k", b"v")))
    assert time.monotonic() - began < 2.0


def test_a_cluster_that_is_away_is_told_within_the_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactional, "START_TIMEOUT_S", 0.5)
    producer = TransactionalProducer(Cluster("127.0.0.1:9"), "nobody")
    with pytest.raises(TransactionFailed, match=r"not done in 0\.5 s: .*127\.0\.0\.1"):
        producer.start()
    producer.close()
