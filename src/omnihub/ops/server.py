"""The small HTTP server beside every process's work: /live, /ready and /metrics.

Guarantees: answers from a thread of its own, so it also answers while the process restores or
computes; /live is open, the rest asks for a key of scope read unless told otherwise; nothing is
computed while nobody asks.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from omnihub.model.errors import OmniHubError
from omnihub.ops.health import Health
from omnihub.ops.metrics import CONTENT_TYPE, Metrics

Authorize = Callable[[str | None], bool]
"""Gets the Authorization header, tells whether it may read."""


class PortTaken(OmniHubError):
    """Another program listens where this process should."""


@dataclass(frozen=True, slots=True)
class OpsServer:
    """A running server; `port` is the real one, also when 0 was asked for."""

    port: int
    _server: ThreadingHTTPServer

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def serve_ops(
    host: str, port: int, metrics: Metrics, health: Health, authorize: Authorize
) -> OpsServer:
    """Start answering on `host:port` (0 = any free port).

    Raises:
        PortTaken: another program listens there.
    """
    handler = partial(_Handler, metrics, health, authorize)
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise PortTaken(
            f"{health.process} cannot listen on {host}:{port}: {error.strerror}. "
            "End the program that uses the port, or choose another."
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="ops-http", daemon=True)
    thread.start()
    return OpsServer(server.server_address[1], server)


class _Handler(BaseHTTPRequestHandler):
    """GET only; HTTP/1.0, one request a connection."""

    server_version = "omnihub"
    sys_version = ""

    def __init__(self, metrics: Metrics, health: Health, authorize: Authorize, *args: Any) -> None:
        self._metrics, self._health, self._authorize = metrics, health, authorize
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/live":
            self._answer(200, "application/json", b'{"status": "live"}')
        elif not self._authorize(self.headers.get("Authorization")):
            self._answer(401, "application/problem+json", _UNAUTHORIZED)
        elif self.path == "/metrics":
            self._answer(200, CONTENT_TYPE, self._metrics.render())
        elif self.path == "/ready":
            self._ready()
        else:
            self._answer(404, "application/problem+json", _NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line."""

    def _ready(self) -> None:
        failing, outside = self._health.failing(), self._health.failing_outside()
        is_ready = not failing and not outside
        status = "ready" if is_ready else "not ready"
        body = {"status": status, "failing": failing, "failing_outside": outside}
        self._answer(200 if is_ready else 503, "application/json", json.dumps(body).encode())

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)


def _problem(status: int, code: str, title: str) -> bytes:
    return json.dumps({"type": f"/problems/{code}", "title": title, "status": status}).encode()


_UNAUTHORIZED = _problem(401, "unauthorized", "An API key is needed")
_NOT_FOUND = _problem(404, "not-found", "There is nothing here")
