"""From WooCommerce products, orders and customers to canonical events.

Guarantees: what happens is decided from the body alone, which is signed, never from the headers,
which are not: `{"id": 7}` is a deletion whatever X-WC-Webhook-Topic claims. (Of what, only the
header says; a forged one makes the hub ask the shop, which then answers.) Everything is a state
whose version is `date_modified_gmt`; a product's quantity is a state of its own, so stock written
by the hub and coming back changes no product, and a status written by the hub changes no order.
Products without SKU are refused, variable, grouped and external ones tell nothing.
Does not: know the SKU of a product that was deleted for ever (the shop tells its id only).
"""

import html
from collections.abc import Callable, Iterator

import msgspec

from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.errors import BadDelivery
from omnihub.connect.gtin import gtin_14
from omnihub.connect.personal import order_id_of
from omnihub.connect.sdk import Fact, Mapping, Refs, State
from omnihub.model.errors import RejectedError
from omnihub.model.ids import LocationId, Sku, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    CancelOrder,
    DeliveryKind,
    ProductRemoved,
    ProductStatus,
    ProductUpserted,
    RawDelivery,
    SourceEntity,
    StockCounted,
)
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.customers import buyer_contact, guest, observed
from omnihub_connectors.woocommerce.order_payload import Customer, Order
from omnihub_connectors.woocommerce.orders import DRAFTS, placed
from omnihub_connectors.woocommerce.payload import (
    CUSTOMER,
    ORDER,
    PRODUCT,
    STOCKLESS_TYPES,
    TRASH,
    Product,
    Row,
    Term,
)

RESOURCE_HEADER = "x-wc-webhook-resource"
PEOPLE = frozenset({"customer", "subscriber", ""})
STATUSES = {
    "publish": ProductStatus.ACTIVE,
    "draft": ProductStatus.DRAFT,
    "pending": ProductStatus.DRAFT,
    "future": ProductStatus.DRAFT,
    "private": ProductStatus.DRAFT,
}


