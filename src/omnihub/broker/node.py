"""Describes one KRaft node and turns the description into Kafka's `server.properties`.

Pure: no file, no socket, no process.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
MIB = 1024 * 1024
LARGEST_MESSAGE_BYTES = 12 * MIB
"""A record carries up to 10 MiB of payload; the rest is the batch's and the framing's."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a caller may decide about a node; `None` is chosen at the first start and remembered.

    A cluster of several nodes gives each its own `node_id`, ports and data directory, and all of
    them the same `cluster_id`, `voters` (`id@host:controller_port`) and `replication_factor`.
    `properties` override any of ours; `features` are levels that the cluster is made with
    (`transaction.version=1` for one that behaves as before Kafka 4).
    """

    node_id: int = 1
    port: int | None = None
    controller_port: int | None = None
    cluster_id: str | None = None
    voters: tuple[str, ...] = ()
    replication_factor: int = 1
    heap_mb: int = 512
    properties: Mapping[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What a data directory keeps for life."""

    node_id: int
    cluster_id: str
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class RunningKafka:
    """A node that was started, as its data directory records it and as commands print it."""

    bootstrap: str
    pid: int
    port: int
    controller_port: int
    node_id: int
    cluster_id: str
    kafka_version: str
    java: str
    java_major: int
    data_dir: str
    log: str


def new_cluster_id() -> str:
    """Return a random cluster id in Kafka's form (22 characters, never starting with `-`)."""
    # A leading "-" would be read as an option by the format tool.
    return urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=").replace("-", "A")


def server_properties(spec: NodeSpec, identity: NodeIdentity, log_dir: str) -> dict[str, str]:
    """Return the whole configuration; `log_dir` may be relative to where the broker runs."""
    return {
        **_network(spec, identity),
        **_internal_topics(spec.replication_factor),
        **_groups_and_transactions(),
        **_log(log_dir),
        **spec.properties,
    }


def render(properties: Mapping[str, str]) -> str:
    """Write properties in Java's file format."""
    escaped = ((key, value.replace("\\", "\\\\")) for key, value in properties.items())
    return "".join(f"{key}={value}\n" for key, value in escaped)


def _network(spec: NodeSpec, identity: NodeIdentity) -> dict[str, str]:
    controller = f"{HOST}:{identity.controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(identity.node_id),
        "controller.quorum.voters": ",".join(spec.voters) or f"{identity.node_id}@{controller}",
        "listeners": f"PLAINTEXT://{identity.bootstrap},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{identity.bootstrap}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        **_session(spec),
        "message.max.bytes": str(LARGEST_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(LARGEST_MESSAGE_BYTES),
    }


def _session(spec: NodeSpec) -> dict[str, str]:
    if not spec.voters:
        # A pause must never fence the only broker: transactions then lose their markers, see
        # `fencing`, which also spares a killed one the wait for the end of its session.
        return {"broker.session.timeout.ms": "18000", "broker.heartbeat.interval.ms": "500"}
    # Others take over: 3 s instead of 9 s, still longer than any pause of a busy machine.
    return {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}


def _internal_topics(replication_factor: int) -> dict[str, str]:
    replicas, in_sync = str(replication_factor), str(min(2, replication_factor))
    return {
        # A topic that a typing error creates has the wrong partitions for ever.
        "auto.create.topics.enable": "false",
        "num.partitions": "8",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _groups_and_transactions() -> dict[str, str]:
    return {
        "group.initial.rebalance.delay.ms": "0",
        # A supervisor restarts a worker within 1 s; tests let a dead one be noticed as fast.
        "group.min.session.timeout.ms": "1000",
        # A zombie's transaction holds back every read_committed reader until it is aborted.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # A hub that was switched off for a month must still find its offsets.
        "offsets.retention.minutes": str(365 * 24 * 60),
    }


def _log(log_dir: str) -> dict[str, str]:
    return {
        "log.dirs": log_dir,
        # Only closed segments are compacted: small ones keep changelogs and state topics short.
        "log.segment.bytes": str(64 * MIB),
        "log.index.size.max.bytes": str(MIB),
        # Taken from the heap; enough for 1.3 million keys in one pass.
        "log.cleaner.dedupe.buffer.size": str(32 * MIB),
        "log.cleaner.backoff.ms": "5000",
    }
