"""The simulator as a process: started from the command line, with a seed file, on a real socket."""

import http.server
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from omnihub_connectors.woocommerce.doubles import simple

MODULE = "omnihub_connectors.woocommerce.simulator"
AUTH = ("ck_demo", "cs_demo")
KEYS = dict(zip(("WOO_CONSUMER_KEY", "WOO_CONSUMER_SECRET"), AUTH, strict=True))
START_TIMEOUT_S = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def shop_url(tmp_path: Path) -> Iterator[str]:
    seed_file = tmp_path / "products.json"
    seed_file.write_text(json.dumps([simple(f"S{number}", 3) for number in range(100)]))
    port = free_port()
    command = [sys.executable, "-m", MODULE, "--port", str(port), "--seed-file", str(seed_file)]
    process = subprocess.Popen(command, env={**os.environ, **KEYS})
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url, process)
    yield url
    process.terminate()
    process.wait(10)


def wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the simulator did not start within {START_TIMEOUT_S} s")


def test_it_serves_its_seed_and_a_batch_of_a_hundred_in_milliseconds(shop_url: str) -> None:
    with httpx.Client(base_url=f"{shop_url}/wp-json/wc/v3/", auth=AUTH) as api:
        listed = api.get("products", params={"per_page": 100, "_fields": "id", "orderby": "id"})
        assert listed.headers["X-WP-Total"] == "100"
        update = [{"id": row["id"], "stock_quantity": 9} for row in listed.json()]
        took_s = []
        for _ in range(20):
            start = time.perf_counter()
            answer = api.post("products/batch", json={"update": update})
            took_s.append(time.perf_counter() - start)
        assert len(answer.json()["update"]) == 100
        assert sorted(took_s)[10] < 0.05
        state = httpx.get(f"{shop_url}/simulator/state", auth=AUTH).json()
        assert state["requests"]["POST /products/batch"] == 20


@pytest.fixture
def receiver() -> Iterator[tuple[str, "queue.Queue[bytes]"]]:
    """The URL of a hub on a real socket, and what it was sent."""
    received: queue.Queue[bytes] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_delivers_webhooks_by_itself(
    shop_url: str, receiver: tuple[str, "queue.Queue[bytes]"]
) -> None:
    hook_url, received = receiver
    with httpx.Client(base_url=f"{shop_url}/wp-json/wc/v3/", auth=AUTH) as api:
        api.post("webhooks", json={"topic": "product.updated", "delivery_url": hook_url})
        assert received.get(timeout=10) == b"webhook_id=1"
        api.put("products/10", json={"stock_quantity": 77})
        assert json.loads(received.get(timeout=10))["stock_quantity"] == 77


def test_faults_are_scripted_over_http(shop_url: str) -> None:
    script = [{"status": 429, "path": "/batch", "retry_after": "3"}]
    with httpx.Client(base_url=shop_url, auth=AUTH) as control:
        assert control.post("/simulator/faults", json=script).status_code == 200
        batch = control.post("/wp-json/wc/v3/products/batch", json={})
        assert (batch.status_code, batch.headers["Retry-After"]) == (429, "3")
        assert control.post("/simulator/drain").json()["products"] == 100


def test_it_refuses_to_start_without_keys() -> None:
    environ = {name: value for name, value in os.environ.items() if name not in KEYS}
    command = [sys.executable, "-m", MODULE, "--port", str(free_port())]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "WOO_CONSUMER_KEY is not set" in ended.stderr
