"""From Segment messages to canonical events."""

import json
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from omnihub.connect.errors import BadDelivery
from omnihub.connect.kit import TOKENS
from omnihub.connect.kit.subject import Subject
from omnihub.connect.personal import cart_id_of, order_id_of
from omnihub.connect.sdk import Delivery
from omnihub.model.ids import TenantId
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import (
    CancelOrder,
    CartConverted,
    CartUpdated,
    CustomerObserved,
    FulfilmentType,
    Identifier,
    IdentifierKind,
    Money,
    OrderIntent,
    OrderPlaced,
    PaymentState,
    Rejected,
)
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.connector import App
from omnihub_connectors.app.doubles import CONFIG, TEN_US, Codes, Worker, order, track
from omnihub_connectors.app.mapping import AppMapping

ACME = TenantId("acme")
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
ADA = {
    "type": "identify",
    "messageId": "m-1",
    "userId": "ada@example.org",
    "anonymousId": "a-1",
    "timestamp": "2026-11-22T10:00:00.000Z",
    "traits": {
        "name": "Ada Byron",
        "email": "Ada@Example.org",
        "phone": "+31612345678",
        "birthday": "1815-12-10",
        "loyalty_card": "9001",
    },
}


@pytest.fixture
def worker() -> Worker:
    return Worker()


R = TypeVar("R", bound=Record)


def only(records: list[Record], kind: type[R]) -> R:
    (event,) = (record for record in records if isinstance(record, kind))
    return event


def kinds(records: list[Record]) -> list[type[Record]]:
    return [type(record) for record in records]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_understood_and_told_once(worker: Worker, path: Path) -> None:
    call = path.stem.partition(".")[0]
    assert worker.accept(call, path.read_bytes())
    assert worker.parked == []
    assert worker.accept(call, path.read_bytes()) == []


# -- persons -------------------------------------------------------------------------------------


def test_a_login_is_a_person_with_what_is_known_of_them(worker: Worker) -> None:
    event = only(worker.accept("identify", ADA), CustomerObserved)
    assert event.subject == TOKENS.subject("app", "customer", "ada@example.org")
    assert [(each.kind, each.scope, each.is_verified) for each in event.identifiers] == [
        (IdentifierKind.CUSTOMER_ID, "app", True),
        (IdentifierKind.EMAIL, "", False),
        (IdentifierKind.PHONE, "", False),
        (IdentifierKind.LOYALTY_CARD, "loyalty", False),
        (IdentifierKind.ANONYMOUS_ID, "app", False),
    ]
    assert (event.birthday_month, event.birthday_day) == (12, 10)
    assert event.contact is not None
    assert event.contact.name == Personal("Ada Byron")


def test_nothing_personal_names_an_entity(worker: Worker) -> None:
    records = worker.accept("identify", ADA)
    assert "ada" not in repr(records).casefold()
    assert "a-1" not in repr(only(records, CustomerObserved).identifiers)


def test_what_the_app_proves_is_verified() -> None:
    config = AppConfig(
        write_keys=(SecretStr("k" * 16),),
        trusts_email=True,
        trusts_phone=True,
        trusts_loyalty_card=True,
        trusts_user_id=False,
    )
    event = only(Worker(config).accept("identify", ADA), CustomerObserved)
    assert [each.is_verified for each in event.identifiers] == [False, True, True, True, False]


def test_a_visitor_is_a_person_of_their_own(worker: Worker) -> None:
    visitor = {**ADA, "userId": None, "traits": {}}
    event = only(worker.accept("identify", visitor), CustomerObserved)
    assert event.subject == TOKENS.subject("app", "anonymous", "a-1")
    assert [each.kind for each in event.identifiers] == [IdentifierKind.ANONYMOUS_ID]


def test_an_older_call_that_comes_later_changes_nothing(worker: Worker) -> None:
    worker.accept("identify", ADA)
    older = {**ADA, "timestamp": "2026-11-22T09:00:00.000Z", "traits": {"name": "Ada"}}
    assert worker.accept("identify", older) == []


@pytest.mark.parametrize("is_reversed", [False, True])
def test_two_calls_of_one_millisecond_end_alike_in_either_order(
    worker: Worker, is_reversed: bool
) -> None:
    calls = [{**ADA, "messageId": f"m-{n}", "traits": {"name": f"Ada {n}"}} for n in (1, 2)]
    told = [each for call in calls[:: -1 if is_reversed else 1] for each in _told(worker, call)]
    last = only(told[-1:], CustomerObserved)
    assert last.contact is not None
    assert last.contact.name == Personal("Ada 2")


def _told(worker: Worker, call: dict[str, Any]) -> list[Record]:
    return worker.accept("identify", call)


