"""A broker is ready when it answers itself, not when somebody else does at its port."""

import subprocess

import pytest

from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.errors import BrokerStartFailed
from omnihub.broker.readiness import wait_until_ready


def test_another_clusters_broker_at_the_port_is_not_taken_for_ours(
    own_kafka: EmbeddedKafka,
) -> None:
    broker = own_kafka.status().broker
    assert broker is not None
    at = (broker.bootstrap, broker.node_id)
    ours = subprocess.Popen(["sleep", "30"])
    try:
        wait_until_ready(ours, *at, 10.0, cluster_id=broker.cluster_id)
        with pytest.raises(BrokerStartFailed, match="was not ready"):
            wait_until_ready(ours, *at, 1.0, cluster_id="another")
    finally:
        ours.kill()
        ours.wait()
