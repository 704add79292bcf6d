"""From a WooCommerce order to `OrderPlaced`: the whole order, and what the shop wants with it now.

Guarantees: the shop's own figures are taken over, never computed anew; their sum must be the
order's total within one minor unit a line, and what is left stands in `rounding_minor`:
total = lines + shipping - discount + rounding, all of it with tax. Positive fees travel with the
shipping, negative ones with the discount.
Does not: follow partial refunds (their order keeps its status).
"""

import html
from collections.abc import Iterable

from omnihub.connect.entities import event_meta
from omnihub.connect.personal import order_id_of
from omnihub.connect.sdk import Refs
from omnihub.model.errors import RejectedError
from omnihub.model.ids import LineId, LocationId, Sku
from omnihub.model.money import minor_of, money_of
from omnihub.model.records import (
    Contact,
    FulfilmentType,
    OrderIntent,
    OrderLine,
    OrderPlaced,
    PaymentState,
    SourceEntity,
)
from omnihub.model.time import to_us
from omnihub_connectors.woocommerce.order_payload import (
    LOCATION_METAS,
    PICKUP_METHODS,
    Carriage,
    Charge,
    Item,
    Order,
    meta_of,
)

DRAFTS = frozenset({"auto-draft", "checkout-draft", "new"})
OPEN = ("pending", "on-hold", "processing")
CANCELLED = frozenset({"cancelled", "failed", "refunded", "trash"})
KNOWN = frozenset(OPEN) | CANCELLED | DRAFTS | {"completed"}
OrderState = tuple[OrderIntent, PaymentState]


def placed(
    entity: SourceEntity, order: Order, refs: Refs, contact: Contact, is_paid_later: bool
) -> OrderPlaced:
    """Return the event of `order`; `is_paid_later` when its payment method collects on delivery.

    Raises:
        Unmapped: a SKU, product, pickup place or status has no canonical id yet.
        RejectedError: `wrong_currency`, `wrong_total`, `bad_quantity`.
    """
    intent, payment = state_of(order, refs, is_paid_later)
    version = order.version
    occurred_at_us = entity.accepted_at_us if version is None else version
    lines = lines_of(order, refs)
    shipping, discount = _around(order)
    rounding = _residue(order, lines, shipping - discount)
    created = order.date_created_gmt
    return OrderPlaced(
        meta=event_meta(entity, "order", occurred_at_us, version=version),
        order_id=order_id_of(entity.tenant, entity.instance, str(order.id)),
        number=order.number or str(order.id),
        channel=refs.channel,
        intent=intent,
        payment=payment,
        currency=order.currency,
        lines=lines,
        shipping_minor=shipping,
        discount_minor=discount,
        tax_minor=minor_of(order.total_tax, order.currency),
        rounding_minor=rounding,
        total_minor=minor_of(order.total, order.currency),
        contact=contact,
        subject=contact.subject,
        placed_at_us=to_us(created) if created else occurred_at_us,
    )


def state_of(order: Order, refs: Refs, is_paid_later: bool) -> OrderState:
    """Return what the shop wants with the order, and how far its payment is."""
    status = order.status_told
    if status not in KNOWN:
        status = refs.resolve("order_status", status)
    if status in CANCELLED:
        return OrderIntent.CANCEL, _payment_of_cancelled(order, status)
    if status == "completed":
        return OrderIntent.COMPLETE, PaymentState.PAID
    if is_paid_later:
        return OrderIntent.PLACE, PaymentState.ON_COLLECTION
    is_paid = status == "processing"
    return OrderIntent.PLACE, PaymentState.PAID if is_paid else PaymentState.UNPAID


def lines_of(order: Order, refs: Refs) -> tuple[OrderLine, ...]:
    """Return the lines of goods."""
    fulfilment, location = _way(order, refs)
    return tuple(_line(item, order, refs, fulfilment, location) for item in order.line_items)


def _line(
    item: Item, order: Order, refs: Refs, fulfilment: FulfilmentType, location: LocationId | None
) -> OrderLine:
    currency, before = order.currency, item.gross_before_discount
    return OrderLine(
        line_id=LineId(str(item.id)),
        sku=sku_of(item, refs),
        title=html.unescape(item.name) or None,
        quantity_milli=_milli(item, order),
        unit_price=money_of(before / item.quantity, currency),
        discount_minor=minor_of(before, currency) - minor_of(item.gross, currency),
        tax_minor=minor_of(item.total_tax, currency),
        total_minor=minor_of(item.gross, currency),
        fulfilment=fulfilment,
        location=location,
    )


def sku_of(item: Item, refs: Refs) -> Sku:
    """Return the canonical SKU of a line; a product without SKU is mapped by its number."""
    if item.sku:
        return Sku(refs.resolve("sku", item.sku))
    return Sku(refs.resolve("product", str(item.variation_id or item.product_id)))


def _milli(item: Item, order: Order) -> int:
    milli = item.quantity * 1000
    if milli <= 0 or milli != int(milli):
        detail = f"line {item.id}: quantity {item.quantity} is not above 0 with 3 decimals at most"
        raise RejectedError("bad_quantity", detail, str(order.id))
    return int(milli)


def _way(order: Order, refs: Refs) -> tuple[FulfilmentType, LocationId | None]:
    """Return how the goods reach the buyer, and where they are collected."""
    pickup = next((way for way in order.shipping_lines if way.method_id in PICKUP_METHODS), None)
    if pickup is None:
        return FulfilmentType.SHIP, None
    return FulfilmentType.PICKUP, LocationId(refs.resolve("location", _place(pickup, order)))


def _place(pickup: Carriage, order: Order) -> str:
    """Return the shop's code of the place; without one, its pickup method is the code."""
    told = meta_of((*pickup.meta_data, *order.meta_data), *LOCATION_METAS)
    return str(told) if told else f"{pickup.method_id}:{pickup.instance_id}"


def _around(order: Order) -> tuple[int, int]:
    """Return what comes on top of the lines and what goes off, in minor units."""
    charges = [*order.shipping_lines, *order.fee_lines]
    amounts = [minor_of(charge.gross, order.currency) for charge in charges]
    return sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)


def _residue(order: Order, lines: tuple[OrderLine, ...], around_minor: int) -> int:
    """Return what the parts lack to the total."""
    parts: Iterable[Charge] = (*order.line_items, *order.shipping_lines, *order.fee_lines)
    tolerance = max(1, len(list(parts)))
    total = minor_of(order.total, order.currency)
    residue = total - sum(line.total_minor for line in lines) - around_minor
    if abs(residue) > tolerance:
        raise RejectedError(
            "wrong_total",
            f"order {order.id}: its lines sum up to {total - residue}, its total says {total} "
            f"minor units of {order.currency}. Recalculate the order in the shop.",
            str(order.id),
        )
    return residue


def _payment_of_cancelled(order: Order, status: str) -> PaymentState:
    if status == "refunded":
        return PaymentState.REFUNDED
    if status == "failed":
        return PaymentState.FAILED
    return PaymentState.PAID if order.date_paid_gmt else PaymentState.UNPAID
