"""Asks a process on this machine whether it is ready, without an HTTP library.

Guarantees: a process that only waits for a system outside counts as ready: it does what it can.
"""

import asyncio
import json
from urllib.parse import urlsplit

NO_ANSWER = "no answer"
_TIMEOUT_S = 2.0


async def probe(url: str, token: str) -> str | None:
    """Return None when the process at `url` does its own work, else why not."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return _judge(await _get(url, token))
    except OSError as error:
        return NO_ANSWER if isinstance(error, ConnectionError) else f"{NO_ANSWER} ({error})"


async def _get(url: str, token: str) -> bytes:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        request = f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{request}Authorization: Bearer {token}\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()


def _judge(answer: bytes) -> str | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status == [b"200"]:
        return None
    try:
        told = json.loads(body)
    except ValueError:
        return NO_ANSWER if not status else f"HTTP {status[0].decode()}"
    failing = told.get("failing", {})
    if not failing and told.get("failing_outside"):
        return None
    return ", ".join(f"{part}: {why}" for part, why in failing.items()) or "not ready"
