"""The hospital's routes: who may look, who may act, and that asking twice has one effect."""

import msgspec
import pytest

from omnihub.api.acts import Act
from omnihub.model.ids import EventId, Sku, TenantId
from omnihub.model.records import (
    ActOutcome,
    EventMeta,
    HospitalActed,
    ParkedBody,
    ParkedRecord,
    ProductRemoved,
    ReleaseAction,
    ReleaseParked,
)

STATE, EVENT = "omni.hospital.state.v1", "omni.hospital.event.v1"
STOCK, PRODUCTS = "omni.stock.inbox.v1", "omni.product.inbox.v1"
ONE = {"task": "stock", "park_key": "4711:S1"}
RELEASE = {**ONE, "action": "RELEASE", "reason": "mapped now"}


def is_problem(answer, status: int, code: str) -> bool:
    return (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")


async def asked(hub, topic: str = STOCK) -> list[ReleaseParked]:
    found = [entry.record for entry in await hub.log.read_all([topic])]
    return [record for record in found if isinstance(record, ReleaseParked)]


async def also_parked(hub, **changed) -> ParkedRecord:
    (known,) = hub.views.hospital.under("stock", "4711:S1")
    record = msgspec.structs.replace(known, **changed)
    await hub.log.append(STATE, record)
    await hub.folded()
    return record


def acted(request_id: str, **changed) -> HospitalActed:
    told = HospitalActed(
        event_id=EventId("e"),
        request_id=request_id,
        **ONE,
        action=ReleaseAction.SKIP,
        outcome=ActOutcome.DONE,
        requested_by="eve",
        reason="sold twice",
        requested_at_us=1,
        accepted_at_us=2,
        topic=STOCK,
        partition=3,
        records=1,
        remaining=0,
        original=b"",
    )
    return msgspec.structs.replace(told, **changed)


async def test_parked_records_are_found_by_reason_system_and_age(hub, client) -> None:
    await also_parked(hub, park_key="old", error_class="KeyError", instance="erp", parked_at_us=0)
    for filters in ({"error_class": "KeyError"}, {"instance": "erp"}, {"older_than_s": 3600}):
        items = (await client.get("/v1/hospital", params=filters)).json()["items"]
        assert [row["park_key"] for row in items] == ["old"], filters


async def test_parked_records_are_counted_by_reason(hub, client) -> None:
    await also_parked(hub, queue_index=1, offset=18)
    [cause] = (await client.get("/v1/hospital/causes")).json()["items"]
    assert (cause["task"], cause["error_class"]) == ("stock", "Unmapped")
    assert (cause["records"], cause["queues"]) == (2, 1)


async def test_a_queue_is_shown_with_what_was_done_about_it(hub, client) -> None:
    await hub.log.append(EVENT, acted("r"))
    await hub.folded()
    shown = (await client.get("/v1/hospital/queue", params=ONE)).json()
    assert [row["offset"] for row in shown["records"]] == [17]
    [act] = shown["acts"]
    assert (act["requested_by"], act["reason"], act["outcome"]) == ("eve", "sold twice", "DONE")
    assert "original" not in act
    unknown = await client.get("/v1/hospital/queue", params={"task": "stock", "park_key": "no"})
    assert is_problem(unknown, 404, "nothing-parked")


async def test_readers_see_reasons_and_nobody_but_admins_content_or_acts(hub) -> None:
    for key in (hub.reader, hub.writer, hub.helpdesk):
        async with hub.client(key) as client:
            assert (await client.get("/v1/hospital/queue", params=ONE)).status_code == 200
            refused = [
                await client.get("/v1/hospital/content", params=ONE),
                await client.post("/v1/hospital/release", json=RELEASE),
                await client.post("/v1/hospital/release-many", json=RELEASE),
                await client.post("/v1/hospital/edit", json=RELEASE),
            ]
            assert all(is_problem(answer, 403, "forbidden") for answer in refused)
    assert await asked(hub) == []


@pytest.mark.parametrize("action", ["RETRY", "RELEASE", "SKIP"])
async def test_an_act_names_the_record_that_was_first_and_who_asks(hub, client, action) -> None:
    await also_parked(hub, queue_index=1, offset=18)
    answer = await client.post("/v1/hospital/release", json={**RELEASE, "action": action})
    assert (answer.status_code, answer.json()["records"]) == (202, 2)
    [request] = await asked(hub)
    assert (request.action, request.head_offset) == (ReleaseAction(action), 17)
    assert (request.requested_by, request.reason) == ("admin", "mapped now")


async def test_what_is_asked_twice_under_one_id_is_one_request(hub, client) -> None:
    for _ in range(2):
        body = {**RELEASE, "request_id": "mine"}
        assert (await client.post("/v1/hospital/release", json=body)).status_code == 202
    first, second = await asked(hub)
    assert first.request_id == second.request_id
    other = Act(ReleaseAction.SKIP, "a", "b", "mine", 0)
    assert other.request_id_for("stock", "other") != first.request_id


async def test_a_request_that_was_done_is_answered_again_though_nothing_waits(hub, client) -> None:
    body = {**RELEASE, "request_id": "mine"}
    await client.post("/v1/hospital/release", json=body)
    [request] = await asked(hub)
    await hub.log.append(EVENT, acted(request.request_id))
    await hub.log.remove(STATE, "stock:4711:S1:0")
    await hub.folded()
    again = await client.post("/v1/hospital/release", json=body)
    assert (again.status_code, again.json()["records"]) == (202, 0)
    other = await client.post("/v1/hospital/release", json={**body, "request_id": "other"})
    assert is_problem(other, 404, "nothing-parked")
    assert len(await asked(hub)) == 1


async def test_many_queues_are_asked_by_what_their_first_record_is(hub, client) -> None:
    await also_parked(hub, park_key="a", offset=20)
    await also_parked(hub, park_key="a", offset=21, queue_index=1, error_class="Behind")
    await also_parked(hub, park_key="b", offset=22, error_class="KeyError")
    body = {"error_class": "Unmapped", "action": "RELEASE", "reason": "mapped", "request_id": "r"}
    dry = await client.post("/v1/hospital/release-many", json={**body, "dry_run": True})
    assert (dry.json()["queues"], dry.json()["dry_run"]) == (2, True)
    assert await asked(hub) == []
    done = await client.post("/v1/hospital/release-many", json=body)
    assert (done.json()["queues"], done.json()["more"]) == (2, False)
    assert {request.park_key for request in await asked(hub)} == {"4711:S1", "a"}
    none = await client.post("/v1/hospital/release-many", json={**body, "error_class": "Behind"})
    assert none.json()["queues"] == 0


@pytest.fixture
async def product(hub) -> ParkedRecord:
    """A product that is parked, with its content."""
    meta = EventMeta(
        tenant=TenantId("main"),
        event_id=EventId("e"),
        cause_id="d",
        source="erp",
        entity="product:9",
        occurred_at_us=0,
        accepted_at_us=0,
    )
    head = await also_parked(hub, task="product", park_key="9", topic=PRODUCTS, offset=30)
    value = hub.log.codec.encode(ProductRemoved(meta=meta, sku=Sku("9")))
    hub.bodies[30] = ParkedBody(
        topic=PRODUCTS,
        partition=head.partition,
        offset=30,
        key=b"main:9",
        value=value,
        timestamp_ms=0,
        error_class="KeyError",
        error="e",
        cure="c",
        attempts=1,
        parked_at_us=0,
    )
    return head


async def test_what_is_shown_can_be_mended_and_sent_back(hub, client, product) -> None:
    of = {"task": "product", "park_key": "9"}
    shown = (await client.get("/v1/hospital/content", params=of)).json()
    assert (shown["type"], shown["record"]["sku"]) == ("ProductRemoved", "9")
    shown["record"]["meta"]["occurred_at_us"] = 5
    body = {**of, "type": shown["type"], "record": shown["record"], "reason": "clock"}
    answer = await client.post("/v1/hospital/edit", json=body)
    assert answer.status_code == 202, answer.text
    [request] = await asked(hub, PRODUCTS)
    assert (request.action, request.head_offset) == (ReleaseAction.EDIT, 30)
    assert hub.log.codec.decode(request.value).meta.occurred_at_us == 5


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"record": {"sku": "9"}}, "record/meta"),
        ({"type": "StockMoved"}, "type"),
        ({"record": {"sku": "9", "meta": {}}}, "record/meta/"),
    ],
)
async def test_an_edit_that_does_not_fit_is_refused_before_it_is_asked(
    hub, client, product, change, place
) -> None:
    body = {"task": "product", "park_key": "9", "type": "ProductRemoved", "record": {}}
    answer = await client.post("/v1/hospital/edit", json={**body, "reason": "r", **change})
    assert is_problem(answer, 422, "invalid")
    assert place in answer.json()["errors"][0]["pointer"]
    assert await asked(hub, PRODUCTS) == []
