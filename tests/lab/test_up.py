"""`omnihub up` as a person uses it: real Kafka, real processes, signals and kill -9."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from omnihub.connect.registry import connector_names

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]
OMNIHUB = (sys.executable, "-m", "omnihub")


class Hub:
    """An installation in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "spool" / "incoming").mkdir(parents=True)
        (folder / "spool" / "archive").mkdir()
        self.write_config()

    def write_config(self, **api: int) -> None:
        config = {
            "api": {"port": 0, **api},
            "registry": {"port": 0},
            "workers": {"count": 2},
            "channels": {"WEB": {"locations": ["store-367"]}},
            "connectors": {
                "pos": {
                    "type": "poslog",
                    "owns": ["stock"],
                    "map": {"sku": "identity", "location": "table"},
                    "config": {
                        "spool": str(self.folder / "spool"),
                        "time_zone": "America/New_York",
                    },
                }
            },
        }
        (self.folder / "omnihub.yaml").write_text(json.dumps(config))

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        with (self.folder / "up.out").open("w") as out:
            process = subprocess.Popen([*OMNIHUB, "up"], cwd=self.folder, stderr=out, text=True)
        try:
            self.until(lambda: self.run().get("ready"), process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def until(
        self, condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 90
    ) -> float:
        began = time.monotonic()
        while not condition():
            assert process.poll() is None, (self.folder / "up.out").read_text()
            assert time.monotonic() - began < timeout_s, (self.folder / "up.out").read_text()
            time.sleep(0.02)
        return time.monotonic() - began

    def run(self) -> dict[str, Any]:
        path = self.folder / ".omnihub" / "run.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def web(self) -> httpx.Client:
        run = self.run()
        key = {"Authorization": f"Bearer {run['token']}"}
        return httpx.Client(base_url=run["api_url"], headers=key)

    def process(self, name: str) -> dict[str, Any]:
        return next(row for row in self.run()["processes"] if row["name"] == name)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*OMNIHUB, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60
        )

    def processes_left(self) -> list[int]:
        """Return processes that still work on this folder."""
        left = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environ = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if (
                str(self.folder).encode() in environ
                and state != "Z"
                and int(entry.name) != os.getpid()
            ):
                left.append(int(entry.name))
        return left


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    if "poslog" not in connector_names():
        pytest.skip("the catalogue is not installed")
    return Hub(tmp_path)


def test_a_sale_goes_all_the_way_and_a_killed_worker_is_back_at_once(hub: Hub) -> None:
    samples = Path(__file__).parents[2] / "connectors/omnihub_connectors/poslog/samples"
    with hub.up() as up, hub.web() as web:
        for name in ("count.xml", "sale.xml"):
            body = (samples / name).read_bytes()
            (hub.folder / "spool" / "incoming" / name).write_bytes(body)
        hub.until(lambda: web.get("/v1/hospital").json()["items"], up)
        assert "map set pos location '367'" in hub.command("map", "missing").stdout
        assert hub.command("map", "set", "pos", "location", "367", "store-367").returncode == 0
        hub.until(lambda: web.get("/v1/stock").json()["items"], up)
        hub.until(lambda: not web.get("/v1/hospital").json()["items"], up)
        sku = web.get("/v1/stock").json()["items"][0]["sku"]
        assert "RawDelivery" in hub.command("explain", sku).stdout
        assert json.loads(hub.command("stock", sku, "--json").stdout)["locations"]

        killed = hub.process("worker-0")["pid"]
        os.kill(killed, signal.SIGKILL)
        back_s = hub.until(lambda: hub.process("worker-0")["pid"] not in (None, killed), up)
        ready_s = hub.until(lambda: hub.process("worker-0")["state"] == "ready", up)
        print(f"worker-0: back after {back_s:.2f} s, at work after {back_s + ready_s:.2f} s")
        assert back_s < 1.0
    assert up.returncode == 0
    assert hub.run() == {}
    assert hub.processes_left() == []


def test_nothing_survives_a_supervisor_that_was_killed(hub: Hub) -> None:
    with hub.up() as up:
        assert len(hub.processes_left()) >= 7
        up.kill()
        up.wait()
        deadline = time.monotonic() + 30
        while left := hub.processes_left():
            assert time.monotonic() < deadline, left
            time.sleep(0.1)


def test_a_port_in_use_and_a_second_up_are_refused_with_the_cure(hub: Hub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        hub.write_config(port=port)
        done = hub.command("up")
    assert done.returncode == 1
    assert f"api.port is {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_that_is_down_is_named(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIHUB_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("OMNIHUB_REGISTRY__URL", "http://127.0.0.1:2")
    done = hub.command("up")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr or "127.0.0.1:2" in done.stderr
    assert "Traceback" not in done.stderr
