"""Several embedded nodes as one cluster on this machine: what replication promises can be tried.

Guarantees: every topic, the internal ones too, has a replica on up to three nodes, and a write is
acknowledged once two of them have it, so one node may die at any time; each node may be stopped,
killed and started by itself, on the ports it had. Does not: survive the loss of this machine, so
it is for tests and for trying out; production has brokers of its own.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from omnihub.broker.datadir import DataDir
from omnihub.broker.embedded import START_TIMEOUT_S, EmbeddedKafka
from omnihub.broker.jars import JarStore
from omnihub.broker.node import HOST, NodeIdentity, NodeSpec, new_cluster_id
from omnihub.broker.readiness import wait_until_live
from omnihub.broker.tcp import CONTROLLERS, choose_free

REPLICAS = 3
PropertiesOf = Callable[[NodeIdentity], Mapping[str, str]]


class EmbeddedCluster:
    """`brokers` nodes, each broker and voter, below `folder`; `nodes` has them by id, from 1.

    `properties_of` may override a node's configuration. All state is on disk: the same folder is
    the same cluster again.
    """

    def __init__(
        self,
        folder: Path,
        brokers: int = 3,
        *,
        heap_mb: int = 256,
        properties_of: PropertiesOf = lambda _: {},
        jars: JarStore | None = None,
    ) -> None:
        identities = _identities(folder, brokers)
        voters = tuple(f"{i.node_id}@{HOST}:{i.controller_port}" for i in identities)
        self.bootstrap = ",".join(identity.bootstrap for identity in identities)
        self.nodes = {
            identity.node_id: EmbeddedKafka(
                _path(folder, identity.node_id),
                NodeSpec(
                    node_id=identity.node_id,
                    port=identity.port,
                    controller_port=identity.controller_port,
                    cluster_id=identity.cluster_id,
                    voters=voters,
                    replication_factor=min(REPLICAS, brokers),
                    heap_mb=heap_mb,
                    properties=properties_of(identity),
                ),
                jars,
            )
            for identity in identities
        }

    def start(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """Start every node that does not run; return the bootstrap once all are live.

        Raises:
            BrokerError: see `EmbeddedKafka.start`; no node is left running.
        """
        try:
            for node in self.nodes.values():
                if not node.status().running:
                    node.launch()
            self.wait_until_live(timeout_s)
        except BaseException:  # Ctrl-C while waiting must not leave brokers behind
            self.kill()
            raise
        return self.bootstrap

    def wait_until_live(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return once every node counts itself among the cluster's live brokers.

        Raises:
            BrokerStartFailed: they do not within `timeout_s`.
        """
        wait_until_live(self.bootstrap, set(self.nodes), timeout_s)

    def stop(self) -> None:
        """End every node that runs with SIGTERM."""
        for node in self.nodes.values():
            # The last of a quorum waits in vain for the others' leave.
            node.stop(timeout_s=5.0)

    def kill(self) -> None:
        """End every node that runs with SIGKILL."""
        for node in self.nodes.values():
            node.kill()


def _path(folder: Path, node_id: int) -> Path:
    return folder / f"node-{node_id}"


def _identities(folder: Path, brokers: int) -> list[NodeIdentity]:
    """Return what each node is: as its data says, or new, with ports that are free now."""
    known = {i: DataDir(_path(folder, i)).identity() for i in range(1, brokers + 1)}
    settled = [identity for identity in known.values() if identity is not None]
    cluster_id = settled[0].cluster_id if settled else new_cluster_id()
    taken = {port for i in settled for port in (i.port, i.controller_port)}
    found = []
    for node_id, identity in known.items():
        if identity is None:
            port = choose_free(HOST, taken)
            controller_port = choose_free(HOST, taken | {port}, CONTROLLERS)
            taken |= {port, controller_port}
            identity = NodeIdentity(node_id, cluster_id, port, controller_port)
        found.append(identity)
    return found
