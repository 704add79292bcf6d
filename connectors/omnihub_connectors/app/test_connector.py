"""The door of an app: what is taken, what is not, and what the answer is."""

import base64
import gzip
import json
import tracemalloc
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from omnihub.connect.calls import BadCall, CallScheme, received
from omnihub.connect.errors import BadSignature
from omnihub.connect.sdk import Context, Health
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId, TenantId
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.connector import App
from omnihub_connectors.app.doubles import CONFIG, WRITE_KEY, Codes
from omnihub_connectors.app.forms import (
    BATCH_BYTES,
    BATCH_MESSAGES,
    BATCHES,
    CALLS,
    KIND_OF,
    MESSAGE_BYTES,
)


@pytest.fixture
def scheme() -> CallScheme:
    found = App.calls(CONFIG)
    assert found is not None
    return found


def basic(key: str = WRITE_KEY) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def test_every_call_of_the_spec_is_taken_by_its_long_and_short_path() -> None:
    assert set(CALLS) == {
        *(f"v1/{kind}" for kind in ("identify", "track", "page", "screen", "group", "alias")),
        *("v1/i", "v1/t", "v1/p", "v1/s", "v1/g", "v1/a"),
        *("v1/batch", "v1/import", "v1/b"),
    }
    assert KIND_OF["v1/t"] == "track"


@pytest.mark.parametrize("body", [b'{"userId":"u"}', b" { } "])
def test_a_key_as_user_name_lets_in(scheme: CallScheme, body: bytes) -> None:
    assert received(scheme, "v1/track", basic(), body) == body


def test_a_key_in_the_body_lets_in(scheme: CallScheme) -> None:
    body = json.dumps({"batch": [], "writeKey": WRITE_KEY}).encode()
    assert received(scheme, "v1/batch", {}, body) == body


def test_two_keys_live_while_one_replaces_the_other() -> None:
    both = AppConfig(write_keys=(SecretStr("k" * 16), SecretStr("l" * 16)))
    scheme = App.calls(both)
    assert scheme is not None
    for key in ("k" * 16, "l" * 16):
        received(scheme, "v1/track", basic(key), b"{}")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        (basic("wrong"), b"{}"),
        (basic(""), b"{}"),
        ({"Authorization": "Basic !"}, b"{}"),
        ({"Authorization": f"Bearer {WRITE_KEY}"}, b"{}"),
        ({}, b'{"writeKey":"wrong"}'),
        ({}, b'{"writeKey":7}'),
        ({}, b'{"writeKey":""}'),
        ({}, b"not json"),
        ({"Authorization": "Basic \u00e9"}, b"\xff"),
    ],
)
def test_without_a_live_key_nobody_gets_in(
    scheme: CallScheme, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(BadSignature, match="no live write key"):
        received(scheme, "v1/track", headers, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v1/track", b"["),
        ("v1/track", b"[]"),
        ("v1/track", b'"text"'),
        ("v1/track", b"\xff"),
        ("v1/batch", b"{}"),
        ("v1/batch", b'{"batch":{}}'),
        ("v1/batch", b'{"batch":[1]}'),
    ],
)
def test_what_has_not_the_form_is_refused(scheme: CallScheme, path: str, body: bytes) -> None:
    with pytest.raises(BadCall, match="not the JSON that this call takes"):
        received(scheme, path, basic(), body)


def sized(bytes_: int) -> dict[str, Any]:
    """A message of exactly that many bytes."""
    return {"p": "x" * (bytes_ - len('{"p":""}'))}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def test_a_message_has_32_kib_at_most(scheme: CallScheme) -> None:
    fits, too_large = compact(sized(MESSAGE_BYTES)), compact(sized(MESSAGE_BYTES + 1))
    received(scheme, "v1/track", basic(), fits)
    with pytest.raises(BadCall, match="at most 32768 bytes"):
        received(scheme, "v1/track", basic(), too_large)
    received(scheme, "v1/batch", basic(), compact({"batch": [sized(MESSAGE_BYTES)]}))
    with pytest.raises(BadCall, match="a message has at most 32768 bytes"):
        received(scheme, "v1/batch", basic(), compact({"batch": [sized(MESSAGE_BYTES + 1)]}))


def test_a_batch_has_500_kib_and_2500_messages_at_most(scheme: CallScheme) -> None:
    with pytest.raises(BadCall, match=f"at most {BATCH_BYTES} bytes"):
        received(scheme, "v1/batch", basic(), compact({"batch": [sized(30_000)] * 18}))
    with pytest.raises(BadCall, match="at most 2500 messages"):
        received(scheme, "v1/batch", basic(), compact({"batch": [{}] * (BATCH_MESSAGES + 1)}))


@pytest.mark.parametrize("path", sorted(BATCHES))
def test_a_packed_body_is_unpacked_up_to_its_limit(scheme: CallScheme, path: str) -> None:
    packed = basic() | {"Content-Encoding": "gzip"}
    assert received(scheme, path, packed, gzip.compress(b'{"batch":[]}')) == b'{"batch":[]}'
    with pytest.raises(BadCall, match="at most"):
        received(scheme, path, packed, gzip.compress(b" " * 50_000_000))
    for body in (b"{}", gzip.compress(b"{}")[:-4]):
        with pytest.raises(BadCall, match="gzip"):
            received(scheme, path, packed, body)


def test_a_bomb_is_never_unpacked_beyond_its_limit(scheme: CallScheme) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(BadCall, match="at most"):
            received(scheme, "v1/track", basic() | {"Content-Encoding": "gzip"}, bomb)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_an_empty_key_is_no_key() -> None:
    with pytest.raises(ConfigurationError, match="anyone could call"):
        App.calls(AppConfig(write_keys=(SecretStr(""),)))
    with pytest.raises(ValidationError):
        AppConfig(write_keys=())


@pytest.mark.parametrize(("key", "health"), [(WRITE_KEY, Health.OK), ("short", Health.WARNING)])
async def test_a_key_that_can_be_guessed_is_a_warning(key: str, health: Health) -> None:
    config = AppConfig(write_keys=(SecretStr(key),))
    async with httpx.AsyncClient() as http:
        app = App(config, Context(TenantId("acme"), InstanceId("app"), Codes(), http))
        (finding,) = await app.check()
    assert finding.health is health
    assert key not in finding.detail
