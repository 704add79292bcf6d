"""Brokers that a scenario may break: who leads what, and a cluster that a proxy stands before."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from chaos.installation import Installation, movement
from chaos.network import Network, Proxy
from chaos.supervisor import Supervisor
from chaos.trial import load
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.clients import Cluster
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.embedded_cluster import EmbeddedCluster
from omnihub.broker.logerrors import LogUnavailable
from omnihub.broker.node import HOST, NodeIdentity, NodeSpec
from omnihub.broker.tcp import choose_free

ASK_TIMEOUT_S = 10.0
LOOK_TIMEOUT_S = 1.0
OUTAGE_S = 8.0
"""Longer than a session, a delivery and a transaction may take: no retry bridges it."""
GOES_ON_S = 40.0


def leader(bootstrap: str, topic: str, partition: int) -> int:
    """Return the node that leads a partition."""
    topics = AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic, ASK_TIMEOUT_S).topics
    return int(topics[topic].partitions[partition].leader)


def group_coordinator(bootstrap: str, group: str) -> int:
    """Return the node that keeps the group's members and offsets."""
    return _keeper(bootstrap, "__consumer_offsets", group)


def transaction_coordinator(bootstrap: str, transactional_id: str) -> int:
    """Return the node that keeps the transactions of one id."""
    return _keeper(bootstrap, "__transaction_state", transactional_id)


def _keeper(bootstrap: str, topic: str, name: str) -> int:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    partitions = admin.list_topics(topic, ASK_TIMEOUT_S).topics[topic].partitions
    return int(partitions[abs(_java_hash(name)) % len(partitions)].leader)


def _java_hash(text: str) -> int:
    """Return Java's `String.hashCode`, by which Kafka chooses coordinators."""
    value = 0
    for unit in text.encode("latin-1"):
        value = (31 * value + unit) & 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def progress(installation: Installation) -> int:
    """Return how far the group has come; -1 while nobody says."""
    asked = [TopicPartition(topic, at) for topic, n in installation.inboxes for at in range(n)]
    consumer = Consumer(
        {"bootstrap.servers": installation.bootstrap, "group.id": installation.mark}
    )
    try:
        return sum(max(place.offset, 0) for place in consumer.committed(asked, LOOK_TIMEOUT_S))
    except KafkaException:
        return -1
    finally:
        consumer.close()


def load_while(installation: Installation, workers: Supervisor, work: Callable[[], object]) -> None:
    """Append at the usual rate until `work`, in a thread of its own, is done."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told to the scenario below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        load(installation, workers, 0.1)
    if failed:
        raise failed[0]


def goes_on_after(
    installation: Installation, workers: Supervisor, fault: Callable[[], object]
) -> float:
    """Bring a fault under load; return the seconds until the group commits again.

    `GOES_ON_S` says that it did not.
    """
    fault()
    struck_at = time.monotonic()
    # What was on its way when the fault struck does not count.
    load(installation, workers, 0.5)
    before = progress(installation)
    while time.monotonic() - struck_at < GOES_ON_S:
        load(installation, workers, 0.1)
        now = progress(installation)
        if 0 <= before < now:
            return time.monotonic() - struck_at
        before = max(before, now)
    return GOES_ON_S


def refusal_of_an_append(installation: Installation) -> LogUnavailable | None:
    """Append as a webhook does; return how it was refused, None if it was not."""
    record = movement(10_000_000 + len(installation.sent.maybe), 1, None)
    installation.sent.maybe.append(("t:sku-1", record.movement_id))

    async def append() -> None:
        ports = Cluster(installation.bootstrap), installation.topics, installation.codec
        async with KafkaAppender(*ports, timeout_s=3.0) as appender:
            await appender.append(installation.inboxes[0][0], record)

    try:
        asyncio.run(append())
    except LogUnavailable as refused:
        return refused
    return None


@contextlib.contextmanager
def proxied_kafka(
    folder: Path, network: Network, features: tuple[str, ...] = ()
) -> Iterator[tuple[str, Proxy]]:
    """A broker with two doors: its own address, and a proxy for whoever bootstraps from there."""
    direct, behind, controller, before = _free_ports(4)
    listeners = {"PLAINTEXT": direct, "PROXIED": behind, "CONTROLLER": controller}
    advertised = {"PLAINTEXT": direct, "PROXIED": before}
    spec = NodeSpec(
        port=direct,
        controller_port=controller,
        properties=_listening(listeners, advertised),
        features=features,
    )
    kafka = EmbeddedKafka(folder / "proxied-kafka", spec)
    proxy = network.proxy(f"kafka-{before}", behind, before)
    try:
        yield kafka.start().bootstrap, proxy
    finally:
        kafka.kill()


class BrokersApart:
    """Three brokers that speak with each other through proxies, if there is a network of these."""

    def __init__(self, folder: Path, network: Network | None) -> None:
        self._network = network
        self.proxies: dict[int, Proxy] = {}
        self.cluster = EmbeddedCluster(
            folder, properties_of=self._behind_a_proxy if network else lambda _: {}
        )

    def _behind_a_proxy(self, node: NodeIdentity) -> dict[str, str]:
        assert self._network is not None
        behind, before = _free_ports(2)
        self.proxies[node.node_id] = self._network.proxy(f"node-{node.node_id}", behind, before)
        listeners = {"PLAINTEXT": node.port, "INTERNAL": behind, "CONTROLLER": node.controller_port}
        advertised = {"PLAINTEXT": node.port, "INTERNAL": before}
        return {
            **_listening(listeners, advertised),
            "inter.broker.listener.name": "INTERNAL",
        }


def _listening(listeners: Mapping[str, int], advertised: Mapping[str, int]) -> dict[str, str]:
    return {
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items()),
        "advertised.listeners": ",".join(f"{n}://{HOST}:{port}" for n, port in advertised.items()),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
    }


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        ports.append(choose_free(HOST, ports))
    return ports
