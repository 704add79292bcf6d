"""Around every request: size limit, safe headers, and the three request figures.

Guarantees: a body larger than the limit is answered with 413, announced or streamed, and never
held whole in memory; routes are counted by their template, so labels stay bounded.
"""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnihub.api.problem import Problem, answer
from omnihub.ops.metrics import Metrics

_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Edge:
    """ASGI middleware, outermost."""

    def __init__(self, app: ASGIApp, metrics: Metrics, body_limit_bytes: int) -> None:
        self._app = app
        self._metrics = metrics
        self._limit = body_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status = 500
        began = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        self._metrics.http_in_flight.inc()
        try:
            await self._limited(scope, receive, observed)
        finally:
            self._metrics.http_in_flight.dec()
            self._count(scope, status, time.perf_counter() - began)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limit:
            problem = Problem("body-too-large", self._told())
            await answer(problem)(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise Problem("body-too-large", self._told())
            return message

        await self._app(scope, counted, send)

    def _told(self) -> str:
        return f"The limit is {self._limit} bytes (api.body_limit_bytes)."

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if route != "unmatched" else "any"
        self._metrics.http_requests.labels(route, method, f"{status // 100}xx").inc()
        self._metrics.http_request_duration_seconds.labels(route, method).observe(seconds)
