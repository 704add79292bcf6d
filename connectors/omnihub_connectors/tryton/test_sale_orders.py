"""Recorded sales of staff to orders and people, without a server."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from omnihub.connect import order_id_of
from omnihub.connect.kit import TOKENS
from omnihub.connect.kit.subject import Canonical
from omnihub.connect.sdk import Delivery, Fact, State
from omnihub.model.errors import RejectedError
from omnihub.model.records import (
    CustomerObserved,
    IdentifierKind,
    OrderIntent,
    OrderPlaced,
    PaymentState,
    StockMoved,
)
from omnihub_connectors.tryton.doubles import ERP, TENANT, raw_delivery
from omnihub_connectors.tryton.feeds import MODEL_HEADER, MOVE, SALE
from omnihub_connectors.tryton.mapping import TrytonMapping
from omnihub_connectors.tryton.sale_rows import order_reference
from omnihub_connectors.tryton.test_mapping import CONFIG, SAMPLES

SAMPLE_CONFIG = CONFIG.model_copy(update={"locations": ("s1",), "read_sales": True})
Row = dict[str, Any]
Change = Callable[[Row], object]


def rows_of(name: str) -> list[Row]:
    rows: list[Row] = json.loads((SAMPLES / f"{name}.json").read_bytes())["result"]
    return rows


def told(name: str, model: str, *changes: Change, **config: object) -> list[Fact | State]:
    rows = rows_of(name)
    for change in changes:
        change(rows[0])
    body = json.dumps({"id": 1, "result": rows}).encode()
    mapping = TrytonMapping(SAMPLE_CONFIG.model_copy(update=config), TOKENS)
    entities = mapping.split(raw_delivery(Delivery(name, body, {MODEL_HEADER: model})))
    return [each for entity in entities for each in mapping.translate(entity, Canonical())]


def sold(*changes: Change, **config: object) -> tuple[OrderPlaced, CustomerObserved]:
    order, person = (each.events[0] for each in told("sales", SALE, *changes, **config))
    assert isinstance(order, OrderPlaced)
    assert isinstance(person, CustomerObserved)
    return order, person


def decimal(text: str) -> Row:
    return {"__class__": "Decimal", "decimal": text}


def charge(text: str) -> Row:
    return {"id": 9_000, "type": "line", "quantity": 1.0, "amount": decimal(text), "taxes": []}


def taxed(tax: str, total: str, *, lines: int) -> Change:
    def change(row: Row) -> None:
        for line in row["lines."][:lines]:
            line["taxes"] = [1]
        row |= {"tax_amount": decimal(tax), "total_amount": decimal(total)}

    return change


def test_a_sale_is_an_order_whose_version_is_its_time_stamp() -> None:
    order, person = told("sales", SALE)
    assert isinstance(order, State)
    assert isinstance(person, State)
    assert (order.resource, person.resource) == ("order", "buyer")
    placed = order.events[0]
    assert isinstance(placed, OrderPlaced)
    assert order.version == person.version == placed.meta.version
    assert placed.order_id == order_id_of(TENANT, ERP, str(rows_of("sales")[0]["id"]))
    assert (placed.intent, placed.payment) == (OrderIntent.PLACE, PaymentState.ON_COLLECTION)
    assert [(each.sku, each.quantity_milli, each.total_minor) for each in placed.lines] == [
        ("SKU-001", 2000, 598),
        ("SKU-002", 1000, 34),
    ]
    assert {each.location for each in placed.lines} == {"s1"}


def test_sales_may_count_as_paid() -> None:
    assert sold(payment_of_sales="PAID")[0].payment is PaymentState.PAID


def test_charges_travel_with_the_shipping_and_discounts_apart() -> None:
    order, _ = sold(
        lambda row: row["lines."].extend([charge("4.90"), charge("-1.00")]),
        lambda row: row.update(total_amount=decimal("10.22")),
    )

    assert (order.shipping_minor, order.discount_minor, order.rounding_minor) == (490, 100, 0)
    assert len(order.lines) == 2


def test_the_tax_of_a_sale_is_shared_out_over_its_taxed_lines_to_the_cent() -> None:
    order, _ = sold(taxed("0.47", "6.79", lines=2))
    assert [each.tax_minor for each in order.lines] == [44, 3]
    assert [each.total_minor for each in order.lines] == [642, 37]
    assert (order.tax_minor, order.total_minor, order.rounding_minor) == (47, 679, 0)

    order, _ = sold(taxed("0.42", "6.74", lines=1))
    assert [each.tax_minor for each in order.lines] == [42, 0]


def test_a_sale_in_another_unit_is_told_in_the_products_own() -> None:
    order, _ = sold(lambda row: row["lines."][0]["unit."].update(factor=12.0))
    assert order.lines[0].quantity_milli == 24_000


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(reference=order_reference(order_id_of(TENANT, "web", "1"))),
        lambda row: row.update(reference="hub:total:web:20000:USD"),
        lambda row: row.update(state="draft"),
        lambda row: row.update(state="cancelled"),
        lambda row: row["lines."][0].update(quantity=-2.0),
        lambda row: row.update({"lines.": [charge("1.00")]}),
    ],
    ids=["of the hub", "a day total", "draft", "cancelled", "a return", "no goods"],
)
def test_what_is_no_order_of_staff_tells_nothing(change: Change) -> None:
    assert told("sales", SALE, change) == []


def test_a_sale_from_elsewhere_leaves_the_place_to_the_hub() -> None:
    order, _ = sold(
        lambda row: row["warehouse."]["storage_location."].update(code="unknown"),
    )
    assert {each.location for each in order.lines} == {None}


def test_a_product_without_code_is_refused_with_its_line() -> None:
    with pytest.raises(RejectedError, match="has no product code"):
        sold(lambda row: row["lines."][0]["product."].update(code=None))


def test_a_party_is_the_same_person_each_time_and_shows_nothing_in_the_clear() -> None:
    order, person = sold()

    assert person.subject == order.subject == TOKENS.subject(ERP, "customer", str(_party()))
    assert [each.kind for each in person.identifiers] == [
        IdentifierKind.CUSTOMER_ID,
        IdentifierKind.EMAIL,
        IdentifierKind.PHONE,
    ]
    assert all(each.is_verified for each in person.identifiers)
    assert not any(each in repr((order, person)) for each in ("Grace", "grace@", "555", "Main St"))


def test_a_number_that_cannot_be_dialled_is_no_identifier() -> None:
    def change(row: Row) -> None:
        for each in row["party."]["contact_mechanisms."]:
            each["value"] = "ask at the desk"

    _, person = sold(change)
    assert [each.kind for each in person.identifiers] == [IdentifierKind.CUSTOMER_ID]


def test_delivered_goods_carry_the_order_of_their_sale() -> None:
    sale = rows_of("sales")[0]["id"]
    assert orders_delivered() == [order_id_of(TENANT, ERP, str(sale))] * 2


def test_goods_of_a_hub_sale_carry_the_hubs_own_order() -> None:
    ours = order_id_of(TENANT, "web", "1")

    def change(row: Row) -> None:
        row["shipment."]["outgoing_moves."][0]["sale."]["reference"] = order_reference(ours)

    assert orders_delivered(change)[0] == ours


def test_goods_that_leave_for_two_sales_at_once_are_of_no_order() -> None:
    def change(row: Row) -> None:
        moves = row["shipment."]["outgoing_moves."]
        other = {**moves[0], "sale.": {"id": 77, "reference": None}}
        moves.append(other)

    assert orders_delivered(change)[0] is None


def orders_delivered(*changes: Change) -> list[str | None]:
    events = [each.events[0] for each in told("deliveries", MOVE, *changes)]
    return [each.order_id for each in events if isinstance(each, StockMoved)]


def _party() -> int:
    party: int = rows_of("sales")[0]["party."]["id"]
    return party
