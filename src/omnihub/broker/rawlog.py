"""A compacted topic of one partition as a plain log of bytes: where the schema registry lives.

Guarantees: `append` returns when all in-sync replicas have every record, in order; `read_all`
returns what was committed, and creates the topic where it is missing. Implements
`omnihub.contracts.registry.state.SchemaLog`. Does not: keep two writers apart.
"""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from omnihub.broker.admin import CLUSTER_DEFAULT, TopicAdmin
from omnihub.broker.clients import APPEND_TIMEOUT_S, Cluster, plain_producer
from omnihub.broker.logerrors import LogUnavailable
from omnihub.contracts.topics import TopicSpec

SCHEMAS_TOPIC = "_schemas"


class KafkaRawLog:
    """Bytes in, bytes out; safe to call from one thread at a time."""

    def __init__(
        self, cluster: Cluster, topic: str = SCHEMAS_TOPIC, replication: int = CLUSTER_DEFAULT
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._admin = TopicAdmin(cluster, replication)
        self._producer: Producer | None = None

    def read_all(self) -> list[tuple[bytes | None, bytes | None]]:
        """Return key and value of every record, oldest first.

        Raises:
            LogUnavailable: the cluster does not answer.
        """
        spec = TopicSpec(self._topic, 1, "compact", None, records={})
        self._admin.ensure_topics([spec])
        return [(record.key, record.value) for record in self._admin.read(self._topic)]

    def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Append `records` in order.

        Raises:
            LogUnavailable: not acknowledged within 5 s; some may still be written.
        """
        failed: list[KafkaError] = []
        producer = self._producer or Producer(plain_producer(self._cluster))
        self._producer = None  # Kept only after it is seen to work.
        try:
            for key, value in records:
                producer.produce(
                    self._topic,
                    key=key,
                    value=value,
                    partition=0,
                    on_delivery=lambda error, _: failed.append(error) if error else None,
                )
            left = producer.flush(APPEND_TIMEOUT_S)
        except (KafkaException, BufferError) as error:
            raise self._unavailable(str(error)) from error
        if failed or left:
            raise self._unavailable(str(failed[0]) if failed else f"{left} unacknowledged")
        self._producer = producer

    def _unavailable(self, why: str) -> LogUnavailable:
        return LogUnavailable(
            f"'{self._topic}' at {self._cluster.bootstrap} took no change: {why}. "
            "Check that Kafka runs.",
            retry_after_s=1.0,
        )
