"""What the embedded Kafka answers without any JVM; the rest is in tests/lab."""

from pathlib import Path

import pytest

from omnihub.broker import datalock
from omnihub.broker.datadir import DataDir
from omnihub.broker.embedded import EmbeddedKafka, kafka_status, kafka_stop
from omnihub.broker.errors import BrokerAlreadyRunning, BrokerStopFailed
from omnihub.broker.node import RunningKafka
from omnihub.broker.tcp import CONTROLLERS

LEFT_BEHIND = RunningKafka(
    bootstrap="127.0.0.1:21000",
    pid=1,  # alive, and certainly not ours
    port=21_000,
    controller_port=21_001,
    node_id=1,
    cluster_id="c",
    kafka_version="4.3.1",
    java="java",
    java_major=17,
    data_dir="/d",
    log="/d/kafka.log",
)


def test_a_directory_that_never_was_is_not_running_and_stop_does_nothing(tmp_path: Path) -> None:
    assert not kafka_status(tmp_path / "absent").running
    assert kafka_stop(tmp_path / "absent").pid is None
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_a_dead_broker_left_behind_counts_for_nothing(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    files.create()
    files.record(LEFT_BEHIND)
    status = kafka_status(tmp_path)
    assert (status.running, status.broker) == (False, None)
    assert kafka_stop(tmp_path).pid is None


def test_a_process_that_is_not_the_broker_is_never_signalled(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    files.create()
    files.record(LEFT_BEHIND)
    with (
        datalock.held(files.lock, 0),
        pytest.raises(BrokerStopFailed, match=r"not by the recorded broker \(pid 1\)"),
    ):
        kafka_stop(tmp_path)


def test_a_start_beside_another_start_says_so(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    files.create()
    with (
        datalock.held(files.lock, 0),
        pytest.raises(BrokerAlreadyRunning, match="Another process is starting"),
    ):
        EmbeddedKafka(tmp_path).start()


def test_a_new_broker_s_controller_keeps_out_of_the_ports_of_others(tmp_path: Path) -> None:
    assert EmbeddedKafka(tmp_path)._choose(None).controller_port in CONTROLLERS
