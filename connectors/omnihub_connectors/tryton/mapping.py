"""From Tryton's rows to canonical events.

Guarantees: a counted line and a done move are facts; a product is a state whose version is the
later of its own and its template's time stamp, a sale that staff made one whose version is its time
stamp. Moves and sales that the hub itself wrote, and moves that an inventory makes of its lines,
tell nothing. Goods delivered for a sale carry the id of its order. A cancelled move tells itself
and its reversal, so the sum is right whether or not it was told before.
Does not: know times of day. A count or move made on its own day has the time it was entered at; any
other count holds for the end of its day, any other move for noon.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec

from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.errors import BadDelivery
from omnihub.connect.gtin import gtin_14
from omnihub.connect.personal import order_id_of
from omnihub.connect.sdk import Fact, Mapping, Refs, State
from omnihub.model.errors import RejectedError
from omnihub.model.ids import LocationId, MovementId, OrderId, Sku, derive_id
from omnihub.model.records import (
    MovementKind,
    PaymentState,
    ProductStatus,
    ProductUpserted,
    RawDelivery,
    SourceEntity,
    StockCounted,
    StockMoved,
)
from omnihub.model.time import to_us
from omnihub_connectors.tryton.config import TrytonConfig
from omnihub_connectors.tryton.feeds import (
    COUNT_LINE,
    MODEL_HEADER,
    MOVE,
    PRODUCT,
    SALE,
    SALE_STATES,
)
from omnihub_connectors.tryton.journal import is_ours
from omnihub_connectors.tryton.payload import Coded, CountRow, MoveRow, ProductRow
from omnihub_connectors.tryton.sale_orders import buyer, contact, placed
from omnihub_connectors.tryton.sale_payload import SaleRow
from omnihub_connectors.tryton.sale_rows import order_in

NOON = time(12)
END_OF_DAY = time.max
OF_INVENTORY = "stock.inventory.line,"
UNITS = {"u": "C62", "kg": "KGM", "g": "GRM", "l": "LTR", "m": "MTR", "h": "HUR", "d": "DAY"}
KIND_OF_SHIPMENT = {
    "stock.shipment.in": MovementKind.RECEIPT,
    "stock.shipment.out": MovementKind.SALE,
    "stock.shipment.out.return": MovementKind.RETURN,
    "stock.shipment.internal": MovementKind.TRANSFER,
}
KIND_OF_OTHER_SIDE = {
    "supplier": MovementKind.RECEIPT,
    "customer": MovementKind.SALE,
    "lost_found": MovementKind.ADJUSTMENT,
    "storage": MovementKind.TRANSFER,
}


class _Page(msgspec.Struct):
    result: list[msgspec.Raw]


class _Id(msgspec.Struct):
    id: int


class TrytonMapping(Mapping[TrytonConfig]):
    """The pure half of the connector."""

    revision = 1

    def split(self, delivery: RawDelivery) -> list[SourceEntity]:
        """Cut a page of rows into one entity per row."""
        model = delivery.headers.get(MODEL_HEADER, "")
        if model not in _TRANSLATORS:
            raise _bad(delivery, f"its rows are of '{model}', which nobody polls")
        try:
            raws = msgspec.json.decode(delivery.body, type=_Page).result
            ids = [msgspec.json.decode(raw, type=_Id).id for raw in raws]
        except msgspec.DecodeError as error:
            raise _bad(delivery, str(error)) from None
        return [
            source_entity(delivery, model, str(row_id), bytes(raw))
            for row_id, raw in zip(ids, raws, strict=True)
        ]

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell what one row says."""
        return _TRANSLATORS[entity.type](self, entity, refs)

    def product(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell a variant with what its template says."""
        row: ProductRow = ProductRow.of(entity.body)
        sku = _sku(row.code, f"product {row.id}", refs)
        template = row.template
        changed_at = max(row.last_modified_at, template.write_date or row.last_modified_at)
        version = _utc_us(changed_at)
        is_active = row.active and template.active
        symbol = template.default_uom.symbol
        event = ProductUpserted(
            meta=event_meta(entity, "product", version, version=version),
            sku=sku,
            title=template.name,
            gtin=_first_gtin(row),
            unit=UNITS.get(symbol) or refs.resolve("unit", symbol),
            category=template.account_category.name if template.account_category else None,
            status=ProductStatus.ACTIVE if is_active else ProductStatus.ARCHIVED,
        )
        return [State("product", version, (event,))]

    def count(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell a counted line; a blank one counts only if its inventory says it means zero."""
        row: CountRow = CountRow.of(entity.body)
        inventory = row.inventory
        quantity = row.quantity
        if quantity is None and inventory.empty_quantity == "empty":
            quantity = 0.0
        if quantity is None:
            return []
        place = inventory.location.code or ""
        as_of_us = self._moment(inventory.date, row.create_date, END_OF_DAY)
        meta = event_meta(entity, "count", as_of_us, tz=self.config.timezone)
        event = StockCounted(
            meta=meta,
            count_id=meta.event_id,
            sku=_sku(row.product.code, f"count line {row.id}", refs),
            location=LocationId(refs.resolve("location", place)),
            quantity_milli=round(quantity * 1000),
            as_of_us=as_of_us,
        )
        return [Fact(f"count-line:{row.id}", (event,))]

    def move(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell a move that leaves or enters a followed location."""
        row: MoveRow = MoveRow.of(entity.body)
        if (row.origin or "").startswith(OF_INVENTORY):
            return []
        if row.document is not None and is_ours(row.document.reference):
            return []
        source, target = self._place(row.from_location, refs), self._place(row.to_location, refs)
        if source == target:
            return []
        moved = self._moved(entity, row, refs, (source, target), "move")
        told: list[Fact | State] = [Fact(f"move:{row.id}", (moved,))]
        if row.state == "cancelled":
            back = self._moved(entity, row, refs, (target, source), "cancelled-move")
            told.append(Fact(f"cancelled-move:{row.id}", (back,)))
        return told

    def _moved(
        self,
        entity: SourceEntity,
        row: MoveRow,
        refs: Refs,
        way: tuple[LocationId | None, LocationId | None],
        role: str,
    ) -> StockMoved:
        occurred_at_us = self._moment(row.effective_date, row.create_date, NOON)
        meta = event_meta(entity, role, occurred_at_us, tz=self.config.timezone)
        return StockMoved(
            meta=meta,
            movement_id=MovementId(derive_id(meta.event_id, "movement")),
            sku=_sku(row.product.code, f"move {row.id}", refs),
            kind=_kind(row) if role == "move" else MovementKind.VOID,
            from_location=way[0],
            to_location=way[1],
            quantity_milli=round(row.internal_quantity * 1000),
            order_id=_order_id(entity, row),
        )

    def sale(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell a sale that staff made as an order, and its party as a person."""
        row: SaleRow = SaleRow.of(entity.body)
        is_return = any((line.quantity or 0) < 0 for line in row.lines)
        if is_ours(row.reference or "") or row.state not in SALE_STATES:
            return []
        if is_return or not row.goods:
            return []
        version = _utc_us(row.write_date)
        day = row.sale_date or row.create_date.date()
        times = (version, self._moment(day, row.create_date, NOON))
        payment = PaymentState(self.config.payment_of_sales)
        reached = contact(entity, row, self.tokens)
        place = self._place(row.warehouse.storage_location, refs) if row.warehouse else None
        order = placed(entity, row, refs, place, payment, times, reached)
        person = buyer(entity, row, reached, self.tokens, version)
        return [State("order", version, (order,)), State("buyer", version, (person,))]

    def _place(self, place: Coded, refs: Refs) -> LocationId | None:
        """Return the canonical location of a followed place; None is outside."""
        if place.code is None or place.code not in self.config.locations:
            return None
        return LocationId(refs.resolve("location", place.code))

    def _moment(self, day: date, entered_at: datetime, otherwise: time) -> int:
        """Return the micros of `entered_at` if it lies on `day`, else of `day` at `otherwise`.

        Both never change again, which a fact needs; the time of confirmation may.
        """
        zone = ZoneInfo(self.config.timezone)
        entered = entered_at.replace(tzinfo=UTC).astimezone(zone)
        if entered.date() == day:
            return to_us(entered)
        return to_us(datetime.combine(day, otherwise, zone))


_TRANSLATORS: dict[str, Callable[[TrytonMapping, SourceEntity, Refs], list[Fact | State]]] = {
    PRODUCT: TrytonMapping.product,
    COUNT_LINE: TrytonMapping.count,
    MOVE: TrytonMapping.move,
    SALE: TrytonMapping.sale,
}


def _sku(code: str | None, of: str, refs: Refs) -> Sku:
    if not code:
        raise RejectedError(
            "sku_missing", f"{of} has no product code. Give the variant one in Tryton.", of
        )
    return Sku(refs.resolve("sku", code))


def _order_id(entity: SourceEntity, row: MoveRow) -> OrderId | None:
    """Return the order whose goods a delivery hands over, so that they settle its reservation."""
    sale = row.document.sale_of(row.product.code) if row.document is not None else None
    if sale is None:
        return None
    return order_in(sale.reference) or order_id_of(entity.tenant, entity.instance, str(sale.id))


def _kind(row: MoveRow) -> MovementKind:
    model = (row.shipment or "").partition(",")[0]
    if (kind := KIND_OF_SHIPMENT.get(model)) is not None:
        return kind
    types = {row.from_location.type, row.to_location.type} - {"storage"}
    if row.from_location.type == "customer":
        return MovementKind.RETURN
    return KIND_OF_OTHER_SIDE.get(min(types, default="storage"), MovementKind.UNKNOWN)


def _first_gtin(row: ProductRow) -> str | None:
    """Return the first identifier that is a GTIN, zero-padded to 14 digits."""
    found = (gtin_14(identifier.code) for identifier in row.identifiers)
    return next((gtin for gtin in found if gtin), None)


def _utc_us(moment: datetime) -> int:
    return to_us(moment.replace(tzinfo=UTC))


def _bad(delivery: RawDelivery, why: str) -> BadDelivery:
    return BadDelivery(
        f"{delivery.name} is no page of Tryton's: {why}",
        cure="check that `url` is a Tryton 8 server, then retry, or skip",
    )
