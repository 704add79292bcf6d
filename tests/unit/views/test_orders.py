"""Orders, carts and customers in the views: what is asked is answered, what is sealed stays so."""

import msgspec
import pytest
from sqlalchemy import select

from omnihub.connect.kit import TOKENS
from omnihub.contracts.sealing import MARK
from omnihub.model.ids import CustomerId, OrderId, SubjectId
from omnihub.model.records import IdentifierKind, Order, OrderStatus
from omnihub.views import schema
from omnihub.views.fold import BY_TOPIC, TOPICS, Fold
from omnihub.views.orders import OrderFilter
from omnihub.views.queries import Views
from omnihub.views.requests import Request, Requests
from tests.unit.views.examples import (
    ADAS,
    EMAIL,
    MAIN,
    cart,
    fulfilment,
    link,
    order,
    profile,
    redirect,
    reservation,
)

ORDERS = "omni.order.state.v1"
PROFILES = "omni.profile.state.v1"
EVERYONE = OrderFilter()


class View:
    """A view that is folded to the end of a log before it answers."""

    def __init__(self, log, engine) -> None:
        self.log, self.engine = log, engine
        self.fold = Fold(engine, "log")

    async def with_(self, topic: str, *records) -> Views:
        for record in records:
            await self.log.append(topic, record)
        self.fold.apply(await self.log.read_all(TOPICS))
        return Views(self.engine, MAIN)


@pytest.fixture
def view(log, open_view) -> View:
    return View(log, open_view("views"))


def ids(page) -> list[str]:
    return [one.order_id for one in page.items]


async def test_an_order_comes_back_whole_with_its_contact_still_sealed(view) -> None:
    views = await view.with_(ORDERS, told := order("1"))
    found = views.orders.find(OrderId("1"))
    assert isinstance(found, Order)
    assert found.contact.email.startswith(MARK)
    hidden = {name: getattr(found.contact, name) for name in ("name", "email", "phone", "address")}
    sealed = msgspec.structs.replace(told.contact, **hidden)
    assert found == msgspec.structs.replace(told, contact=sealed)


async def test_no_table_holds_a_personal_value(view) -> None:
    await view.with_(ORDERS, order("1"))
    await view.with_(PROFILES, profile("c1"))
    with view.engine.connect() as connection:
        rows = [
            str(row)
            for table in schema.METADATA.sorted_tables
            for row in connection.execute(select(table)).all()
        ]
    assert len(rows) > 3
    assert not [value for value in ADAS if any(value in row for row in rows)]


async def test_the_parts_of_an_order_are_found_under_its_id_alone(view) -> None:
    await view.with_("omni.fulfilment.state.v1", fulfilment("1"), fulfilment("2"))
    views = await view.with_("omni.reservation.state.v1", reservation("1"), reservation("2"))
    assert views.orders.fulfilments(OrderId("1")) == (fulfilment("1"),)
    assert views.orders.reservations(OrderId("1")) == (reservation("1"),)
    assert views.orders.payments(OrderId("1")) == ()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EVERYONE, ["4", "3", "2", "1"]),
        (OrderFilter(status="REFUSED"), ["2"]),
        (OrderFilter(channel="app"), ["3"]),
        (OrderFilter(source="erp"), ["4"]),
        (OrderFilter(number="N-1"), ["1"]),
        (OrderFilter(subject="s-bob"), ["3"]),
        (OrderFilter(customer_id=CustomerId("c-bob")), ["4", "3"]),
        (OrderFilter(since_us=3), ["4", "3"]),
        (OrderFilter(channel="app", status="REFUSED"), []),
    ],
)
async def test_orders_are_filtered(view, wanted: OrderFilter, found: list[str]) -> None:
    await view.with_("omni.identity.state.v1", link("s-bob", "c-bob"), link("s-bob2", "c-bob"))
    views = await view.with_(
        ORDERS,
        order("1", 1),
        order("2", 2, status=OrderStatus.REFUSED),
        order("3", 3, channel="app", subject="s-bob"),
        order("4", 4, source="erp", subject="s-bob2"),
    )
    assert ids(views.orders.page(wanted, None, 10)) == found


async def test_pages_from_the_newest_on_neither_repeat_nor_skip(view) -> None:
    """Two orders of one microsecond, and one placed while the list is walked."""
    views = await view.with_(ORDERS, *(order(str(n), 10 + n // 2) for n in range(7)))
    seen, cursor = [], None
    while True:
        page = views.orders.page(EVERYONE, cursor, 2)
        seen += ids(page)
        await view.with_(ORDERS, order(f"new-{len(seen)}", 99))
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_a_cart_comes_back_as_it_is(view) -> None:
    views = await view.with_("omni.cart.state.v1", cart("k1"))
    assert views.orders.cart("k1") == cart("k1")
    assert views.orders.cart("k2") is None


async def test_whoever_was_merged_is_found_under_the_survivor(view) -> None:
    chain = [redirect("c1", "c2"), redirect("c2", "c3")]
    await view.with_("omni.customer.redirect.state.v1", *chain)
    await view.with_("omni.identity.state.v1", link("s-ada", "c2"))
    views = await view.with_(PROFILES, profile("c3"))
    assert views.customers.find(CustomerId("c1")).customer_id == "c3"
    assert views.customers.of_subject(SubjectId("s-ada")).customer_id == "c3"
    assert views.customers.find(CustomerId("nobody")) is None


async def test_half_a_merge_that_points_in_a_circle_ends(view) -> None:
    circle = [redirect("c1", "c2"), redirect("c2", "c1")]
    views = await view.with_("omni.customer.redirect.state.v1", *circle)
    assert views.customers.find(CustomerId("c1")) is None


async def test_a_token_finds_everybody_who_has_it_now(view) -> None:
    token = TOKENS.email(EMAIL)
    views = await view.with_(PROFILES, profile("c1"), profile("c2"))
    found = views.customers.identified(IdentifierKind.EMAIL, token)
    assert [one.customer_id for one in found] == ["c1", "c2"]
    await view.with_(PROFILES, profile("c1", email=None, seq=2))
    await view.log.remove(PROFILES, "main:c2")
    views = await view.with_(PROFILES)
    assert views.customers.identified(IdentifierKind.EMAIL, token) == ()
    assert views.customers.identified(IdentifierKind.PHONE, token) == ()


def test_every_state_topic_of_the_contract_that_the_api_shows_is_folded() -> None:
    shown = {"order", "fulfilment", "reservation", "payment", "return", "cart", "price"}
    shown |= {"profile", "identity", "customer.redirect", "consent"}
    assert {f"omni.{name}.state.v1" for name in shown} <= set(BY_TOPIC)


def test_the_first_request_under_an_id_stays_over_a_restart(open_view) -> None:
    first = Request("hash-1", 5, "app")
    assert Requests(open_view("views")).remember("o1", first) == first
    again = Requests(open_view("views"))
    assert again.remember("o1", Request("hash-2", 9, "other")) == first
    assert again.find("o2") is None
