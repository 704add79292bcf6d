"""Buyers go each channel's own way: the real web store's checkout and webhooks, the app's calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn
from omnihub_demo import shop as shops
from omnihub_demo.dealing import Order, Orders
from omnihub_demo.erp import Erp
from omnihub_demo.folders import Folders
from omnihub_demo.hub import Hub
from omnihub_demo.order_samples import APP_KEY, COLLECTED, SHIPPED, SHORT
from omnihub_demo.play import EACH, Product
from omnihub_demo.player import Till
from omnihub_demo.process import ChildProcess
from omnihub_demo.shop import Shop
from omnihub_demo.shoppers import Shoppers
from omnihub_demo.waiting import until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from omnihub.broker import tcp
from omnihub.model.time import to_us

# Whoever starts a process keeps its number, not Python's handle of it.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
HOST = "127.0.0.1"
TODAY = date(2026, 11, 23)
MILK = Product("S1", "MILK", "GROCERY", EACH, 250)


@dataclass
class Receiver:
    """Stands where the hub does: keeps what it is told."""

    port: int
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://{HOST}:{self.port}"

    async def take(self, request: Request) -> Response:
        """Keep a webhook under its topic, another body under its path."""
        body = await request.body()
        if body.startswith(b"{"):
            name = request.headers.get("x-wc-webhook-topic", request.url.path)
            self.told.append((name, json.loads(body)))
        return Response()

    def topics_of(self, number: str) -> list[str]:
        """Return under which topics a web order was told, in order of arrival."""
        return [name for name, body in self.told if body.get("number") == number]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Serve a receiver on a real socket."""
    receiver = Receiver(tcp.choose_free(HOST, set()))
    app = Starlette(routes=[Route("/{path:path}", receiver.take, methods=["POST"])])
    config = uvicorn.Config(
        app, host=HOST, port=receiver.port, log_level="warning", ws="none", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    async def listens() -> bool:
        return server.started

    await until(listens, 10.0, "the receiver does not listen")
    yield receiver
    server.should_exit = True
    await serving


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """Start the web store of the demo as a process of its own."""
    folders = Folders(tmp_path / "demo")
    folders.fresh()
    shops.make_keys(folders)
    async with AsyncExitStack() as stack:
        shop = await shops.open_shop(folders, tcp.choose_free(HOST, set()))
        stack.callback(shop.process.end, 5.0)
        stack.push_async_callback(shop.http.aclose)
        await shop.create_products([MILK])
        yield shop


async def buy(orders: tuple[Order, ...], shop: Shop | None, receiver: Receiver) -> Shoppers:
    """Place orders of web and app, as fast as it goes; nobody phones, nobody collects."""
    async with httpx.AsyncClient(base_url=receiver.url) as http:
        hub = Hub(Folders(Path()), receiver.url, ChildProcess(0, ""), http)
        shoppers = Shoppers(
            Orders(orders, hot_buyers=0),
            hub,
            cast(Shop, shop),
            cast(Erp, None),
            cast(Till, None),
            "key",
            TODAY,
        )
        await shoppers.buy(0.0)
    return shoppers


async def test_the_first_web_order_is_told_thrice_the_second_updated_before_it_is_created(
    shop: Shop, receiver: Receiver
) -> None:
    for topic in ("order.created", "order.updated"):
        hook = {"topic": topic, "delivery_url": f"{receiver.url}/webhooks/web", "secret": "s"}
        (await shop.http.post("webhooks", json=hook)).raise_for_status()
    more = [replace(SHIPPED, name=f"W-{n}", share=0.5 + n / 100) for n in range(8)]
    shoppers = await buy((SHIPPED, SHORT, *more), shop, receiver)

    async def is_done() -> bool:
        injected = await shop.injected()
        return bool(injected["webhooks_tripled"] and injected["updates_before_creation"])

    await until(is_done, 10.0, "the web store did not do what it does for certain")
    numbers = {each.order.name: key.number for key, each in shoppers.numbered.items()}
    assert {key.source for key in shoppers.numbered} == {"web"}
    assert receiver.topics_of(numbers[SHIPPED.name]).count("order.created") == 3
    assert receiver.topics_of(numbers[SHORT.name])[:2] == ["order.updated", "order.created"]
    injected = await shop.injected()
    assert (injected["webhooks_tripled"], injected["updates_before_creation"]) == (1, 1)


async def test_the_app_tells_when_an_order_was_placed_and_it_is_noted_so(
    receiver: Receiver,
) -> None:
    shoppers = await buy((COLLECTED,), None, receiver)
    [identify, track] = [body for name, body in receiver.told if name.startswith("/in/app")]
    assert track["properties"]["order_id"] == APP_KEY.number
    told = {to_us(datetime.fromisoformat(body["timestamp"])) for body in (identify, track)}
    assert told == {shoppers.numbered[APP_KEY].at_us}
