"""A bad network on demand: toxiproxy before a broker's listener.

`Network` builds the proxy from the pinned module once (`toxiproxy/`, needs `go`) and runs it. A
broker that advertises a proxy's address has every client behind it, whatever it bootstrapped from.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import httpx

from omnihub.broker.node import HOST
from omnihub.broker.tcp import choose_free

MODULE = Path(__file__).with_name("toxiproxy")
PROGRAM = Path(__file__).parents[2] / "build" / "toxiproxy-server"
BUILD_TIMEOUT_S = 300.0
START_TIMEOUT_S = 10.0
MISSING = f"toxiproxy is missing: install Go (it is built once), or put its server at {PROGRAM}"


def is_available() -> bool:
    """Tell whether the proxy is built or can be built here."""
    return _is_built() or shutil.which("go") is not None


def build() -> Path:
    """Return the proxy's program, built if it is missing or older than its lock."""
    if not _is_built():
        PROGRAM.parent.mkdir(exist_ok=True)
        draft = PROGRAM.with_suffix(f".{os.getpid()}")  # Two may build at once.
        subprocess.run(
            ["go", "build", "-o", str(draft), "github.com/Shopify/toxiproxy/v2/cmd/server"],
            cwd=MODULE,
            check=True,
            timeout=BUILD_TIMEOUT_S,
        )
        draft.replace(PROGRAM)
    return PROGRAM


def _is_built() -> bool:
    lock = MODULE / "go.sum"
    return PROGRAM.exists() and PROGRAM.stat().st_mtime >= lock.stat().st_mtime


class Proxy:
    """One address that leads to another, until told otherwise."""

    def __init__(self, api: httpx.Client, name: str, port: int) -> None:
        self._api, self._name, self.port = api, name, port

    @contextlib.contextmanager
    def toxic(self, kind: str, stream: str = "downstream", **attributes: int) -> Iterator[None]:
        """Spoil every connection inside the block; `downstream` is what the broker answers."""
        path = f"/proxies/{self._name}/toxics"
        body: Mapping[str, object] = {"type": kind, "stream": stream, "attributes": attributes}
        name = self._api.post(path, json=body).raise_for_status().json()["name"]
        try:
            yield
        finally:
            self._api.delete(f"{path}/{name}").raise_for_status()


class Network:
    """The running proxy server: `with Network(folder) as network: network.proxy(...)`."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "toxiproxy.log"
        self._port = choose_free(HOST)
        # The server ends connections that wait: each call has its own.
        fresh = httpx.Limits(max_keepalive_connections=0)
        url = f"http://{HOST}:{self._port}"
        self._api = httpx.Client(base_url=url, trust_env=False, limits=fresh)

    def __enter__(self) -> "Network":
        with self._log.open("ab") as log:
            command = [str(build()), "-host", HOST, "-port", str(self._port)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert time.monotonic() < until, f"toxiproxy does not answer; see {self._log}"
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._api.close()
        self._process.terminate()
        self._process.wait(10)

    def proxy(self, name: str, to_port: int, port: int) -> Proxy:
        """Let `port` lead to `to_port`."""
        body = {"name": name, "listen": f"{HOST}:{port}", "upstream": f"{HOST}:{to_port}"}
        self._api.post("/proxies", json=body).raise_for_status()
        return Proxy(self._api, name, port)

    def _answers(self) -> bool:
        try:
            return self._api.get("/version").is_success
        except httpx.TransportError:
            return False
