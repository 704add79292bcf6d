"""What the hub has not worked off yet, measured at the broker and not asked from the hub.

Guarantees: counts committed records behind the consumer groups' committed offsets; transaction
markers, which take offsets but are no records, do not count. Does not: see what is not in the log.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from omnihub.broker.ports import Offsets, Partition

WORKER_GROUP = "omnihub"
TIMEOUT_S = 10.0
MANY = 2_000


@dataclass(frozen=True, slots=True)
class Behind:
    """Offsets from where a group stands to the end, per partition."""

    committed: Offsets
    ends: Offsets

    @property
    def offsets(self) -> Offsets:
        """Return how many offsets lie ahead, markers included."""
        return {
            place: end - self.committed.get(place, 0)
            for place, end in self.ends.items()
            if end > self.committed.get(place, 0)
        }


class Backlog:
    """Measures one cluster; `inputs` names the topics that each group reads."""

    def __init__(self, bootstrap: str, inputs: Mapping[str, Sequence[str]]) -> None:
        self._bootstrap = bootstrap
        self._inputs = inputs
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        listed = self._admin.list_topics(timeout=TIMEOUT_S).topics
        self._partitions = {name: len(topic.partitions) for name, topic in listed.items()}

    def records(self) -> int:
        """Return the records that wait anywhere; when there are very many, about how many."""
        total = 0
        for group, topics in self._inputs.items():
            places = [(t, p) for t in topics for p in range(self._partitions.get(t, 0))]
            behind = self.behind(group, places)
            about = sum(behind.offsets.values())
            total += about if about > MANY else len(self.unread(behind))
        return total

    def behind(self, group: str, places: Iterable[Partition]) -> Behind:
        """Return where `group` stands in `places` and where they end."""
        wanted = list(places)
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in wanted}
        found = self._admin.list_offsets(asked, request_timeout=TIMEOUT_S)
        ends = {(x.topic, x.partition): future.result().offset for x, future in found.items()}
        return Behind(self._committed(group, wanted), ends)

    def owned(self, slot: int) -> list[Partition]:
        """Return the partitions that the worker of `slot` owns, as the broker says."""
        name = f"{socket.gethostname()}-{slot}"
        described = self._admin.describe_consumer_groups([WORKER_GROUP])[WORKER_GROUP]
        return [
            (place.topic, place.partition)
            for member in described.result(timeout=TIMEOUT_S).members
            if member.group_instance_id == name
            for place in member.assignment.topic_partitions
        ]

    def unread(self, behind: Behind) -> list[Partition]:
        """Read on from where the group stands; return the place of every committed record."""
        ahead = behind.offsets
        if not ahead:
            return []
        consumer = Consumer(_reading(self._bootstrap))
        consumer.assign([TopicPartition(*x, behind.committed.get(x, 0)) for x in ahead])
        try:
            return list(_until_ends(consumer, behind.ends, set(ahead)))
        finally:
            consumer.close()

    def _committed(self, group: str, places: Sequence[Partition]) -> Offsets:
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])
        answer = self._admin.list_consumer_group_offsets([wanted])[group]
        known = answer.result(timeout=TIMEOUT_S).topic_partitions
        return {(x.topic, x.partition): x.offset for x in known if x.offset >= 0}


def _reading(bootstrap: str) -> dict[str, object]:
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "omnihub-demo-backlog",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 10,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }


def _until_ends(
    consumer: Consumer, ends: Mapping[Partition, int], open_places: set[Partition]
) -> Iterator[Partition]:
    """Yield the place of each record before the ends."""
    deadline = time.monotonic() + TIMEOUT_S
    while open_places:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Kafka did not give the records of {sorted(open_places)}.")
        message = consumer.poll(TIMEOUT_S)
        if message is None:
            continue
        place = (message.topic(), message.partition())
        error = message.error()
        if error is None and message.offset() < ends[place]:
            yield place
        elif error is None or error.code() == KafkaError._PARTITION_EOF:
            open_places.discard(place)
