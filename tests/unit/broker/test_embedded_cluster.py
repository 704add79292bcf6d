"""How several nodes become one cluster, without any JVM; the rest is in tests/lab."""

from pathlib import Path

from omnihub.broker.datadir import DataDir
from omnihub.broker.embedded_cluster import EmbeddedCluster
from omnihub.broker.node import NodeIdentity


def ports(cluster: EmbeddedCluster) -> list[int]:
    return [int(address.rpartition(":")[2]) for address in cluster.bootstrap.split(",")]


def test_each_node_has_ports_and_data_of_its_own(tmp_path: Path) -> None:
    cluster = EmbeddedCluster(tmp_path, brokers=3)
    assert sorted(cluster.nodes) == [1, 2, 3]
    assert len(set(ports(cluster))) == 3
    assert len({node.status().data_dir for node in cluster.nodes.values()}) == 3


def test_a_folder_is_the_same_cluster_again(tmp_path: Path) -> None:
    files = DataDir(tmp_path / "node-2")
    files.create()
    files.remember(NodeIdentity(2, "known", 21_000, 21_001))
    seen: list[NodeIdentity] = []
    cluster = EmbeddedCluster(tmp_path, properties_of=lambda node: seen.append(node) or {})
    assert {identity.cluster_id for identity in seen} == {"known"}
    assert ports(cluster)[1] == 21_000
