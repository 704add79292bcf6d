"""How far consumer groups are behind, asked of the broker.

Guarantees: one question for the ends and one a group, whatever the number of topics. Offsets count,
so markers of transactions do, too: a group that has read everything may be a few behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from omnihub.broker.clients import Cluster, admin_client
from omnihub.broker.logerrors import LogUnavailable

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands on a topic of one partition, and where that ends."""

    committed: int
    end: int

    @property
    def behind(self) -> int:
        """Return the offsets that lie ahead."""
        return max(0, self.end - self.committed)


class GroupBacklog:
    """Looks at consumer groups that each read one topic of one partition."""

    def __init__(self, cluster: Cluster, topics: Mapping[str, str]) -> None:
        self._topics = topics
        self._cluster = cluster
        self._client = AdminClient(admin_client(cluster))

    def look(self) -> dict[str, Standing]:
        """Return where each group stands.

        Raises:
            LogUnavailable: the broker does not answer.
        """
        try:
            ends = self._ends(sorted(set(self._topics.values())))
            return {
                group: Standing(self._committed(group, topic), ends[topic])
                for group, topic in self._topics.items()
            }
        except KafkaException as error:
            raise LogUnavailable(
                f"Kafka at {self._cluster.bootstrap} does not tell the groups' offsets: "
                f"{error.args[0]}. Start it or correct kafka.bootstrap.",
                retry_after_s=1.0,
            ) from error

    def _ends(self, topics: Sequence[str]) -> dict[str, int]:
        latest = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in topics}
        found = self._client.list_offsets(latest, request_timeout=TIMEOUT_S)
        return {place.topic: future.result().offset for place, future in found.items()}

    def _committed(self, group: str, topic: str) -> int:
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        answer = self._client.list_consumer_group_offsets([wanted], request_timeout=TIMEOUT_S)
        (place,) = answer[group].result().topic_partitions
        offset: int = place.offset
        return max(0, offset)
