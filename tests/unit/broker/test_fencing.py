"""A fence that the controller has told of counts only once it is written."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnihub.broker.fencing import controller_properties, wait_until_written


@pytest.fixture
def controller() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_it_waits_for_three_writes_since_what_was_written_before_may_come_late(
    tmp_path: Path, controller: subprocess.Popen[bytes]
) -> None:
    log = tmp_path / "00.log"
    log.write_bytes(b"old")
    written: list[float] = []

    def write() -> None:
        for _ in range(3):
            time.sleep(0.15)
            with log.open("ab") as file:
                file.write(b"record")
            written.append(time.monotonic())

    writer = threading.Thread(target=write)
    writer.start()
    assert wait_until_written(controller, tmp_path)
    assert len(written) == 3
    writer.join()


def test_a_controller_that_ends_has_written_nothing_more(
    tmp_path: Path, controller: subprocess.Popen[bytes]
) -> None:
    controller.kill()
    controller.wait()
    assert not wait_until_written(controller, tmp_path)


def test_an_idle_controller_writes_often_and_is_no_broker() -> None:
    ours = controller_properties({"listeners": "PLAINTEXT://k:1", "node.id": "1"}, "k:2")
    assert ours["metadata.max.idle.interval.ms"] == "100"
    assert (ours["listeners"], ours["process.roles"]) == ("CONTROLLER://k:2", "controller")
