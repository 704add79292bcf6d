"""The one place with Kafka client settings.

Guarantees: every setting on which durability, order or exactly-once rests is written out here with
its reason, whatever the library's default, and is pinned by tests. Access settings (SASL, TLS) are
given in librdkafka's names and carried to both libraries. Does not: open connections.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from omnihub.model.errors import ConfigurationError

LibrdkafkaSettings = dict[str, Any]
AiokafkaSettings = dict[str, Any]

MAX_MESSAGE_BYTES = 12 * 1024 * 1024  # A 10 MiB delivery with its headers and framing.
APPEND_TIMEOUT_S = 5.0
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_MS = 2_000
TRANSACTION_TIMEOUT_MS = 5_000
"""An open transaction holds back every read_committed reader for at most this long."""
SESSION_REQUEST_TIMEOUT_MS = 2_000
RETRY_BACKOFF_MS = 5
RETRY_BACKOFF_MAX_MS = 20
FETCH_WAIT_MS = 500
DELETE_RETENTION_S = 24 * 3600
"""How long a compacted topic keeps tombstones: rows kept elsewhere must not be older."""
_FETCH_BYTES = 50 * 1024 * 1024
_AIO_SECURITY = {
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
}
_TLS = frozenset(
    {
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
    }
)


@dataclass(frozen=True)
class Cluster:
    """Where the cluster is and how to be let in; `security` uses librdkafka's names."""

    bootstrap: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_id: str = "omnihub"

    def __post_init__(self) -> None:
        for name in self.security:
            if name not in _AIO_SECURITY and name not in _TLS:
                raise ConfigurationError(
                    f"kafka.security has '{name}': no such setting. "
                    f"Use {sorted({*_AIO_SECURITY, *_TLS})}."
                )


def session_client(cluster: Cluster) -> AiokafkaSettings:
    """Settings of the connections behind the engine's `TransactionalProducer`."""
    return {
        **_aiokafka(cluster),
        # Well within a transaction's time: what is not answered by then is asked again.
        "request_timeout_ms": SESSION_REQUEST_TIMEOUT_MS,
        "retry_backoff_ms": RETRY_BACKOFF_MS * 4,
        "metadata_max_age_ms": 30_000,
    }


def plain_producer(cluster: Cluster) -> LibrdkafkaSettings:
    """Settings of librdkafka's producer, outside transactions (tests, tools)."""
    return {
        **_librdkafka(cluster),
        # Acknowledged means: on every in-sync replica.
        "acks": "all",
        # A retry after a lost answer is neither a second record nor out of order.
        "enable.idempotence": True,
        # Java, aiokafka and Faust hash keys so; librdkafka's own default would disagree.
        "partitioner": "murmur2_random",
        # At most this long in doubt; the engine aborts and rewinds after it.
        "delivery.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        # The engine flushes at commit, so lingering only lets batches fill while it still works.
        "linger.ms": 5,
        "batch.size": 1024 * 1024,
        "batch.num.messages": 20_000,
        "queue.buffering.max.messages": 1_000_000,
        "compression.type": "lz4",
        # Back-to-back transactions meet CONCURRENT_TRANSACTIONS: waiting 100 ms cost 97 ms each.
        "retry.backoff.ms": RETRY_BACKOFF_MS,
        "retry.backoff.max.ms": RETRY_BACKOFF_MAX_MS,
    }


def worker_consumer(cluster: Cluster, group: str, slot: str) -> LibrdkafkaSettings:
    """Settings of the engine's input consumer in worker slot `slot`."""
    return {
        **_reading(cluster),
        "group.id": group,
        # Classic and range: the only pair seen to give co-partitioned topics to one worker.
        "group.protocol": "classic",
        "partition.assignment.strategy": "range",
        # Static membership: a killed worker that is back within the session causes no rebalance.
        "group.instance.id": slot,
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "max.poll.interval.ms": 60_000,
        # The engine says where each partition starts; a place that is not in the log (retention has
        # passed it, the topic was recreated) must be seen, never jumped over.
        "auto.offset.reset": "error",
    }


def restore_consumer(cluster: Cluster, name: str) -> LibrdkafkaSettings:
    """Settings of a consumer that reads assigned partitions outside any group (changelogs)."""
    return {
        **_reading(cluster),
        # librdkafka wants a name; with auto commit off and `assign` no group ever forms.
        "group.id": f"{name}.restore",
        # A position beyond the log's end or before its start must be seen, never jumped over.
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        # The end is told by an empty answer: it must not be waited for.
        "fetch.wait.max.ms": 10,
        "max.partition.fetch.bytes": 8 * 1024 * 1024 + MAX_MESSAGE_BYTES,
    }


def admin_client(cluster: Cluster) -> LibrdkafkaSettings:
    """Settings of the admin client."""
    return {**_librdkafka(cluster), "socket.timeout.ms": 10_000}


