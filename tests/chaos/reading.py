"""Reads what is in Kafka, for the checker: read_committed, and past none of our own code."""

import time
from collections.abc import Iterable, Sequence

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from chaos.checker import End, Garbage, Lanes, Seen
from omnihub.contracts.codec import Codec
from omnihub.model.errors import ParkError
from omnihub.model.record import Record

TIMEOUT_S = 10.0
PATIENCE_S = 30.0


def read(bootstrap: str, topic: str, partitions: int, codec: Codec) -> Lanes:
    """Return all committed records of a topic; what cannot be decoded is told as `Garbage`."""
    consumer = Consumer(_settings(bootstrap))
    lanes: Lanes = [[] for _ in range(partitions)]
    open_lanes = set(range(partitions))
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    while open_lanes:
        for message in _batch(consumer):
            error = message.error()
            if error is None:
                at = (message.offset(), message.timestamp()[1], message.key().decode())
                lanes[message.partition()].append(Seen(*at, decoded(codec, message.value())))
            elif error.code() == KafkaError._PARTITION_EOF:
                open_lanes.discard(message.partition())
            else:
                raise RuntimeError(f"{topic}: {error.str()}")
    consumer.close()
    return lanes


def waiting(bootstrap: str, topic: str, offsets: Sequence[int]) -> int:
    """Return how many committed records lie at or after `offsets`, partition by partition."""
    consumer = Consumer(_settings(bootstrap))
    places = [TopicPartition(topic, at, max(offset, 0)) for at, offset in enumerate(offsets)]
    consumer.assign(places)
    # New records may come meanwhile: an end can be told more than once.
    open_lanes, found = set(range(len(places))), 0
    while open_lanes:
        for message in _batch(consumer):
            error = message.error()
            if error is None:
                found += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                open_lanes.discard(message.partition())
            elif not error.retriable():
                raise RuntimeError(f"{topic}: {error.str()}")
    consumer.close()
    return found


def ends(bootstrap: str, topics: Iterable[tuple[str, int]]) -> list[End]:
    """Return the stable and the last offset of every partition of (topic, partitions)."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    places = [TopicPartition(topic, at) for topic, count in topics for at in range(count)]
    stable, last = (
        admin.list_offsets(
            dict.fromkeys(places, OffsetSpec.latest()),
            isolation_level=level,
            request_timeout=TIMEOUT_S,
        )
        for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    )
    return [
        End(
            place.topic,
            place.partition,
            stable[place].result(TIMEOUT_S).offset,
            last[place].result(TIMEOUT_S).offset,
        )
        for place in places
    ]


def committed(
    bootstrap: str, group: str, topic: str, partitions: int, patience_s: float = PATIENCE_S
) -> list[int]:
    """Return what a group has committed, by partition; -1001 where it has nothing.

    A coordinator that moves, or still loads what it keeps, is asked again for a while.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    asked = [TopicPartition(topic, at) for at in range(partitions)]
    until = time.monotonic() + patience_s
    try:
        while True:
            try:
                places = consumer.committed(asked, TIMEOUT_S)
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return [place.offset for place in sorted(places, key=lambda its: its.partition)]
    finally:
        consumer.close()


def owners(bootstrap: str, group: str) -> dict[tuple[str, int], str]:
    """Return which static member of a group has which partition, as its coordinator tells it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    try:
        described = admin.describe_consumer_groups([group])[group].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return {}
        raise
    return {
        (place.topic, place.partition): member.group_instance_id
        for member in described.members
        for place in (member.assignment.topic_partitions if member.assignment else ())
    }


def _batch(consumer: Consumer) -> list[Message]:
    """Return what is there; `consume` alone would wait for its whole number."""
    first = consumer.poll(1.0)
    return [] if first is None else [first, *consumer.consume(10_000, 0)]


def _settings(bootstrap: str) -> dict[str, object]:
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "checker",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 10,
        "max.partition.fetch.bytes": 16 * 1024 * 1024,
    }


def decoded(codec: Codec, value: bytes | None) -> Record | Garbage | None:
    """Return a record; what cannot be read is `Garbage`."""
    if value is None:
        return None
    try:
        return codec.decode(value)
    except ParkError:
        return Garbage(value)
