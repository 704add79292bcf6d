"""From WooCommerce JSON to canonical events: pure, the same whichever way it came."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from omnihub.connect.errors import BadDelivery
from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import State
from omnihub.model.errors import RejectedError, Unmapped
from omnihub.model.ids import DeliveryId, InstanceId, TenantId
from omnihub.model.records import (
    DeliveryKind,
    ProductRemoved,
    ProductStatus,
    ProductUpserted,
    RawDelivery,
    SourceEntity,
    StockCounted,
)
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.doubles import CodeTable
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping

TEN_US = 1_795_341_600_000_000  # 2026-11-22T10:00:00Z


def product(**fields: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "name": "Salt &amp; Pepper",
        "type": "simple",
        "status": "publish",
        "sku": "SP-1",
        "date_modified_gmt": "2026-11-22T10:00:00",
        "manage_stock": True,
        "stock_quantity": 4,
        "categories": [{"id": 3, "name": "Spices", "slug": "spices"}],
        **fields,
    }


def delivery(body: Any, kind: DeliveryKind = DeliveryKind.WEBHOOK) -> RawDelivery:
    return RawDelivery(
        delivery_id=DeliveryId("d1"),
        tenant=TenantId("acme"),
        connector="woocommerce",
        instance=InstanceId("web"),
        kind=kind,
        stream="product.updated",
        name="webhook",
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        accepted_at_us=TEN_US + 5_000_000,
    )


@pytest.fixture
def mapping(config: WooCommerceConfig) -> WooCommerceMapping:
    return WooCommerceMapping(config, TOKENS)


def entity_of(mapping: WooCommerceMapping, body: Any) -> SourceEntity:
    (entity,) = mapping.split(delivery(body))
    return entity


def state_of(mapping: WooCommerceMapping, body: Any, refs: CodeTable) -> State:
    (state,) = mapping.translate(entity_of(mapping, body), refs)
    assert isinstance(state, State)
    return state


def test_a_page_is_cut_into_products_without_touching_their_bytes(
    mapping: WooCommerceMapping,
) -> None:
    one, two = product(id=1), product(id=2, date_modified_gmt="2026-11-22T10:00:01")
    first, second = mapping.split(delivery([one, two], DeliveryKind.POLL))
    assert (first.type, first.entity_id, first.version) == ("product", "1", TEN_US)
    assert (second.entity_id, second.version) == ("2", TEN_US + 1_000_000)
    assert json.loads(first.body) == one


def test_webhook_and_page_give_the_same_entity(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    by_hook = state_of(mapping, product(), refs)
    (entity,) = mapping.split(delivery([product()], DeliveryKind.POLL))
    assert mapping.translate(entity, refs) == [by_hook]


def test_a_product_becomes_a_state_at_its_date(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    body = product(global_unique_id="4006381333931", brands=[{"name": "Verstegen"}])
    state = state_of(mapping, body, refs)
    (event,) = state.events
    assert isinstance(event, ProductUpserted)
    assert (state.resource, state.version, state.deleted) == ("product", TEN_US, False)
    assert (event.sku, event.title, event.gtin) == ("SP-1", "Salt & Pepper", "04006381333931")
    assert (event.category, event.brand) == ("Spices", "Verstegen")
    assert event.status is ProductStatus.ACTIVE
    assert (event.meta.occurred_at_us, event.meta.version) == (TEN_US, TEN_US)
    assert event.meta.entity == "product:7"


def test_the_sku_is_resolved(mapping: WooCommerceMapping, refs: CodeTable) -> None:
    refs.skus["SP-1"] = "canonical-1"
    (event,) = state_of(mapping, product(), refs).events
    assert isinstance(event, ProductUpserted)
    assert event.sku == "canonical-1"


def test_a_sku_that_is_not_mapped_waits(mapping: WooCommerceMapping, refs: CodeTable) -> None:
    refs.skus["SP-1"] = None
    with pytest.raises(Unmapped):
        state_of(mapping, product(), refs)


def test_stock_written_by_the_hub_comes_back_as_the_same_product(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    before = state_of(mapping, product(stock_quantity=4), refs)
    echo = product(stock_quantity=9, date_modified_gmt="2026-11-22T10:00:07")
    after = state_of(mapping, echo, refs)
    assert isinstance(before.events[0], ProductUpserted)
    assert isinstance(after.events[0], ProductUpserted)
    assert before.events[0].title == after.events[0].title
    assert not any(isinstance(event, StockCounted) for event in after.events)


def test_a_shop_that_owns_stock_tells_its_count(config: WooCommerceConfig, refs: CodeTable) -> None:
    owner = WooCommerceMapping(config.model_copy(update={"stock_location": "backroom"}))
    _, stock = owner.translate(entity_of(owner, product()), refs)
    assert isinstance(stock, State)
    (count,) = stock.events
    assert isinstance(count, StockCounted)
    assert (stock.resource, stock.version) == ("stock", TEN_US)
    assert (count.location, count.quantity_milli, count.as_of_us) == ("backroom", 4000, TEN_US)


def test_an_id_alone_is_a_deletion_whatever_the_header_says(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    entity = entity_of(mapping, {"id": 7})
    assert (entity.entity_id, entity.deleted, entity.version) == ("7", True, None)
    assert mapping.translate(entity, refs) == [State("product", None, (), deleted=True)]


def test_a_whole_product_is_no_deletion_whatever_the_header_says(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    replayed = delivery(product())
    (entity,) = mapping.split(RawDelivery(**{**_fields(replayed), "stream": "product.deleted"}))
    assert not entity.deleted


def _fields(record: RawDelivery) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_a_product_in_the_trash_is_removed_at_its_date(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    state = state_of(mapping, product(status="trash"), refs)
    (event,) = state.events
    assert isinstance(event, ProductRemoved)
    assert (state.deleted, state.version, event.sku) == (True, TEN_US, "SP-1")


@pytest.mark.parametrize("kind", ["variable", "grouped", "external"])
def test_what_holds_no_stock_tells_nothing(
    mapping: WooCommerceMapping, refs: CodeTable, kind: str
) -> None:
    assert mapping.translate(entity_of(mapping, product(type=kind)), refs) == []


def test_a_product_without_sku_is_refused_by_name(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    with pytest.raises(RejectedError, match="product 7 has no SKU") as refusal:
        mapping.translate(entity_of(mapping, product(sku="")), refs)
    assert (refusal.value.reason_code, refusal.value.subject) == ("sku_missing", "7")


def test_a_product_without_date_has_no_version(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    entity = entity_of(mapping, product(date_modified_gmt=None))
    (state,) = mapping.translate(entity, refs)
    assert isinstance(state, State)
    assert (entity.deleted, state.version) == (False, None)
    (event,) = state.events
    assert isinstance(event, ProductUpserted)
    assert event.meta.occurred_at_us == entity.accepted_at_us


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[{]",
        b'"text"',
        b'{"id":"7"}',
        b"\xff\xfe",
        b'{"name":"no id"}',
        b"webhook_id=1",
    ],
)
def test_what_is_no_product_is_parked_with_its_reason(
    mapping: WooCommerceMapping, body: bytes
) -> None:
    with pytest.raises(BadDelivery, match="is no WooCommerce resource"):
        mapping.split(delivery(body))


def test_an_error_in_place_of_a_product_keeps_the_shops_code(mapping: WooCommerceMapping) -> None:
    body = {"code": "woocommerce_rest_cannot_view", "message": "Sorry", "data": {"status": 403}}
    with pytest.raises(BadDelivery, match="the shop says woocommerce_rest_cannot_view"):
        mapping.split(delivery(body))


def test_a_wrong_type_inside_a_product_is_named(
    mapping: WooCommerceMapping, refs: CodeTable
) -> None:
    with pytest.raises(ValidationError, match="categories"):
        mapping.translate(entity_of(mapping, product(categories="Spices")), refs)