def test_an_alias_holds_both_ids_and_touches_neither_person(worker: Worker) -> None:
    body = {"type": "alias", "messageId": "m", "previousId": "old", "userId": "new"}
    event = only(worker.accept("alias", body), CustomerObserved)
    assert event.identifiers == tuple(
        Identifier(
            kind=IdentifierKind.CUSTOMER_ID,
            scope="app",
            token=TOKENS.of("customer_id:app", each),
            is_verified=True,
        )
        for each in ("old", "new")
    )
    assert event.subject not in {TOKENS.subject("app", "customer", each) for each in ("old", "new")}
    assert event.contact is None


# -- orders --------------------------------------------------------------------------------------


def test_a_completed_order_is_placed_and_paid(worker: Worker) -> None:
    records = worker.accept("track", track("Order Completed", **order()))
    event = only(records, OrderPlaced)
    assert kinds(records) == [OrderPlaced]
    assert event.order_id == order_id_of(ACME, "app", "APP-1")
    assert (event.number, event.channel, event.currency) == ("APP-1", "app", "EUR")
    assert (event.intent, event.payment) == (OrderIntent.PLACE, PaymentState.PAID)
    assert [(line.sku, line.quantity_milli, line.total_minor) for line in event.lines] == [
        ("A", 2000, 1500),
        ("B", 1000, 500),
    ]
    assert event.lines[0].unit_price == Money(unscaled=750, scale=2, currency="EUR")
    assert (event.total_minor, event.placed_at_us) == (2000, TEN_US)
    assert event.subject == TOKENS.subject("app", "customer", "u-42")


def test_click_and_collect_is_held_at_its_place() -> None:
    worker = Worker(codes=Codes({("location", "Dom"): "S061"}))
    event = only(
        worker.accept("track", track("Order Completed", **order(pickup_location="Dom"))),
        OrderPlaced,
    )
    assert {(line.fulfilment, line.location) for line in event.lines} == {
        (FulfilmentType.PICKUP, "S061")
    }


@pytest.mark.parametrize(
    ("told", "payment"),
    [
        ({}, PaymentState.PAID),
        ({"payment_method": "pay_in_store"}, PaymentState.ON_COLLECTION),
        ({"payment_method": "cod", "payment_status": "paid"}, PaymentState.PAID),
        ({"payment_status": "authorized"}, PaymentState.AUTHORISED),
        ({"payment_status": "unpaid"}, PaymentState.UNPAID),
    ],
)
def test_payment_is_as_told(worker: Worker, told: dict[str, str], payment: PaymentState) -> None:
    records = worker.accept("track", track("Order Completed", **order(**told)))
    assert only(records, OrderPlaced).payment is payment


def test_a_cancelled_order_is_cancelled_with_or_without_its_products(worker: Worker) -> None:
    worker.accept("track", track("Order Completed", **order("O-1")))
    later = "2026-11-22T10:01:00.000Z"
    whole = worker.accept("track", track("Order Cancelled", later, **order("O-1")))
    assert only(whole, OrderPlaced).intent is OrderIntent.CANCEL
    bare = worker.accept("track", track("Order Cancelled", later, order_id="O-2"))
    assert only(bare, CancelOrder).order_id == order_id_of(ACME, "app", "O-2")
    assert worker.accept("track", track("Order Completed", **order("O-2"))) == []


def test_a_cart_that_became_an_order_is_converted_once(worker: Worker) -> None:
    records = worker.accept("track", track("Order Completed", **order(cart_id="c-7")))
    event = only(records, CartConverted)
    assert event.cart_id == cart_id_of(ACME, "app", "c-7")
    assert only(records, OrderPlaced).cart_id == event.cart_id
    later = track("Order Updated", "2026-11-22T10:01:00.000Z", **order(cart_id="c-7"))
    assert kinds(worker.accept("track", later)) == [OrderPlaced]


def test_a_buyer_without_login_is_a_person_by_the_address(worker: Worker) -> None:
    message = {**track("Order Completed", **order(email="ada@example.org")), "userId": None}
    records = worker.accept("track", message)
    guest = only(records, CustomerObserved)
    assert guest.subject == TOKENS.subject("app", "guest", "ada@example.org")
    assert only(records, OrderPlaced).subject == guest.subject


