"""Reading orders and customers: what is shown, to whom, and what never is."""

import pytest

from omnihub.model.records import OrderStatus
from tests.unit.api.test_app import is_problem
from tests.unit.views.examples import (
    ADA,
    ADAS,
    EMAIL,
    PHONE,
    cart,
    fulfilment,
    link,
    order,
    profile,
    redirect,
    reservation,
)

ORDERS, PROFILES = "omni.order.state.v1", "omni.profile.state.v1"


@pytest.fixture
async def shop(hub):
    """A hub with five orders, one of them whole, and one customer who was merged."""
    for number in range(1, 6):
        status = OrderStatus.REFUSED if number == 3 else OrderStatus.CONFIRMED
        await hub.log.append(ORDERS, order(str(number), number, status=status))
    await hub.log.append("omni.fulfilment.state.v1", fulfilment("1"))
    await hub.log.append("omni.reservation.state.v1", reservation("1"))
    await hub.log.append(PROFILES, profile("c1"))
    await hub.log.append("omni.identity.state.v1", link("s-ada", "c1"))
    await hub.log.append("omni.customer.redirect.state.v1", redirect("c0", "c1"))
    await hub.log.append("omni.cart.state.v1", cart("k1"))
    await hub.folded()
    return hub


# -- orders ------------------------------------------------------------------------------------


async def test_an_order_with_everything_that_belongs_to_it(shop) -> None:
    async with shop.client(shop.reader) as reader:
        body = (await reader.get("/v1/orders/1")).json()
    assert (body["number"], body["status"], body["total_minor"]) == ("N-1", "CONFIRMED", 398)
    assert body["lines"][0]["unit_price"] == {"unscaled": 199, "scale": 2, "currency": "EUR"}
    assert [one["location"] for one in body["fulfilments"]] == ["S1"]
    assert [one["status"] for one in body["reservations"]] == ["COMMITTED"]
    assert body["payments"] == body["returns"] == []


