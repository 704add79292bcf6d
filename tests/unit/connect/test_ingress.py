"""Webhook acceptance: 2xx only when durable, and every bad sender gets a clear answer."""

import pytest

from omnihub.broker.logerrors import LogUnavailable, RecordTooLarge
from omnihub.connect.config import Instance
from omnihub.connect.ingress import Ingress
from omnihub.connect.webhooks import WebhookScheme, sign
from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.records import DeliveryKind

RAW = "omni.raw.diary.v1"


@pytest.fixture
def ingress(diary_type, diary_config, diary_settings, log, virtual):
    instance = Instance(
        TenantId("t"), InstanceId("web"), diary_type, diary_config, diary_settings()
    )
    return Ingress({instance.id: instance}, log, virtual.time, limit_bytes=100)


@pytest.fixture
def signed(diary_config):
    def make(body, topic="product.updated"):
        scheme = WebhookScheme("X-Diary-Signature", secrets=(diary_config.secret,))
        around = {
            "Authorization": "Bearer canary",
            "Referer": "/?email=a@b.c",
            "X-Forwarded-For": "::1",
        }
        return sign(scheme, body) | {"X-Topic": topic} | around

    return make


async def stored(log):
    return [entry.record for entry in await log.read_all([RAW])]


async def test_a_proven_webhook_is_durable_byte_for_byte_before_the_answer(ingress, signed, log):
    body = b'{"a": "\xff"}'
    answer = await ingress.accept("web", signed(body), body)
    (raw,) = await stored(log)
    assert (answer.status, answer.delivery_id) == (202, raw.delivery_id)
    assert (raw.body, raw.kind, raw.stream) == (body, DeliveryKind.WEBHOOK, "product.updated")


async def test_no_header_is_kept_but_those_that_the_scheme_names(ingress, signed, log):
    await ingress.accept("web", signed(b"{}"), b"{}")
    (raw,) = await stored(log)
    assert raw.headers == {"x-topic": "product.updated"}


async def test_the_same_webhook_twice_is_kept_twice(ingress, signed, log):
    for _ in range(2):
        await ingress.accept("web", signed(b"{}"), b"{}")
    assert len({raw.delivery_id for raw in await stored(log)}) == 2


@pytest.mark.parametrize(
    ("instance", "change", "body", "status"),
    [
        ("nobody", {}, b"{}", 404),
        ("web", {"X-Diary-Signature": "forged"}, b"{}", 401),
        ("web", {"X-Diary-Signature": "\ud800"}, b"{}", 401),
        ("web", {"X-Diary-Signature": ""}, b"{}", 401),
        ("web", {}, b"{", 401),
        ("web", {}, b"x" * 101, 413),
    ],
)
async def test_what_is_not_proven_or_too_large_is_refused_and_not_kept(
    ingress, signed, log, instance, change, body, status
):
    answer = await ingress.accept(instance, signed(b"{}") | change, body)
    assert answer.status == status
    assert await stored(log) == []
    assert "s3cret" not in answer.detail


async def test_bytes_that_are_no_json_are_accepted_first_and_judged_later(ingress, signed, log):
    assert (await ingress.accept("web", signed(b"\x00"), b"\x00")).status == 202


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [(LogUnavailable(RAW), 503, 5.0), (RecordTooLarge(RAW, 2, 1), 413, None)],
)
async def test_what_is_not_durable_is_never_accepted(ingress, signed, error, status, retry):
    class Down:
        async def append(self, topic, record, *, timestamp_us=None):
            raise error

    ingress.appender = Down()
    answer = await ingress.accept("web", signed(b"{}"), b"{}")
    assert (answer.status, answer.retry_after_s) == (status, retry)