def test_tax_on_top_is_dealt_to_the_lines() -> None:
    config = AppConfig(write_keys=(SecretStr("k" * 16),), prices_include_tax=False)
    properties = order(tax=4.21, shipping=2, discount=1, total=25.21)
    records = Worker(config).accept("track", track("Order Completed", **properties))
    event = only(records, OrderPlaced)
    assert [(line.tax_minor, line.total_minor) for line in event.lines] == [(315, 1815), (106, 606)]
    assert (event.shipping_minor, event.discount_minor) == (200, 100)
    assert (event.rounding_minor, event.total_minor) == (0, 2521)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total": 21.0}, "wrong_total"),
        ({"currency": "EURO"}, "wrong_currency"),
        ({"currency": None}, "wrong_currency"),
        ({"payment_status": "maybe"}, "bad_payment_status"),
        ({"products": [{"sku": "A", "quantity": 1}]}, "price_missing"),
        ({"products": [{"price": 20, "quantity": 1}]}, "sku_missing"),
        ({"products": [{"sku": "A", "price": 20, "quantity": 0}]}, "bad_quantity"),
        ({"order_id": ""}, "nameless"),
    ],
)
def test_an_order_that_cannot_be_is_refused_by_name(
    worker: Worker, changes: dict[str, Any], reason: str
) -> None:
    records = worker.accept("track", track("Order Completed", **order(**changes)))
    assert only(records, Rejected).reason_code == reason


def test_a_sku_nobody_mapped_parks_with_its_cure() -> None:
    worker = Worker(codes=Codes({("sku", "B"): None}))
    assert worker.accept("track", track("Order Completed", **order())) == []
    assert [error.cure for error in worker.parked] == ["omnihub map set app sku 'B' CANONICAL"]


# -- carts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["Cart Viewed", "Product Added", "Cart Updated"])
def test_a_cart_is_told_when_it_is_whole(worker: Worker, event: str) -> None:
    body = track(event, **order(cart_id="c-7"))
    cart = only(worker.accept("track", body), CartUpdated)
    assert cart.cart_id == cart_id_of(ACME, "app", "c-7")
    assert [(line.sku, line.quantity_milli) for line in cart.lines] == [("A", 2000), ("B", 1000)]
    assert (cart.channel, cart.currency, cart.total_minor) == ("app", "EUR", 2000)


def test_an_emptied_cart_is_whole_too(worker: Worker) -> None:
    body = track("Product Removed", cart_id="c-7", products=[])
    assert only(worker.accept("track", body), CartUpdated).lines == ()


def test_a_product_alone_tells_no_cart(worker: Worker) -> None:
    body = track("Product Added", cart_id="c-7", sku="A", price=7.5)
    assert worker.accept("track", body) == []


# -- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["page", "screen", "group", "track"])
def test_what_means_nothing_yet_is_kept_raw_only(worker: Worker, call: str) -> None:
    body = {"type": call, "event": "Song Played", "messageId": "m", "userId": "u", "traits": {}}
    assert worker.accept(call, body) == []
    assert worker.parked == []


def test_a_wrong_message_does_not_hold_up_its_batch(worker: Worker) -> None:
    wrong = {**ADA, "messageId": "w", "traits": {"address": "Utrecht"}}
    records = worker.accept("batch", {"batch": [wrong, track("Order Completed", **order())]})
    assert kinds(records) == [OrderPlaced]
    assert [str(error) for error in worker.parked] == [
        "the payload does not fit Message: traits.address: Input should be an object"
    ]


def test_a_message_without_time_is_of_when_it_came(worker: Worker) -> None:
    timeless = {key: value for key, value in ADA.items() if key != "timestamp"}
    assert kinds(worker.accept("identify", timeless)) == [CustomerObserved]
    assert worker.accept("identify", timeless) == []
    renamed = {**timeless, "traits": {"name": "Augusta"}}
    assert kinds(worker.accept("identify", renamed)) == [CustomerObserved]


def test_a_call_says_its_type_by_its_path(worker: Worker) -> None:
    body = {key: value for key, value in ADA.items() if key != "type"}
    assert kinds(worker.accept("i", body)) == [CustomerObserved]


def test_the_context_around_a_batch_holds_for_its_messages(worker: Worker) -> None:
    body = {"batch": [ADA], "context": {"locale": "nl-NL"}}
    event = only(worker.accept("batch", body), CustomerObserved)
    assert event.contact is not None
    assert event.contact.locale == "nl-NL"


def test_the_same_message_alone_and_in_a_batch_is_one(worker: Worker) -> None:
    assert worker.accept("identify", ADA)
    assert worker.accept("batch", {"batch": [ADA, ADA]}) == []


def test_a_write_key_in_a_body_goes_no_further() -> None:
    mapping = AppMapping(CONFIG, TOKENS)
    body = json.dumps({**ADA, "writeKey": "wk_secret"}).encode()
    (entity,) = mapping.split(Subject(connector=App, config={}).raw(Delivery("v1/identify", body)))
    assert b"wk_secret" in body
    assert b"wk_secret" not in entity.body


def test_a_body_that_is_none_parks_whole(worker: Worker) -> None:
    with pytest.raises(BadDelivery, match="call v1/batch cannot be read"):
        worker.accept("batch", b"{")
