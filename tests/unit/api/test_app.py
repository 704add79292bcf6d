"""What the API promises: keys everywhere, problems for every error, and honest answers."""

import base64
import hashlib
import hmac
import re
from pathlib import Path

import httpx
import pytest

from omnihub.api.problem import PROBLEMS
from omnihub.broker.logerrors import LogUnavailable
from omnihub.model.records import RawDelivery, ReleaseAction, ReleaseParked

ROOT = Path(__file__).parents[3]
SECRET = b"shop-secret"


def signed(body: bytes) -> dict[str, str]:
    digest = hmac.new(SECRET, body, hashlib.sha256).digest()
    return {"X-Signature": base64.b64encode(digest).decode()}


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    body = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/problem+json"
        and body["type"] == f"/problems/{code}"
        and body["status"] == status
    )


async def test_stock_of_a_sku_by_location_and_channel(client) -> None:
    body = (await client.get("/v1/stock/4711")).json()
    assert [(row["location"], row["on_hand_milli"]) for row in body["locations"]] == [
        ("S1", 12_000),
        ("S2", 12_000),
    ]
    assert [(row["channel"], row["ats_milli"]) for row in body["channels"]] == [("WEB", 22_000)]


async def test_what_a_channel_may_sell(client) -> None:
    body = (await client.get("/v1/channels/WEB/stock/4711")).json()
    assert (body["pool_milli"], body["ats_milli"]) == (24_000, 22_000)