def aio_producer(cluster: Cluster) -> AiokafkaSettings:
    """Settings of the asyncio producer behind `KafkaAppender`."""
    return {
        **_aiokafka(cluster),
        # Durable before acknowledged: a webhook is answered only after all replicas have it.
        "acks": "all",
        # A retry after a lost answer is neither a second record nor out of order.
        "enable_idempotence": True,
        "request_timeout_ms": int(APPEND_TIMEOUT_S * 1000),
        "retry_backoff_ms": RETRY_BACKOFF_MS * 4,
        "max_request_size": MAX_MESSAGE_BYTES,
        "max_batch_size": 1024 * 1024,
        # Callers wait for the acknowledgement, so a lone record must leave at once.
        "linger_ms": 0,
        "compression_type": "lz4",
        "metadata_max_age_ms": 30_000,
    }


def aio_reader(cluster: Cluster) -> AiokafkaSettings:
    """Settings of the asyncio consumer behind `KafkaReader`: no group, positions by hand."""
    return {
        **_aio_reading(cluster),
        "group_id": None,
        # A start position that retention has passed begins at the oldest record that is left.
        "auto_offset_reset": "earliest",
    }


def aio_group_reader(cluster: Cluster, group: str, instance: str | None) -> AiokafkaSettings:
    """Settings of the asyncio consumer behind `KafkaGroupReader`."""
    return {
        **_aio_reading(cluster),
        "group_id": group,
        # Static membership: a restarted sink keeps its partitions, nobody waits for a rebalance.
        "group_instance_id": instance,
        "partition_assignment_strategy": (RangePartitionAssignor,),
        "session_timeout_ms": SESSION_TIMEOUT_MS,
        "heartbeat_interval_ms": HEARTBEAT_MS,
        # A sink waits out a system that is down for minutes without losing its partitions.
        "max_poll_interval_ms": 30 * 60_000,
        # A command once decided is delivered, also to a sink that was never there before.
        "auto_offset_reset": "earliest",
    }


def _librdkafka(cluster: Cluster) -> LibrdkafkaSettings:
    return {
        "bootstrap.servers": cluster.bootstrap,
        "client.id": cluster.client_id,
        **cluster.security,
        # Topics come from the contract alone; a misspelt name must fail, not appear.
        "allow.auto.create.topics": False,
        "socket.keepalive.enable": True,
        # A restarted broker is found again at once.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 30_000,
    }


def _reading(cluster: Cluster) -> LibrdkafkaSettings:
    return {
        **_librdkafka(cluster),
        # What an aborted transaction wrote never happened.
        "isolation.level": "read_committed",
        # Offsets move only inside the transaction that holds their effects.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A waiting fetch is answered the moment a transaction commits; asking more often only
        # costs. (Measured: 4 ms from commit to record with 50 and with 500.)
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "fetch.min.bytes": 1,
        "fetch.max.bytes": _FETCH_BYTES,
        "max.partition.fetch.bytes": MAX_MESSAGE_BYTES,
        "receive.message.max.bytes": _FETCH_BYTES + MAX_MESSAGE_BYTES,
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 256 * 1024,
        # After an empty answer ask again at once: the default waits out another interval.
        "fetch.queue.backoff.ms": 5,
        "retry.backoff.ms": RETRY_BACKOFF_MS,
        "retry.backoff.max.ms": RETRY_BACKOFF_MAX_MS,
    }


def _aiokafka(cluster: Cluster) -> AiokafkaSettings:
    security: dict[str, Any] = {
        _AIO_SECURITY[name]: value
        for name, value in cluster.security.items()
        if name in _AIO_SECURITY
    }
    if security.get("security_protocol", "").upper() in ("SSL", "SASL_SSL"):
        security["ssl_context"] = _ssl_context(cluster.security)
    return {
        "bootstrap_servers": cluster.bootstrap,
        "client_id": cluster.client_id,
        **security,
    }


def _aio_reading(cluster: Cluster) -> AiokafkaSettings:
    return {
        **_aiokafka(cluster),
        # What an aborted transaction wrote never happened.
        "isolation_level": "read_committed",
        # The caller alone says what is done.
        "enable_auto_commit": False,
        # One fetch at a time, without the partitions whose records are not taken yet: what arrives
        # there meanwhile waits this long, at most.
        "fetch_max_wait_ms": FETCH_WAIT_MS // 2,
        "fetch_min_bytes": 1,
        "fetch_max_bytes": _FETCH_BYTES,
        "max_partition_fetch_bytes": MAX_MESSAGE_BYTES,
        "retry_backoff_ms": RETRY_BACKOFF_MS * 4,
        "request_timeout_ms": 10_000,
        "metadata_max_age_ms": 30_000,
        "exclude_internal_topics": False,
    }


def _ssl_context(security: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
    if certificate := security.get("ssl.certificate.location"):
        context.load_cert_chain(
            certificate, security.get("ssl.key.location"), security.get("ssl.key.password")
        )
    if security.get("ssl.endpoint.identification.algorithm", "https") in ("", "none"):
        context.check_hostname = False
    return context