class WooCommerceMapping(Mapping[WooCommerceConfig]):
    """The pure half of the connector."""

    revision = 1

    def split(self, delivery: RawDelivery) -> list[SourceEntity]:
        """Cut a page (JSON array) or a webhook (JSON object) into resources."""
        return [
            source_entity(
                delivery,
                row.resource or _deleted_resource(delivery),
                str(row.id),
                bytes(raw),
                version=row.version,
                deleted=row.resource is None,
            )
            for row, raw in _rows(delivery)
        ]

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell what one resource is now."""
        if entity.deleted:
            return [State(entity.type, None, _gone(entity), deleted=True)]
        return _TRANSLATORS[entity.type](self, entity, refs)

    def order(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell an order, and the guest who bought."""
        order = Order.model_validate_json(entity.body)
        if order.status in DRAFTS or not order.line_items:
            return []
        contact = buyer_contact(order, entity.instance, self.tokens)
        is_paid_later = order.payment_method in self.config.paid_later
        event = placed(entity, order, refs, contact, is_paid_later)
        told: list[Fact | State] = [State(ORDER, order.version, (event,))]
        if not order.customer_id:
            person = guest(entity, order, contact, self.config)
            told.append(State("buyer", order.version, (person,)))
        return told

    def customer(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell a registered customer; people of the shop itself are none."""
        customer = Customer.model_validate_json(entity.body)
        if customer.role not in PEOPLE:
            return []
        person = observed(entity, customer, self.config, self.tokens)
        return [State(CUSTOMER, customer.version, (person,))]

    def product(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell a product and, where the shop owns it, its quantity."""
        product = Product.model_validate_json(entity.body)
        if product.type in STOCKLESS_TYPES:
            return []
        if not product.sku:
            raise RejectedError(
                "sku_missing",
                f"product {product.id} has no SKU. Give it one in the shop.",
                str(product.id),
            )
        sku = Sku(refs.resolve("sku", product.sku))
        if product.status == TRASH:
            return [_removed(entity, product, sku)]
        return [_upserted(entity, product, sku), *self._counted(entity, product, sku, refs)]

    def _counted(
        self, entity: SourceEntity, product: Product, sku: Sku, refs: Refs
    ) -> Iterator[State]:
        place = self.config.stock_location
        if place is None or product.manage_stock is not True or product.stock_quantity is None:
            return
        occurred_at_us = _occurred_at_us(entity, product)
        meta = event_meta(entity, "count", occurred_at_us, version=product.version)
        counted = StockCounted(
            meta=meta,
            count_id=derive_id(meta.event_id, "count"),
            sku=sku,
            location=LocationId(refs.resolve("location", place)),
            quantity_milli=round(product.stock_quantity * 1000),
            as_of_us=meta.occurred_at_us,
        )
        yield State("stock", product.version, (counted,))


_TRANSLATORS: dict[str, Callable[[WooCommerceMapping, SourceEntity, Refs], list[Fact | State]]] = {
    PRODUCT: WooCommerceMapping.product,
    ORDER: WooCommerceMapping.order,
    CUSTOMER: WooCommerceMapping.customer,
}


def _deleted_resource(delivery: RawDelivery) -> str:
    told = delivery.headers.get(RESOURCE_HEADER, "")
    return told if told in _TRANSLATORS else PRODUCT


def _gone(entity: SourceEntity) -> tuple[Record, ...]:
    """Cancel an order that the shop, when asked, no longer has."""
    if entity.type != ORDER or entity.kind is not DeliveryKind.REFETCH:
        return ()
    cancel = CancelOrder(
        meta=event_meta(entity, "gone", entity.accepted_at_us),
        order_id=order_id_of(entity.tenant, entity.instance, entity.entity_id),
        reason="deleted_in_shop",
        requested_by=entity.instance,
    )
    return (cancel,)


def _rows(delivery: RawDelivery) -> list[tuple[Row, msgspec.Raw]]:
    try:
        if delivery.body.lstrip()[:1] == b"[":
            raws = msgspec.json.decode(delivery.body, type=list[msgspec.Raw])
        else:
            raws = [msgspec.Raw(delivery.body)]
        return [(msgspec.json.decode(raw, type=Row), raw) for raw in raws]
    except (msgspec.DecodeError, ValueError) as error:
        raise BadDelivery(
            f"{delivery.name} is no WooCommerce resource: {_reason(delivery.body, error)}",
            cure="check that the webhook's user may read the resource, mend it, then retry or skip",
        ) from None


def _reason(body: bytes, error: Exception) -> str:
    """Prefer the shop's own error code: a webhook whose product cannot be read carries one."""
    try:
        return f"the shop says {msgspec.json.decode(body)['code']}"
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return str(error)


def _occurred_at_us(entity: SourceEntity, product: Product) -> int:
    return entity.accepted_at_us if product.version is None else product.version


def _upserted(entity: SourceEntity, product: Product, sku: Sku) -> State:
    meta = event_meta(entity, PRODUCT, _occurred_at_us(entity, product), version=product.version)
    event = ProductUpserted(
        meta=meta,
        sku=sku,
        title=html.unescape(product.name),
        gtin=gtin_14(product.global_unique_id),
        category=_first(product.categories),
        brand=_first(product.brands),
        status=STATUSES.get(product.status, ProductStatus.UNKNOWN),
    )
    return State(PRODUCT, product.version, (event,))


def _removed(entity: SourceEntity, product: Product, sku: Sku) -> State:
    meta = event_meta(entity, "removed", _occurred_at_us(entity, product), version=product.version)
    return State(PRODUCT, product.version, (ProductRemoved(meta=meta, sku=sku),), deleted=True)


def _first(terms: tuple[Term, ...]) -> str | None:
    return html.unescape(terms[0].name) if terms else None