async def test_a_list_is_walked_by_its_cursor_without_repeating_or_skipping(client) -> None:
    seen, cursor = [], None
    while True:
        query = {"limit": 4, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/stock", params=query)).json()
        seen += [(row["sku"], row["location"]) for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [(sku, place) for sku in ("4711", "4712", "4713") for place in ("S1", "S2")]


async def test_a_list_of_one_location_or_one_channel(client) -> None:
    place = (await client.get("/v1/stock", params={"location": "S2"})).json()
    assert {row["location"] for row in place["items"]} == {"S2"}
    web = (await client.get("/v1/stock", params={"channel": "WEB"})).json()
    assert [row["sku"] for row in web["items"]] == ["4711"]
    both = await client.get("/v1/stock", params={"channel": "WEB", "location": "S1"})
    assert is_problem(both, 422, "invalid")


async def test_a_product(client) -> None:
    assert (await client.get("/v1/products/4711")).json()["title"] == "Cola 1 l"


@pytest.mark.parametrize(
    "path", ["/v1/stock/none", "/v1/products/none", "/v1/channels/WEB/stock/4712"]
)
async def test_an_unknown_sku_is_a_problem(client, path: str) -> None:
    assert is_problem(await client.get(path), 404, "unknown-sku")


async def test_everything_but_live_and_webhooks_asks_for_a_key(hub) -> None:
    async with hub.client("omh_wrong") as stranger:
        assert (await stranger.get("/live")).status_code == 200
        assert is_problem(await stranger.post("/v1/webhooks/web"), 401, "bad-signature")
        for path, operations in hub.app.openapi()["paths"].items():
            if path == "/live" or path.startswith(("/v1/webhooks/", "/in/")):
                continue
            for method in operations:
                answer = await stranger.request(method, path, json={})
                assert is_problem(answer, 401, "unauthorized"), (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
        assert is_problem(await stranger.get("/v1/openapi.json"), 401, "unauthorized")


async def test_a_reading_key_cannot_write(hub) -> None:
    row = {"instance": "web", "kind": "sku", "code": "1", "canonical": "4711"}
    async with hub.client(hub.reader) as reader:
        assert (await reader.get("/v1/stock/4711")).status_code == 200
        assert is_problem(await reader.put("/v1/map", json=row), 403, "forbidden")
        assert is_problem(await reader.post("/v1/hospital/release", json={}), 403, "forbidden")


async def test_errors_of_http_itself_are_problems_too(client) -> None:
    assert is_problem(await client.get("/v1/nothing"), 404, "not-found")
    wrong_method = await client.delete("/v1/stock/4711")
    assert is_problem(wrong_method, 405, "method-not-allowed")
    assert wrong_method.headers["allow"] == "GET"
    assert is_problem(await client.put("/v1/map", content=b"x" * 20_000), 413, "body-too-large")
    as_text = await client.put("/v1/map", content=b"{}", headers={"Content-Type": "text/plain"})
    assert is_problem(as_text, 415, "unsupported-media-type")


async def test_a_streamed_body_over_the_limit_is_refused_too(client) -> None:
    async def chunks():
        for _ in range(30):
            yield b"x" * 1_000

    answer = await client.post("/v1/webhooks/web", content=chunks())
    assert is_problem(answer, 413, "body-too-large")


async def test_a_wrong_form_names_the_place(client) -> None:
    answer = await client.put("/v1/map", json={"instance": "web", "kind": "sku", "extra": 1})
    assert is_problem(answer, 422, "invalid")
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers == {"#/code", "#/canonical", "#/extra"}


async def test_a_foreign_cursor_is_refused(client) -> None:
    for cursor in ("x", "bnVsbA", "WyJhIiwxXQ", "é"):
        assert is_problem(await client.get("/v1/stock", params={"cursor": cursor}), 422, "invalid")


async def test_every_problem_has_a_heading_in_the_documentation() -> None:
    text = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^## /problems/([a-z-]+) \((\d{3})\)$", text, re.MULTILINE))
    assert documented == {code: str(status) for code, (status, _) in PROBLEMS.items()}


async def test_answers_are_not_cached_and_not_sniffed(client) -> None:
    answer = await client.get("/v1/stock/4711")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


# -- webhooks ----------------------------------------------------------------------------------


async def raw_deliveries(hub) -> list[RawDelivery]:
    entries = await hub.log.read_all(["omni.raw.shop.v1"])
    return [entry.record for entry in entries]


async def test_a_signed_webhook_is_durable_when_it_is_answered(hub, client) -> None:
    body = b'{"id": 9}'
    answer = await client.post("/v1/webhooks/web", content=body, headers=signed(body))
    assert answer.status_code == 202
    assert [delivery.body for delivery in await raw_deliveries(hub)] == [body]


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Signature": "xx"}, {"X-Signature": "ü".encode()}, signed(b"another body")],
    ids=["absent", "not base64", "not ascii", "of another body"],
)
async def test_a_webhook_that_proves_nothing_is_401_and_leaves_no_trace(
    hub, client, headers
) -> None:
    answer = await client.post("/v1/webhooks/web", content=b'{"id": 9}', headers=headers)
    assert is_problem(answer, 401, "bad-signature")
    assert await raw_deliveries(hub) == []


async def test_a_webhook_for_nobody_is_404(client) -> None:
    assert is_problem(await client.post("/v1/webhooks/nobody"), 404, "unknown-instance")


async def test_a_webhook_that_is_not_json_is_accepted_all_the_same(hub, client) -> None:
    body = b"\xff\x00 not json"
    answer = await client.post("/v1/webhooks/web", content=body, headers=signed(body))
    assert answer.status_code == 202
    assert (await raw_deliveries(hub))[0].body == body


async def test_while_the_log_is_away_a_webhook_is_sent_again(hub, client, monkeypatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise LogUnavailable("Kafka does not answer", 1.0)

    monkeypatch.setattr(hub.log, "append", away)
    answer = await client.post("/v1/webhooks/web", content=b"{}", headers=signed(b"{}"))
    assert is_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


# -- operating ---------------------------------------------------------------------------------


async def test_a_release_goes_to_the_partition_that_parked(hub, client) -> None:
    listed = (await client.get("/v1/hospital")).json()["items"]
    assert [(row["task"], row["park_key"]) for row in listed] == [("stock", "4711:S1")]
    body = {"task": "stock", "park_key": "4711:S1", "action": "RETRY", "reason": "mapped now"}
    answer = await client.post("/v1/hospital/release", json=body)
    assert (answer.status_code, answer.json()["records"]) == (202, 1)
    entries = await hub.log.read_all(["omni.stock.inbox.v1"])
    request = entries[0].record
    assert isinstance(request, ReleaseParked)
    assert (entries[0].at.partition, request.action) == (3, ReleaseAction.RETRY)
    assert (request.requested_by, request.reason) == ("admin", "mapped now")


async def test_releasing_what_is_not_parked_is_404(client) -> None:
    body = {"task": "stock", "park_key": "other", "action": "SKIP", "reason": "test"}
    answer = await client.post("/v1/hospital/release", json=body)
    assert is_problem(answer, 404, "nothing-parked")


async def test_refusals_are_listed_with_their_reason(client) -> None:
    rows = (await client.get("/v1/rejected")).json()["items"]
    assert [(row["reason_code"], row["entity"]) for row in rows] == [
        ("negative_quantity", "sale:1")
    ]


async def test_cross_references_are_set_imported_and_listed(hub, client) -> None:
    one = {"instance": "web", "kind": "sku", "code": "10", "canonical": "4712"}
    two = {"instance": "web", "kind": "sku", "code": "11", "canonical": "4713"}
    assert (await client.put("/v1/map", json=one)).json() == {"written": 1}
    assert (await client.post("/v1/map/import", json={"rows": [two]})).json() == {"written": 1}
    await hub.folded()
    rows = (await client.get("/v1/map", params={"instance": "web"})).json()["items"]
    assert [(row["code"], row["canonical"], row["set_by"]) for row in rows] == [
        ("10", "4712", "admin"),
        ("11", "4713", "admin"),
        ("9", "4711", "admin"),
    ]


async def test_a_cross_reference_of_an_unknown_instance_is_refused(client) -> None:
    row = {"instance": "nobody", "kind": "sku", "code": "1", "canonical": "4711"}
    assert is_problem(await client.put("/v1/map", json=row), 404, "unknown-instance")


async def test_ready_names_the_failing_part(hub, client) -> None:
    assert (await client.get("/ready")).status_code == 200
    hub.health.fails("log", "Kafka does not answer")
    answer = await client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["failing"] == {"log": "Kafka does not answer"}


async def test_metrics_count_requests_by_route_template(client) -> None:
    await client.get("/v1/stock/4711")
    await client.get("/v1/nothing/at/all")
    text = (await client.get("/metrics")).text
    line = 'omnihub_http_requests_total{code="2xx",method="GET",route="/v1/stock/{sku}"} 1.0'
    assert line in text
    assert 'route="unmatched"' in text
    assert "at/all" not in text


async def test_targets_have_the_form_of_http_sd(client) -> None:
    body = (await client.get("/v1/metrics/targets")).json()
    assert body == [{"targets": ["127.0.0.1:9400"], "labels": {"process": "worker-0"}}]


async def test_a_bug_is_a_problem_without_a_stack_trace(hub, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(type(hub.views), "product", broken)
    async with hub.client() as client:
        answer = await client.get("/v1/products/4711")
    assert is_problem(answer, 500, "internal")
    assert "secret detail" not in answer.text
