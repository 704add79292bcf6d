"""Placing orders: durable before 202, one key one order, and waiting for the rule's word."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from omnihub.api.intake import order_id_for
from omnihub.broker.logerrors import LogUnavailable
from omnihub.connect.kit import TOKENS
from omnihub.model.records import (
    CancelOrder,
    CustomerObserved,
    IdentifierKind,
    Money,
    OrderPlaced,
    OrderStatus,
    ReportFulfilment,
)
from tests.unit.api.test_app import is_problem
from tests.unit.views.examples import ADAS, MAIN, order

INBOX, CUSTOMERS, STATE = "omni.order.inbox.v1", "omni.customer.inbox.v1", "omni.order.state.v1"
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
ORDER_ID = order_id_for(MAIN, KEY)


def basket(**changes: Any) -> dict[str, Any]:
    line = {
        "line_id": "1",
        "sku": "4711",
        "quantity_milli": 2000,
        "unit_price_minor": 199,
        "total_minor": 398,
        "fulfilment": "PICKUP",
        "location": "S1",
    }
    contact = {
        "name": "Ada Canary",
        "email": " Ada.Canary@Example.org ",
        "phone": "+1 202 555 0143",
        "address": {"lines": ["1 Canary Row"], "country": "US"},
    }
    told = {"channel": "web", "currency": "EUR", "payment": "PAID", "contact": contact}
    return {**told, "lines": [line], "shipping_minor": 50, "total_minor": 448, **changes}


async def place(
    client: httpx.AsyncClient, body: dict[str, Any], key: str = KEY, **headers: str
) -> httpx.Response:
    headers = {"Idempotency-Key": key, **headers}
    return await client.post("/v1/orders", json=body, headers=headers)


async def asked(hub, kind: type, topic: str = INBOX) -> list[Any]:
    entries = await hub.log.read_all([topic])
    return [entry.record for entry in entries if isinstance(entry.record, kind)]


# -- accepting ---------------------------------------------------------------------------------


async def test_an_order_is_durable_when_it_is_accepted(hub) -> None:
    async with hub.client(hub.writer) as app:
        answer = await place(app, basket())
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/orders/{ORDER_ID}"
    (placed,) = await asked(hub, OrderPlaced)
    assert (placed.order_id, placed.number) == (ORDER_ID, answer.json()["number"])
    assert (placed.meta.source, placed.channel, placed.payment) == ("api", "web", "PAID")
    assert placed.lines[0].unit_price == Money(unscaled=199, scale=2, currency="EUR")


async def test_the_buyer_is_told_to_the_customers_as_the_same_subject(hub, client) -> None:
    await place(client, basket(customer="c-17"))
    (placed,) = await asked(hub, OrderPlaced)
    (observed,) = await asked(hub, CustomerObserved, CUSTOMERS)
    assert observed.subject == placed.subject == placed.contact.subject
    tokens = {one.kind: (one.token, one.is_verified) for one in observed.identifiers}
    assert tokens[IdentifierKind.EMAIL] == (TOKENS.email("ada.canary@example.org"), False)
    assert tokens[IdentifierKind.CUSTOMER_ID][1]


async def test_two_guests_are_two_subjects_and_a_customer_is_one(hub, client) -> None:
    for number, body in enumerate([basket(), basket(), *[basket(customer="c-17")] * 2]):
        await place(client, body, f"key-{number}")
    placed = await asked(hub, OrderPlaced)
    assert len({one.subject for one in placed}) == 3


async def test_nothing_personal_is_readable_in_the_log_or_its_keys(hub, client) -> None:
    await place(client, basket(customer=ADAS[1]))
    for topic in (INBOX, CUSTOMERS):
        for partition in range(len(hub.log.ends(topic))):
            for stored in hub.log.read(topic, partition):
                told = repr((stored.key, stored.value, stored.headers))
                assert not [value for value in ADAS if value in told]


async def test_a_log_that_does_not_answer_is_503_and_repeating_places_one_order(
    hub, client, monkeypatch
) -> None:
    append = hub.log.append

    async def down(topic: str, *_: object, **__: object) -> None:
        raise LogUnavailable("not acknowledged within 5 s")

    monkeypatch.setattr(hub.log, "append", down)
    assert is_problem(await place(client, basket()), 503, "unavailable")
    monkeypatch.setattr(hub.log, "append", append)
    hub.now_us += 60_000_000
    answer = await place(client, basket())
    (placed,) = await asked(hub, OrderPlaced)
    assert placed.order_id == answer.json()["order_id"]


# -- idempotency -------------------------------------------------------------------------------


async def test_the_same_key_and_body_give_the_same_answer_and_the_same_record(hub) -> None:
    """Also later, also in other quotes, also from another process."""
    async with hub.client(hub.writer) as app:
        first = await place(app, basket())
        hub.now_us += 3_600_000_000
        again = await place(app, basket(), f'"{KEY}"')
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.headers["location"] == again.headers["location"]
    one, other = await asked(hub, OrderPlaced)
    assert _unsealed(one) == _unsealed(other)


async def test_the_same_key_with_another_body_is_refused_and_changes_nothing(hub, client) -> None:
    await place(client, basket())
    other = await place(client, basket(channel="app"))
    assert is_problem(other, 422, "key-reused")
    assert len(await asked(hub, OrderPlaced)) == 1


async def test_many_at_once_under_one_key_are_one_order(hub, client) -> None:
    answers = await asyncio.gather(*(place(client, basket()) for _ in range(10)))
    assert {(one.status_code, one.text) for one in answers} == {(202, answers[0].text)}
    assert len({one.meta.event_id for one in await asked(hub, OrderPlaced)}) == 1


async def test_what_is_refused_does_not_use_up_its_key(hub, client) -> None:
    assert (await place(client, basket(total_minor=1))).status_code == 422
    assert (await place(client, basket())).status_code == 202


@pytest.mark.parametrize("key", [None, "", '""', "a" * 256, "two words", '"open'])
async def test_a_missing_or_odd_key_is_told_and_nothing_is_placed(hub, client, key) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await client.post("/v1/orders", json=basket(), headers=headers)
    assert is_problem(answer, 400, "no-idempotency-key")
    assert await asked(hub, OrderPlaced) == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"total_minor": 447}, "#/total_minor"),
        ({"currency": "EUX"}, "#/currency"),
        ({"lines": []}, "#/lines"),
        ({"lines": [{**basket()["lines"][0], "location": None}]}, "#/lines/0/location"),
        ({"lines": [basket()["lines"][0]] * 2, "total_minor": 846}, "#/lines/1/line_id"),
        ({"lines": [{**basket()["lines"][0], "quantity_milli": 0}]}, "#/lines/0/quantity_milli"),
        ({"surprise": 1}, "#/surprise"),
    ],
)
async def test_a_wrong_order_names_the_place(client, changes, pointer: str) -> None:
    answer = await place(client, basket(**changes))
    assert is_problem(answer, 422, "invalid")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_fault_does_not_repeat_what_was_sent(client) -> None:
    contact = {"email": ADAS[1] * 20, "nickname": ADAS[0]}
    answer = await place(client, basket(contact=contact))
    assert answer.status_code == 422
    assert not [value for value in ADAS if value in answer.text]


# -- waiting -----------------------------------------------------------------------------------


async def decide(hub, status: OrderStatus, reason: str | None = None) -> None:
    """Say what the rule decided, as soon as it can have read the order."""
    async for entries in hub.log.follow([INBOX]):
        if entries:
            break
    await hub.log.append(STATE, order(ORDER_ID, status=OrderStatus.PENDING))
    await hub.log.append(STATE, order("another"))
    await hub.log.append(STATE, order(ORDER_ID, status=status, reason=reason))


async def test_who_waits_is_told_that_the_order_is_confirmed(hub) -> None:
    async with hub.client(hub.writer) as app, asyncio.TaskGroup() as tasks:
        tasks.create_task(decide(hub, OrderStatus.CONFIRMED))
        answer = await place(app, basket(), Prefer="respond-async, wait=5")
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=5"
    assert (answer.json()["order_id"], answer.json()["status"]) == (ORDER_ID, "CONFIRMED")
    assert not [value for value in ADAS if value in answer.text]


async def test_who_waits_is_told_why_the_order_was_refused(hub, client) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(decide(hub, OrderStatus.REFUSED, "not_enough_stock"))
        answer = await place(client, basket(), Prefer="wait=5")
    assert is_problem(answer, 409, "order-refused")
    assert "not_enough_stock" in answer.json()["detail"]
    assert answer.headers["location"] == f"/v1/orders/{ORDER_ID}"


async def test_who_waits_in_vain_is_told_that_it_is_accepted(client) -> None:
    answer = await place(client, basket(), Prefer="wait=0")
    assert (answer.status_code, answer.json()["order_id"]) == (202, ORDER_ID)


async def test_who_repeats_after_the_decision_is_told_at_once(hub, client) -> None:
    await place(client, basket())
    await hub.log.append(STATE, order(ORDER_ID))
    await hub.folded()
    assert (await place(client, basket(), Prefer="wait=5")).json()["status"] == "CONFIRMED"


# -- cancelling and fulfilling -----------------------------------------------------------------


async def test_an_order_is_cancelled_as_soon_as_it_is_accepted(hub) -> None:
    async with hub.client(hub.writer) as app:
        await place(app, basket())
        answer = await app.post(f"/v1/orders/{ORDER_ID}/cancel", json={"reason": "changed_mind"})
    assert answer.status_code == 202
    (request,) = await asked(hub, CancelOrder)
    assert (request.order_id, request.requested_by) == (ORDER_ID, "app")
    assert request.meta.event_id == answer.json()["request_id"]


async def test_a_fulfilment_is_reported(hub, client) -> None:
    await hub.log.append(STATE, order("1"))
    await hub.folded()
    body = {"location": "S1", "status": "SHIPPED", "tracking_number": "1Z9"}
    assert (await client.post("/v1/orders/1/fulfilment", json=body)).status_code == 202
    (report,) = await asked(hub, ReportFulfilment)
    assert (report.location, report.status, report.tracking_number) == ("S1", "SHIPPED", "1Z9")


async def test_nobody_cancels_or_fulfils_an_order_that_is_not_there(client) -> None:
    for act, body in (
        ("cancel", {"reason": "x"}),
        ("fulfilment", {"location": "S1", "status": "SHIPPED"}),
    ):
        answer = await client.post(f"/v1/orders/none/{act}", json=body)
        assert is_problem(answer, 404, "unknown-order")


async def test_reading_keys_place_and_cancel_nothing(hub) -> None:
    for key in (hub.reader, hub.helpdesk):
        async with hub.client(key) as reader:
            assert is_problem(await place(reader, basket()), 403, "forbidden")
            cancel = await reader.post(f"/v1/orders/{ORDER_ID}/cancel", json={"reason": "x"})
            assert is_problem(cancel, 403, "forbidden")


def _unsealed(record: OrderPlaced) -> OrderPlaced:
    return msgspec.structs.replace(record, contact=None)
