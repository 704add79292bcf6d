"""The small server of every process: /live open, the rest with a key, readiness by part."""

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from omnihub.ops.health import Health
from omnihub.ops.metrics import Metrics
from omnihub.ops.probe import probe
from omnihub.ops.server import OpsServer, PortTaken, serve_ops


@pytest.fixture
def health() -> Health:
    return Health("worker-0")


@pytest.fixture
def server(health: Health) -> Iterator[OpsServer]:
    server = serve_ops("127.0.0.1", 0, Metrics(), health, lambda header: header == "Bearer k")
    yield server
    server.close()


def get(server: OpsServer, path: str, key: str | None = "k") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with urlopen(Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_live_is_open_and_the_rest_asks_for_a_key(server: OpsServer) -> None:
    assert get(server, "/live", key=None)[0] == 200
    for path in ("/ready", "/metrics", "/nothing"):
        assert get(server, path, key=None)[0] == 401
        assert get(server, path, key="wrong")[0] == 401


def test_ready_only_when_every_part_works_and_names_the_others(
    server: OpsServer, health: Health
) -> None:
    health.expect("partitions")
    health.probe("disk", lambda: "full")
    status, body = get(server, "/ready")
    assert status == 503
    assert json.loads(body)["failing"] == {"partitions": "starting", "disk": "full"}
    health.works("partitions")
    health.probe("disk", lambda: None)
    assert get(server, "/ready")[0] == 200


def test_a_system_outside_that_is_away_is_named_apart(server: OpsServer, health: Health) -> None:
    health.neighbour("erp", lambda: "write: connection refused")
    status, body = get(server, "/ready")
    told = json.loads(body)
    assert (status, told["status"], told["failing"]) == (503, "not ready", {})
    assert told["failing_outside"] == {"erp": "write: connection refused"}
    health.neighbour("erp", lambda: None)
    assert get(server, "/ready")[0] == 200


async def test_who_starts_processes_waits_for_their_own_parts_alone(
    server: OpsServer, health: Health
) -> None:
    url = f"http://127.0.0.1:{server.port}/ready"
    health.neighbour("erp", lambda: "away")
    health.expect("log")
    assert await probe(url, "k") == "log: starting"
    health.works("log")
    assert await probe(url, "k") is None


def test_metrics_have_the_prefix_and_the_build(server: OpsServer) -> None:
    status, text = get(server, "/metrics")
    assert status == 200
    assert 'omnihub_build_info{codec="python",' in text


def test_nothing_else_is_there(server: OpsServer) -> None:
    assert get(server, "/other")[0] == 404


def test_a_port_in_use_is_named_with_the_cure(server: OpsServer) -> None:
    with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{server.port}.*choose another"):
        serve_ops("127.0.0.1", server.port, Metrics(), Health("api"), lambda _: True)
