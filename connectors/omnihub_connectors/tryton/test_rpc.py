"""JSON-RPC: sessions, and errors by what to do about them. Answers are recorded ones."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from omnihub.connect.errors import AuthFailed, RateLimited, Refused, Transient
from omnihub.model.errors import OmniHubError
from omnihub_connectors.tryton.rpc import Account, TrytonRpc, Warned

SAMPLES = Path(__file__).parent / "samples"
Answer = Callable[[str], httpx.Response]


class Server:
    """Signs in everybody; answers other calls by `answer`, given the method."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.methods: list[str] = []
        self.sessions: list[str] = []

    def rpc(self) -> TrytonRpc:
        network = httpx.MockTransport(self._handle)
        account = Account("http://erp", "omnihub", "hub", SecretStr("secret"))
        return TrytonRpc(httpx.AsyncClient(transport=network), account)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        assert set(body) == {"id", "method", "params"}
        method = body["method"]
        self.methods.append(method)
        self.sessions.append(request.headers.get("Authorization", ""))
        if method == "common.db.login":
            return result([7, f"token-{self.methods.count(method)}", None])
        if method.endswith("get_preferences"):
            return result({"company": 3, "language": "en", "locale": {}})
        assert body["params"][-1]["company"] == 3
        return self.answer(method)


def result(value: object) -> httpx.Response:
    return httpx.Response(200, json={"id": 1, "result": value})


def sample(name: str) -> httpx.Response:
    return httpx.Response(200, content=(SAMPLES / name).read_bytes())


async def test_it_signs_in_once_and_sends_the_users_context() -> None:
    server = Server(lambda _: result([1]))
    rpc = server.rpc()

    assert await rpc.call("model.x.search", []) == [1]
    await rpc.call("model.x.search", [])

    assert server.methods.count("common.db.login") == 1


async def test_a_refused_session_is_replaced_once() -> None:
    server = Server(lambda _: httpx.Response(401) if len(server.methods) < 4 else result("fine"))

    assert await server.rpc().call("model.x.read") == "fine"
    assert server.methods.count("common.db.login") == 2
    assert server.sessions[-1] != server.sessions[2]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401), AuthFailed),
        (httpx.Response(403), AuthFailed),
        (sample("error_access.json"), AuthFailed),
        (httpx.Response(429), RateLimited),
        (httpx.Response(500), Transient),
        (httpx.Response(503), Transient),
        (httpx.Response(504), Transient),
        (httpx.Response(404), Refused),
        (httpx.Response(200, content=b'{"id":1,"error":["ConcurrencyException","x"]}'), Transient),
        (httpx.Response(200, content=b'{"id":1,"error":["database is locked",""]}'), Transient),
        (sample("error_user.json"), Refused),
        (sample("error_unknown_model.json"), Refused),
        (sample("error_warning.json"), Warned),
    ],
)
async def test_errors_say_what_to_do(answer: httpx.Response, error: type[OmniHubError]) -> None:
    with pytest.raises(error):
        await Server(lambda _: answer).rpc().call("model.x.write", [1])


@pytest.mark.parametrize("broken", [b"", b"<html>", b'{"id":1,"resu', b"[]", b'{"id":1}'])
async def test_an_answer_that_breaks_off_is_transient(broken: bytes) -> None:
    server = Server(lambda _: httpx.Response(200, content=broken))

    with pytest.raises(Transient):
        await server.rpc().call("model.x.read")


async def test_tryton_tells_what_is_wrong_in_its_own_words() -> None:
    with pytest.raises(Refused, match=r"exceeds the limit") as caught:
        await Server(lambda _: sample("error_user.json")).rpc().call("model.x.write", [1])
    assert "Quantity" in str(caught.value)
    assert caught.value.cure


async def test_a_warning_is_answered_with_yes() -> None:
    pressed = iter([sample("error_warning.json"), result(None)])
    skipped: list[str] = []

    def answer(method: str) -> httpx.Response:
        if method.endswith("warning.skip"):
            skipped.append(method)
            return result(None)
        return next(pressed)

    await Server(answer).rpc().press("stock.move", "do", [1])

    assert len(skipped) == 1


async def test_endless_warnings_end() -> None:
    def answer(method: str) -> httpx.Response:
        return result(None) if method.endswith("skip") else sample("error_warning.json")

    with pytest.raises(Refused, match="keeps on asking"):
        await Server(answer).rpc().press("stock.move", "do", [1])


async def test_the_password_is_in_no_error() -> None:
    with pytest.raises(AuthFailed) as caught:
        await Server(lambda _: httpx.Response(401)).rpc().call("model.x.read")
    assert "secret" not in str(caught.value)


class SlowNetwork(httpx.AsyncBaseTransport):
    """Answers after the other tasks had their chance; notes who was there at the same time."""

    def __init__(self, server: Server) -> None:
        self._handle = server._handle
        self.order: list[str] = []
        self.open = 0
        self.most_open = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        for _ in range(5):
            await asyncio.sleep(0)
        self.open -= 1
        self.order.append(json.loads(request.content)["method"])
        return self._handle(request)


def slow_rpc() -> tuple[TrytonRpc, SlowNetwork]:
    network = SlowNetwork(Server(lambda _: result([])))
    account = Account("http://erp", "omnihub", "hub", SecretStr("secret"))
    return TrytonRpc(httpx.AsyncClient(transport=network), account), network


async def test_an_account_makes_one_call_at_a_time() -> None:
    rpc, network = slow_rpc()
    await asyncio.gather(*(rpc.call(f"model.x.m{number}") for number in range(4)))
    assert network.most_open == 1
    assert network.order[-4:] == [f"model.x.m{number}" for number in range(4)]


async def test_a_turn_keeps_others_out_between_its_calls() -> None:
    rpc, network = slow_rpc()

    async def three_in_a_row() -> None:
        async with rpc.turn():
            for number in range(3):
                await rpc.call(f"model.move.m{number}")
                await asyncio.sleep(0)

    await rpc.call("model.x.first")
    await asyncio.gather(three_in_a_row(), rpc.call("model.sale.other"))
    assert network.order[-4:] == [*(f"model.move.m{n}" for n in range(3)), "model.sale.other"]
