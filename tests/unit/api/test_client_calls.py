"""Calls of a system's own clients over the API: answered as that system answers, once durable."""

import pytest

from omnihub.broker.logerrors import LogUnavailable

SECRET = "shop-secret"
PATH = "/in/web/v1/track"


async def kept(hub) -> list[bytes]:
    return [entry.record.body for entry in await hub.log.read_all(["omni.raw.shop.v1"])]


async def call(hub, path: str = PATH, body: bytes = b'{"a": 1}', key: str = SECRET):
    async with hub.client() as client:
        return await client.post(path, content=body, auth=(key, ""))


async def test_a_call_is_durable_when_it_is_answered_as_the_system_would(hub) -> None:
    answer = await call(hub)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer.headers["content-type"] == "application/json"
    assert await kept(hub) == [b'{"a": 1}']


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"key": "wrong"}, 401, "bad-signature"),
        ({"path": "/in/nobody/v1/track"}, 404, "unknown-instance"),
        ({"path": "/in/web/v1/eat"}, 404, "unknown-instance"),
        ({"path": "/in/web/v2/track"}, 404, "unknown-instance"),
        ({"body": b"[]"}, 400, "bad-request"),
        ({"body": b"{" + b" " * 100}, 400, "bad-request"),
    ],
)
async def test_a_bad_call_is_a_problem_and_leaves_no_trace(hub, change, status, problem) -> None:
    answer = await call(hub, **change)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{problem}")
    assert await kept(hub) == []


async def test_while_the_log_is_away_a_call_is_sent_again(hub, monkeypatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise LogUnavailable("Kafka does not answer", 1.0)

    monkeypatch.setattr(hub.log, "append", away)
    answer = await call(hub)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
