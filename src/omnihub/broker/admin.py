"""Creates and inspects topics.

Guarantees: `ensure_topics` may run at every start and from several processes at once; it never
changes a topic that exists, and refuses to go on when one differs from the contract in its
partition count or cleanup policy. Does not: delete anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType
from confluent_kafka.cimpl import NewTopic

from omnihub.broker.bulkread import RawRecord, read_bulk
from omnihub.broker.clients import (
    DELETE_RETENTION_S,
    MAX_MESSAGE_BYTES,
    Cluster,
    admin_client,
)
from omnihub.broker.logerrors import LogUnavailable
from omnihub.broker.ports import Offsets
from omnihub.contracts.topics import TopicSpec
from omnihub.model.errors import ConfigurationError

_HOUR_MS = 3_600_000
_TIMEOUT_S = 15.0
CLUSTER_DEFAULT = -1
"""As many replicas as the brokers' `default.replication.factor` says: one of ours is one node."""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as the broker has it; `ends` are the next offsets by partition."""

    name: str
    partitions: int
    cleanup: str
    retention_ms: int
    ends: tuple[int, ...]


class TopicAdmin:
    """Topic administration over one connection."""

    def __init__(self, cluster: Cluster, replication: int = CLUSTER_DEFAULT) -> None:
        self._cluster = cluster
        self._replication = replication
        self._client = AdminClient(admin_client(cluster))

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create what is missing of `specs`; return the names created.

        Raises:
            ConfigurationError: an existing topic differs from its spec.
            LogUnavailable: the cluster does not answer.
        """
        existing = self._partition_counts()
        self._check([spec for spec in specs if spec.name in existing], existing)
        missing = [spec for spec in specs if spec.name not in existing]
        if not missing:
            return []
        created = self._client.create_topics([self._new(spec) for spec in missing])
        for name, future in created.items():
            _answer(future, f"create topic '{name}'", KafkaError.TOPIC_ALREADY_EXISTS)
        return [spec.name for spec in missing]

    def cluster_id(self) -> str:
        """Return the cluster's own id, which tells one log from another.

        Raises:
            LogUnavailable: the cluster does not answer.
        """
        described = _answer(self._client.describe_cluster(), "describe the cluster")
        return str(described.cluster_id)

    def names(self, patience_s: float = _TIMEOUT_S) -> list[str]:
        """Return every topic's name, internal ones excluded.

        Raises:
            LogUnavailable: the cluster does not answer within `patience_s`.
        """
        return sorted(self.partitions(patience_s))

    def partitions(self, patience_s: float = _TIMEOUT_S) -> dict[str, int]:
        """Return how many partitions every topic has, internal ones excluded.

        Raises:
            LogUnavailable: the cluster does not answer within `patience_s`.
        """
        counts = self._partition_counts(patience_s)
        return {name: count for name, count in counts.items() if not name.startswith("__")}

    def describe(self, names: Iterable[str]) -> list[TopicDescription]:
        """Return what the broker knows of `names`; unknown names are left out."""
        counts = self._partition_counts()
        known = [name for name in names if name in counts]
        configs, ends = self._configs(known), self.ends(known)
        return [
            TopicDescription(
                name=name,
                partitions=counts[name],
                cleanup=configs[name]["cleanup.policy"],
                retention_ms=int(configs[name]["retention.ms"]),
                ends=tuple(ends[name, at] for at in range(counts[name])),
            )
            for name in known
        ]

    def ends(self, topics: Iterable[str]) -> Offsets:
        """Return the next offset of every partition of `topics`.

        Raises:
            LogUnavailable: the cluster does not answer.
        """
        return self._offsets(dict.fromkeys(self._places(topics), OffsetSpec.latest()))

    def offsets_since(self, topics: Iterable[str], at_us: int) -> Offsets:
        """Return each partition's first offset from a moment on; its end, if nothing came since."""
        places = self._places(topics)
        ends = self._offsets(dict.fromkeys(places, OffsetSpec.latest()))
        since = self._offsets(dict.fromkeys(places, OffsetSpec.for_timestamp(at_us // 1000)))
        return {at: ends[at] if offset < 0 else offset for at, offset in since.items()}

    def read(self, topic: str) -> list[RawRecord]:
        """Return all committed records of `topic` up to its present end, partition by partition.

        Raises:
            LogUnavailable: the cluster does not answer.
        """
        return self._read(self._places([topic]))

    def newest(self, topic: str, partition: int, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the newest values of `keys` in one partition of a compacted topic."""
        records = self._read([TopicPartition(topic, partition)])
        found = {each.key: each.value for each in records if each.key in keys}
        return {key: value for key, value in found.items() if key is not None and value is not None}

    def _read(self, places: Sequence[TopicPartition]) -> list[RawRecord]:
        """Read partitions of one topic."""
        if not places:
            return []
        topic = places[0].topic
        lows = self._offsets(dict.fromkeys(places, OffsetSpec.earliest()))
        ends = self._offsets(dict.fromkeys(places, OffsetSpec.latest()))
        bounds = {partition: (lows[topic, partition], end) for (_, partition), end in ends.items()}
        try:
            return read_bulk(self._cluster, topic, bounds)
        except KafkaException as error:
            raise _unavailable(f"read '{topic}'", error) from error

    def _places(self, topics: Iterable[str]) -> list[TopicPartition]:
        counts = self._partition_counts()
        return [TopicPartition(topic, at) for topic in topics for at in range(counts.get(topic, 0))]

    def _offsets(self, asked: Mapping[TopicPartition, OffsetSpec]) -> Offsets:
        """Ask for all at once: an answer for each topic alone took seconds."""
        if not asked:
            return {}
        answers = self._client.list_offsets(dict(asked), request_timeout=_TIMEOUT_S)
        return {
            (at.topic, at.partition): _answer(answer, f"find offsets of '{at.topic}'").offset
            for at, answer in answers.items()
        }

    def _partition_counts(self, patience_s: float = _TIMEOUT_S) -> dict[str, int]:
        try:
            topics = self._client.list_topics(timeout=patience_s).topics
        except KafkaException as error:
            raise _unavailable(f"list topics of {self._cluster.bootstrap}", error) from error
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def _check(self, specs: Sequence[TopicSpec], counts: dict[str, int]) -> None:
        configs = self._configs([spec.name for spec in specs])
        for spec in specs:
            if counts[spec.name] != spec.partitions:
                raise ConfigurationError(
                    f"Topic '{spec.name}' has {counts[spec.name]} partitions, the contract says "
                    f"{spec.partitions}: keys would move. Set the count back, or move to a new "
                    "topic version."
                )
            cleanup = configs[spec.name]["cleanup.policy"]
            if cleanup != spec.cleanup:
                raise ConfigurationError(
                    f"Topic '{spec.name}' has cleanup.policy '{cleanup}', the contract says "
                    f"'{spec.cleanup}': history or state would be lost. Alter the topic's config."
                )

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        asked = self._client.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name) for name in names]
        )
        return {
            resource.name: {
                key: entry.value for key, entry in _answer(future, "read topic configs").items()
            }
            for resource, future in asked.items()
        }

    def _new(self, spec: TopicSpec) -> NewTopic:
        config = {"cleanup.policy": spec.cleanup, "max.message.bytes": str(MAX_MESSAGE_BYTES)}
        # Record timestamps are accepted_at, which the engine carries from input to output.
        config["message.timestamp.type"] = "CreateTime"
        if spec.cleanup == "compact":
            config |= {
                "min.cleanable.dirty.ratio": "0.1",
                "segment.ms": str(_HOUR_MS),
                "delete.retention.ms": str(DELETE_RETENTION_S * 1000),
            }
        else:
            config["retention.ms"] = str((spec.retention_hours or 0) * _HOUR_MS)
        return NewTopic(
            spec.name,
            num_partitions=spec.partitions,
            replication_factor=self._replication,
            config=config,
        )


def _answer(future: Any, act: str, *harmless: int) -> Any:
    try:
        return future.result(timeout=_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() in harmless:
            return None
        raise _unavailable(act, error) from error
    except TimeoutError as error:
        raise _unavailable(act, error) from error


def _unavailable(act: str, error: Exception) -> LogUnavailable:
    why = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
    cure = "Check that Kafka runs (omnihub kafka status), or correct kafka.bootstrap."
    return LogUnavailable(f"Cannot {act}: {why}. {cure}", retry_after_s=1.0)
