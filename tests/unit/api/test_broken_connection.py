"""A sender that goes away within its body: nothing is accepted, and nothing of ours failed."""

from typing import Any


async def broken_off(app: Any, path: str, part: bytes) -> list[dict[str, Any]]:
    """Post the beginning of a body, then hang up; return what the app sent."""
    told = iter(
        (
            {"type": "http.request", "body": part, "more_body": True},
            {"type": "http.disconnect"},
        )
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(told)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("hub", 80),
        "client": ("sender", 1),
        "headers": [(b"content-length", b"100")],
    }
    # A failure of ours would be raised to the server, which logs it with its trace.
    await app(scope, receive, send)
    return sent


async def test_a_webhook_that_breaks_off_is_no_failure_of_ours(hub) -> None:
    sent = await broken_off(hub.app, "/v1/webhooks/web", b'{"id": ')
    assert sent[0]["status"] == 400
    assert not await hub.log.read_all(["omni.raw.shop.v1"])
