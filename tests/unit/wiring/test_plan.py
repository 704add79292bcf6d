"""What `omnihub up` settles before anything starts."""

from pathlib import Path

import pytest

from omnihub.broker.datadir import DataDir
from omnihub.broker.node import NodeIdentity
from omnihub.ops.server import PortTaken
from omnihub.wiring.installation import kafka_dir, open_installation
from omnihub.wiring.plan import plan_run

CONTROLLER_PORT = 19_003


def test_the_port_of_a_broker_s_controller_is_given_to_nobody_else(tmp_path: Path) -> None:
    """It has no listener yet, and the broker keeps it from one start to the next."""
    config = tmp_path / "omnihub.yaml"
    config.write_text(f"version: 1\ntenant: grocer\napi:\n  port: {CONTROLLER_PORT}\n")
    install = open_installation(config, {})
    broker = DataDir(kafka_dir(install.settings))
    broker.path.mkdir(parents=True)
    broker.remember(NodeIdentity(1, "c", 29_001, CONTROLLER_PORT))
    with pytest.raises(PortTaken, match=r"api\.port is 19003"):
        plan_run(install)