async def test_a_list_of_orders_is_walked_from_the_newest(shop, client) -> None:
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/orders", params=query)).json()
        seen += [row["order_id"] for row in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["5", "4", "3", "2", "1"]


async def test_orders_are_filtered_by_status_time_and_customer(shop, client) -> None:
    async def found(**query: str | int) -> list[str]:
        page = (await client.get("/v1/orders", params=query)).json()
        return [row["order_id"] for row in page["items"]]

    assert await found(status="REFUSED") == ["3"]
    assert await found(since=4) == ["5", "4"]
    assert await found(customer="c0", number="N-2") == ["2"]  # by the id before the merge
    assert await found(customer="c9") == []


async def test_what_is_not_there_is_a_problem_of_its_own(client) -> None:
    for kind in ("order", "customer", "cart"):
        answer = await client.get(f"/v1/{kind}s/none")
        assert is_problem(answer, 404, f"unknown-{kind}")


async def test_a_cart(shop, client) -> None:
    body = (await client.get("/v1/carts/k1")).json()
    assert (body["status"], body["lines"][0]["sku"], body["subject"]) == ("OPEN", "4711", "s-ada")


# -- personal ----------------------------------------------------------------------------------


async def test_one_call_gives_the_whole_profile(shop) -> None:
    async with shop.client(shop.helpdesk) as helpdesk:
        body = (await helpdesk.get("/v1/customers/c1")).json()
    personal = body["personal"]
    assert (personal["name"], personal["email"], personal["phone"]) == (ADA, EMAIL, PHONE)
    assert personal["address"]["lines"] == ["1 Canary Row"]
    assert (personal["birthday_month"], personal["birthday_day"]) == (12, 10)
    assert body["subjects"] == [{"source": "shop", "subject": "s-ada"}]
    assert [one["kind"] for one in body["identifiers"]] == ["EMAIL"]
    assert [(one["name"], one["source"]) for one in body["fields"]] == [("email", "shop")]


async def test_the_id_before_a_merge_leads_to_the_survivor(shop, client) -> None:
    assert (await client.get("/v1/customers/c0")).json()["customer_id"] == "c1"


async def test_the_contact_of_an_order_is_for_who_may_see_it(shop) -> None:
    async with shop.client(shop.helpdesk) as helpdesk:
        contact = (await helpdesk.get("/v1/orders/1")).json()["contact"]
    assert (contact["name"], contact["email"]) == (ADA, EMAIL)


PATHS = ["/v1/orders", "/v1/orders/1", "/v1/customers/c1", "/v1/customers/c0", "/v1/carts/k1"]


@pytest.mark.parametrize("path", PATHS)
async def test_without_the_scope_nothing_personal_is_told_not_even_that_it_is_there(
    shop, path: str
) -> None:
    for key in (shop.reader, shop.writer):
        async with shop.client(key) as reader:
            answer = await reader.get(path)
        assert answer.status_code == 200
        assert not [value for value in ADAS if value in answer.text]
        told = answer.json()
        assert not {"personal", "contact", "email_token", "birthday_month"} & set(told)


async def test_what_was_erased_is_absent_for_everybody(shop, client) -> None:
    shop.vault.destroy("s-ada")
    personal = (await client.get("/v1/customers/c1")).json()["personal"]
    assert {"name", "email", "address"} & set(personal) == set()
    assert personal["phone"] == PHONE  # told by another system, under a key of its own
    assert (await client.get("/v1/orders/1")).json()["contact"] == {}


@pytest.mark.parametrize(
    "wanted",
    [{"email": f" {EMAIL.upper()} "}, {"phone": "+1 (202) 555-0143"}, {"subject": "s-ada"}],
)
async def test_somebody_is_found_by_what_they_are_known_by(shop, wanted) -> None:
    async with shop.client(shop.helpdesk) as helpdesk:
        answer = await helpdesk.post("/v1/customers/search", json=wanted)
    expected = [] if "phone" in wanted else ["c1"]  # no till told the phone as an identifier
    assert [one["customer_id"] for one in answer.json()["items"]] == expected


async def test_a_search_asks_for_one_thing_that_somebody_could_have(client) -> None:
    for wrong in ({}, {"email": EMAIL, "phone": PHONE}, {"email": "nobody"}, {"phone": "12"}):
        answer = await client.post("/v1/customers/search", json=wrong)
        assert is_problem(answer, 422, "invalid")
        assert EMAIL not in answer.text


async def test_searching_needs_the_scope(shop) -> None:
    for key in (shop.reader, shop.writer):
        async with shop.client(key) as reader:
            answer = await reader.post("/v1/customers/search", json={"email": EMAIL})
        assert is_problem(answer, 403, "forbidden")


# -- availability ------------------------------------------------------------------------------


async def test_what_a_channel_or_a_place_has_of_several_skus(client) -> None:
    async def had(**query: str) -> list[tuple[str, int]]:
        query = {"sku": ["4711", "4712", "none"], **query}
        items = (await client.get("/v1/availability", params=query)).json()["items"]
        return [(one["sku"], one["ats_milli"]) for one in items]

    assert await had(channel="WEB") == [("4711", 22_000), ("4712", 0), ("none", 0)]
    assert await had(location="S1") == [("4711", 12_000), ("4712", 12_000), ("none", 0)]
    for wrong in ({}, {"channel": "WEB", "location": "S1"}):
        answer = await client.get("/v1/availability", params={"sku": "4711", **wrong})
        assert is_problem(answer, 422, "invalid")


async def test_stores_near_a_point_that_have_everything(client) -> None:
    async def near(**query: object) -> list[str]:
        query = {"lat": 39.19, "lon": -84.5, "sku": ["4711", "4712"], **query}
        items = (await client.get("/v1/stores/nearby", params=query)).json()["items"]
        return [one["location"] for one in items]

    assert await near() == ["S2", "S1"]
    assert await near(limit=1) == ["S2"]
    assert await near(quantity_milli=12_001) == []
    assert is_problem(
        await client.get("/v1/stores/nearby", params={"lat": 91, "lon": 0, "sku": "4711"}),
        422,
        "invalid",
    )
