"""The product rule: keeps one snapshot a SKU, told by the instance that owns products.

Guarantees: with an owner, only the owner changes the snapshot; without one, the last accepted wins.
Does not: hold prices, or merge descriptions field by field.
"""

from typing import ClassVar

import msgspec

from omnihub.model.ids import InstanceId
from omnihub.model.record import Record
from omnihub.model.records import (
    EventMeta,
    Product,
    ProductRemoved,
    ProductStatus,
    ProductUpserted,
)
from omnihub.rules.rule import Out, Rows, Rule, on

STATE_TOPIC = "omni.product.state.v1"


class ProductRule(Rule):
    """Keyed by SKU."""

    name: ClassVar[str] = "product"
    inbox: ClassVar[str] = "omni.product.inbox.v1"
    events: ClassVar[str] = "omni.product.event.v1"

    def __init__(self, owner: InstanceId | None = None) -> None:
        self.owner = owner

    def park_key(self, record: Record) -> str:
        """Products wait per SKU."""
        return str(getattr(record, "sku", ""))

    @on(ProductUpserted)
    def on_upsert(self, event: ProductUpserted, rows: Rows, out: Out) -> None:
        """Publish what the source said; the owner's word becomes the snapshot."""
        out.emit(self.events, event)
        key = f"{event.meta.tenant}:{event.sku}"
        known = rows.get(Product, key)
        if known is not None and not self._may_change(event.meta):
            return
        product = _snapshot(event, (known.seq if known else 0) + 1)
        rows.put(key, product)
        out.emit(STATE_TOPIC, product)

    @on(ProductRemoved)
    def on_removal(self, event: ProductRemoved, rows: Rows, out: Out) -> None:
        """Archive the snapshot; what is in stock stays known."""
        out.emit(self.events, event)
        key = f"{event.meta.tenant}:{event.sku}"
        known = rows.get(Product, key)
        if known is None or not self._may_change(event.meta):
            return
        product = msgspec.structs.replace(
            known,
            status=ProductStatus.ARCHIVED,
            cause_id=event.meta.event_id,
            accepted_at_us=event.meta.accepted_at_us,
            seq=known.seq + 1,
        )
        rows.put(key, product)
        out.emit(STATE_TOPIC, product)

    def _may_change(self, meta: EventMeta) -> bool:
        return self.owner is None or meta.source == self.owner


def _snapshot(event: ProductUpserted, seq: int) -> Product:
    return Product(
        tenant=event.meta.tenant,
        sku=event.sku,
        title=event.title,
        gtin=event.gtin,
        unit=event.unit,
        category=event.category,
        brand=event.brand,
        status=event.status,
        source=event.meta.source,
        cause_id=event.meta.event_id,
        accepted_at_us=event.meta.accepted_at_us,
        seq=seq,
    )
