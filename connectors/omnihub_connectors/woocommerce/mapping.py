"""From WooCommerce products to canonical events.

Guarantees: what happens is decided from the body alone, which is signed, never from the headers,
which are not: `{"id": 7}` is a deletion whatever X-WC-Webhook-Topic claims. A product is a state
whose version is `date_modified_gmt`; its quantity is a state of its own, so stock written by the
hub and coming back changes no product. Products without SKU are refused, variable, grouped and
external ones hold no stock and tell nothing.
Does not: know the SKU of a product that was deleted for ever (the shop tells its id only).
"""

import html
from collections.abc import Iterator

import msgspec

from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.errors import BadDelivery
from omnihub.connect.sdk import Fact, Mapping, Refs, State
from omnihub.model.errors import RejectedError
from omnihub.model.ids import LocationId, Sku, derive_id
from omnihub.model.records import (
    ProductRemoved,
    ProductStatus,
    ProductUpserted,
    RawDelivery,
    SourceEntity,
    StockCounted,
)
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.payload import STOCKLESS_TYPES, TRASH, Product, Row, Term

PRODUCT = "product"
GTIN_LENGTHS = (8, 12, 13, 14)
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
        """Cut a page (JSON array) or a webhook (JSON object) into products."""
        return [
            source_entity(
                delivery,
                PRODUCT,
                str(row.id),
                bytes(raw),
                version=row.version,
                deleted=row.version is None and row.status is None,
            )
            for row, raw in _rows(delivery)
        ]

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell the product and, where the shop owns it, its quantity."""
        if entity.deleted:
            return [State(PRODUCT, None, (), deleted=True)]
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


def _rows(delivery: RawDelivery) -> list[tuple[Row, msgspec.Raw]]:
    try:
        if delivery.body.lstrip()[:1] == b"[":
            raws = msgspec.json.decode(delivery.body, type=list[msgspec.Raw])
        else:
            raws = [msgspec.Raw(delivery.body)]
        return [(msgspec.json.decode(raw, type=Row), raw) for raw in raws]
    except (msgspec.DecodeError, ValueError) as error:
        raise BadDelivery(
            f"{delivery.name} is no WooCommerce product: {_reason(delivery.body, error)}",
            cure="check that the webhook's user may read products, mend it, then retry or skip",
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


def gtin_14(text: str) -> str | None:
    """Return a GTIN zero-padded to 14 digits; None for anything without a right check digit."""
    if not (text.isascii() and text.isdigit() and len(text) in GTIN_LENGTHS):
        return None
    padded = text.zfill(14)
    weighed = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(padded[:13]))
    return padded if (weighed + int(padded[13])) % 10 == 0 else None
