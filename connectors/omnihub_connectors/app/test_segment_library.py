"""An independent judge: the provider's own Python library sends to our door over a real socket."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from segment.analytics import Client  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from omnihub.connect.ingress import Ingress
from omnihub.connect.kit.subject import INSTANCE, Subject
from omnihub.model.record import Record
from omnihub.model.records import CartUpdated, CustomerObserved, OrderPlaced, RawDelivery
from omnihub_connectors.app.connector import App
from omnihub_connectors.app.doubles import CONFIG, WRITE_KEY, Worker, order

START_TIMEOUT_S = 10
AT = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)


@dataclass
class Kept:
    """The log: what was accepted, in order."""

    records: list[RawDelivery] = field(default_factory=list)

    async def append(self, topic: str, record: Any, *, timestamp_us: int | None = None) -> None:
        """Keep one record."""
        assert topic == "omni.raw.app.v1"
        self.records.append(record)

    async def append_many(self, topic: str, records: Any) -> None:
        """Keep many."""
        raise NotImplementedError


def door(kept: Kept) -> Starlette:
    """The hub's address of the app, as the API serves it."""
    instance = Subject(connector=App, config=dict(CONFIG)).instance()
    ingress = Ingress({instance.id: instance}, kept)  # type: ignore[arg-type]

    async def take(request: Request) -> Response:
        parts = request.path_params
        path = f"{parts['version']}/{parts['call']}"
        headers = dict(request.headers)
        answer = await ingress.call(parts["instance"], path, headers, await request.body())
        return Response(answer.body, answer.status, media_type="application/json")

    route = Route("/in/{instance}/{version}/{call}", take, methods=["POST"])
    return Starlette(routes=[route])


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def host(kept: Kept) -> Iterator[str]:
    config = uvicorn.Config(door(kept), "127.0.0.1", 0, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/in/{INSTANCE}"
    server.should_exit = True
    thread.join()


def analytics(host: str, errors: list[Any], **options: Any) -> Client:
    """The library as a retailer's server uses it."""
    return Client(
        options.pop("key", WRITE_KEY),
        host=host,
        on_error=lambda error, _: errors.append(error),
        max_retries=1,
        **options,
    )


def told(kept: Kept) -> list[Record]:
    worker = Worker(instance=INSTANCE)
    records = [record for raw in kept.records for record in worker.take(raw)]
    assert worker.parked == []
    return records


@pytest.mark.parametrize("gzip", [False, True])
def test_what_the_library_sends_becomes_events(host: str, kept: Kept, gzip: bool) -> None:
    errors: list[Any] = []
    client = analytics(host, errors, gzip=gzip)
    traits = {"email": "ada@example.org", "name": "Ada Byron"}
    client.identify("u-42", traits, timestamp=AT)
    client.page("u-42", "shop", "Home", timestamp=AT)
    client.track("u-42", "Cart Viewed", order(cart_id="c-7"), timestamp=AT)
    client.track("u-42", "Order Completed", order(), timestamp=AT)
    client.group("u-42", "g-1", {}, timestamp=AT)
    client.shutdown()
    assert errors == []
    records = told(kept)
    assert [type(record) for record in records] == [CustomerObserved, CartUpdated, OrderPlaced]
    assert {raw.stream for raw in kept.records} == {"v1/batch"}
    assert all(b"Basic" not in repr(raw.headers).encode() for raw in kept.records)


def test_what_the_library_sends_again_is_one_event(host: str, kept: Kept) -> None:
    client = analytics(host, [], sync_mode=True)
    for _ in range(3):
        client.track("u", "Order Completed", order(), timestamp=AT, message_id="m-1")
    assert len(kept.records) == 3
    assert [type(record) for record in told(kept)] == [OrderPlaced]


def test_an_unknown_key_reaches_nothing(
    host: str, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "segment")
    errors: list[Any] = []
    client = analytics(host, errors, key="wk_of_somebody_else")
    client.track("u-42", "Order Completed", order(), timestamp=AT)
    client.shutdown()
    assert [error.status for error in errors] == [401]
    assert kept.records == []
