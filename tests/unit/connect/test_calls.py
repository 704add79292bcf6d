"""Calls of clients at the ingress: proven, bounded, kept without proof, answered in their words."""

import base64

import pytest
from pydantic import SecretStr

from omnihub.connect.calls import CallScheme
from omnihub.connect.config import Instance
from omnihub.connect.ingress import Ingress
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId, TenantId

KEYS = (SecretStr("old-key"), SecretStr("new-key"))


def scheme(keys=KEYS):
    return CallScheme(keys, {"v1/track": 50}, "writeKey", lambda path, body: None, b"yes")


@pytest.fixture
def ingress(diary_type, diary_config, diary_settings, log, virtual):
    class Called(diary_type):
        @classmethod
        def calls(cls, config):
            return scheme()

    web = Instance(TenantId("t"), InstanceId("web"), Called, diary_config, diary_settings())
    mute = Instance(TenantId("t"), InstanceId("mute"), diary_type, diary_config, diary_settings())
    return Ingress({web.id: web, mute.id: mute}, log, virtual.time)


def basic(key):
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


async def stored(log):
    return [entry.record for entry in await log.read_all(["omni.raw.diary.v1"])]


@pytest.mark.parametrize("key", ["old-key", "new-key"])
async def test_a_call_with_a_live_key_is_kept_without_it(ingress, log, key):
    answer = await ingress.call("web", "v1/track", basic(key) | {"Referer": "/?email=a@b.c"}, b"{}")
    assert (answer.status, answer.body) == (200, b"yes")
    (raw,) = await stored(log)
    assert (raw.body, raw.stream, raw.headers) == (b"{}", "v1/track", {})
    assert raw.delivery_id == answer.delivery_id


@pytest.mark.parametrize(
    ("instance", "path", "headers", "body", "status"),
    [
        ("nobody", "v1/track", basic("old-key"), b"{}", 404),
        ("mute", "v1/track", basic("old-key"), b"{}", 404),
        ("web", "v1/eat", basic("old-key"), b"{}", 404),
        ("web", "v1/track", {}, b"{}", 401),
        ("web", "v1/track", basic("older-key"), b"{}", 401),
        ("web", "v1/track", basic("old-key"), b" " * 51, 400),
        ("web", "v1/track", basic("old-key") | {"Content-Encoding": "gzip"}, b"{}", 400),
    ],
)
async def test_a_bad_call_is_answered_and_not_kept(
    ingress, log, instance, path, headers, body, status
):
    answer = await ingress.call(instance, path, headers, body)
    assert answer.status == status
    assert "old-key" not in answer.detail
    assert await stored(log) == []


@pytest.mark.parametrize("keys", [(), (SecretStr(""),), (SecretStr("a"), SecretStr(""))])
def test_a_scheme_that_would_let_anybody_in_is_refused(keys):
    with pytest.raises(ConfigurationError, match="anyone could call"):
        scheme(keys)
