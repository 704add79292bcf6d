"""A node's configuration: what the hub's promises need from Kafka, stated once."""

import pytest

from omnihub.broker.node import (
    NodeIdentity,
    NodeSpec,
    new_cluster_id,
    render,
    server_properties,
)

IDENTITY = NodeIdentity(node_id=1, cluster_id="c", port=21_000, controller_port=21_001)


def properties(spec: NodeSpec) -> dict[str, str]:
    return server_properties(spec, IDENTITY, "data")


def test_a_single_node_is_its_own_quorum_on_the_loopback_address() -> None:
    ours = properties(NodeSpec())
    assert ours["controller.quorum.voters"] == "1@127.0.0.1:21001"
    assert ours["listeners"] == "PLAINTEXT://127.0.0.1:21000,CONTROLLER://127.0.0.1:21001"
    assert ours["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auto.create.topics.enable", "false"),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1000"),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.num.partitions", "4"),
        ("message.max.bytes", "12582912"),
    ],
)
def test_what_the_engine_relies_on(name: str, value: str) -> None:
    assert properties(NodeSpec())[name] == value


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (3, "2")])
def test_replication_holds_for_every_internal_topic(replicas: int, in_sync: str) -> None:
    ours = properties(NodeSpec(replication_factor=replicas))
    factors = {v for k, v in ours.items() if k.endswith("replication.factor")}
    minima = {v for k, v in ours.items() if k.endswith(("min.isr", "min.insync.replicas"))}
    assert (factors, minima) == ({str(replicas)}, {in_sync})


def test_the_caller_may_override_any_property() -> None:
    assert properties(NodeSpec(properties={"num.partitions": "3"}))["num.partitions"] == "3"


def test_backslashes_survive_the_file_format() -> None:
    assert render({"log.dirs": "C:\\data"}) == "log.dirs=C:\\\\data\n"


def test_a_cluster_id_is_never_read_as_an_option() -> None:
    ids = {new_cluster_id() for _ in range(500)}
    assert len(ids) == 500
    assert not any("-" in cluster_id for cluster_id in ids)
    assert {len(cluster_id) for cluster_id in ids} == {22}
