"""Track calls about orders: the whole order, and what the app wants with it now.

Guarantees: the app's figures are taken over; their sum must be `total` within one minor unit a
line, the rest stands in `rounding_minor`: total = lines + shipping - discount + rounding, all with
tax. Where prices are without tax (`prices_include_tax: false`), the order's tax is dealt to its
lines by their share, the last one taking what is left.
Does not: know refunds; `Order Refunded` is kept raw.
"""

from decimal import Decimal

from omnihub.connect.entities import event_meta
from omnihub.connect.personal import Tokens, cart_id_of, order_id_of
from omnihub.connect.sdk import Fact, Refs, State
from omnihub.model.errors import RejectedError
from omnihub.model.ids import LineId, LocationId, Sku
from omnihub.model.money import exponent_of, minor_of, money_of
from omnihub.model.record import Record
from omnihub.model.records import (
    CancelOrder,
    CartConverted,
    Contact,
    EventMeta,
    FulfilmentType,
    OrderIntent,
    OrderLine,
    OrderPlaced,
    PaymentState,
    SourceEntity,
)
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.messages import Message, Product, Properties
from omnihub_connectors.app.persons import buyer_of, contact_from, guest_states

ORDER_EVENTS = {
    "order completed": OrderIntent.PLACE,
    "order updated": OrderIntent.PLACE,
    "order cancelled": OrderIntent.CANCEL,
}
PAYMENTS = {
    "paid": PaymentState.PAID,
    "captured": PaymentState.PAID,
    "authorised": PaymentState.AUTHORISED,
    "authorized": PaymentState.AUTHORISED,
    "unpaid": PaymentState.UNPAID,
    "pending": PaymentState.UNPAID,
    "on_collection": PaymentState.ON_COLLECTION,
}
ZERO = Decimal(0)


def order_states(
    entity: SourceEntity, message: Message, refs: Refs, config: AppConfig, tokens: Tokens
) -> list[Fact | State]:
    """Tell an order, its cart's end, and its buyer if the app has no login of them."""
    told = Properties.model_validate(message.properties)
    intent = ORDER_EVENTS[message.event.casefold()]
    subject = buyer_of(message, told, entity.instance, tokens)
    contact = contact_from(message, subject, told, config, tokens)
    occurred_at_us = entity.accepted_at_us if message.at_us is None else message.at_us
    meta = event_meta(entity, "order", occurred_at_us, version=entity.version)
    if intent is OrderIntent.CANCEL and not told.products:
        return [State("order", entity.version, (_cancel(entity, told, meta),))]
    event: Record = _placed(entity, told, refs, config, meta, intent, contact)
    states: list[Fact | State] = [State("order", entity.version, (event,))]
    if told.cart_id and intent is OrderIntent.PLACE:
        states.append(_converted(entity, told, occurred_at_us))
    return states + guest_states(entity, message, contact, config, tokens)


def _placed(
    entity: SourceEntity,
    told: Properties,
    refs: Refs,
    config: AppConfig,
    meta: EventMeta,
    intent: OrderIntent,
    contact: Contact,
) -> OrderPlaced:
    currency = told.currency.upper()
    lines = _lines(told, refs, config, currency)
    shipping = minor_of(told.shipping or ZERO, currency)
    discount = minor_of(told.discount or ZERO, currency)
    computed = sum(line.total_minor for line in lines) + shipping - discount
    total = computed if told.total is None else minor_of(told.total, currency)
    if abs(total - computed) > max(1, len(lines)):
        raise RejectedError(
            "wrong_total",
            f"order {told.order_id}: its lines, shipping and discount make {computed}, its total "
            f"says {total} minor units of {currency}. Send figures that fit, or set "
            "prices_include_tax as the app does it.",
            told.order_id,
        )
    return OrderPlaced(
        meta=meta,
        order_id=order_id_of(entity.tenant, entity.instance, told.order_id),
        number=told.order_number or told.order_id,
        channel=refs.channel,
        intent=intent,
        payment=_payment(told, config),
        currency=currency,
        lines=lines,
        shipping_minor=shipping,
        discount_minor=discount,
        tax_minor=minor_of(told.tax or ZERO, currency),
        rounding_minor=total - computed,
        total_minor=total,
        contact=contact,
        subject=contact.subject,
        cart_id=cart_id_of(entity.tenant, entity.instance, told.cart_id) if told.cart_id else None,
        placed_at_us=meta.occurred_at_us,
    )


def _lines(told: Properties, refs: Refs, config: AppConfig, currency: str) -> tuple[OrderLine, ...]:
    products = told.products or ()
    nets = [minor_of(_price(each, told) * each.quantity, currency) for each in products]
    tax = ZERO if config.prices_include_tax else told.tax or ZERO
    taxes = _dealt(minor_of(tax, currency), nets)
    return tuple(
        _line(number, product, told, refs, currency, net + tax_minor, tax_minor)
        for number, (product, net, tax_minor) in enumerate(
            zip(products, nets, taxes, strict=True), start=1
        )
    )


def _line(
    number: int,
    product: Product,
    told: Properties,
    refs: Refs,
    currency: str,
    total_minor: int,
    tax_minor: int,
) -> OrderLine:
    place = product.pickup_location or told.pickup_location
    unit = _price(product, told)
    if tax_minor:
        unit += Decimal(tax_minor).scaleb(-exponent_of(currency)) / product.quantity
    return OrderLine(
        line_id=LineId(str(number)),
        sku=sku_of(product, refs, told.order_id),
        title=product.name or None,
        quantity_milli=milli_of(product, told.order_id),
        unit_price=money_of(unit, currency),
        tax_minor=tax_minor,
        total_minor=total_minor,
        fulfilment=FulfilmentType.PICKUP if place else FulfilmentType.SHIP,
        location=LocationId(refs.resolve("location", place)) if place else None,
    )


def sku_of(product: Product, refs: Refs, subject: str) -> Sku:
    """Return the canonical SKU; raises `sku_missing` for a product without a code."""
    code = product.sku or product.product_id
    if not code:
        raise RejectedError("sku_missing", "a product has neither sku nor product_id", subject)
    return Sku(refs.resolve("sku", code))


def milli_of(product: Product, subject: str) -> int:
    """Return the quantity in thousandths; raises `bad_quantity`."""
    milli = product.quantity * 1000
    if not milli.is_finite() or milli <= 0 or milli != int(milli):
        detail = f"quantity {product.quantity} is not above 0 with 3 decimals at most"
        raise RejectedError("bad_quantity", detail, subject)
    return int(milli)


def _price(product: Product, told: Properties) -> Decimal:
    milli_of(product, told.order_id)
    if product.price is None:
        detail = f"product '{product.sku or product.product_id}' has no price"
        raise RejectedError("price_missing", detail, told.order_id)
    return product.price


def _dealt(tax_minor: int, nets: list[int]) -> list[int]:
    """Deal tax to lines by their share; the last one takes what is left."""
    whole = sum(nets)
    if not whole:
        return [0] * len(nets)
    shares = [tax_minor * net // whole for net in nets]
    shares[-1] += tax_minor - sum(shares)
    return shares


def _payment(told: Properties, config: AppConfig) -> PaymentState:
    """Return how far payment is: as told, or by the method; a completed order is paid."""
    if status := told.payment_status.casefold():
        if status not in PAYMENTS:
            known = ", ".join(PAYMENTS)
            detail = f"payment_status '{status[:20]}' is none of {known}"
            raise RejectedError("bad_payment_status", detail, told.order_id)
        return PAYMENTS[status]
    is_later = told.payment_method.casefold() in config.paid_later
    return PaymentState.ON_COLLECTION if is_later else PaymentState.PAID


def _cancel(entity: SourceEntity, told: Properties, meta: EventMeta) -> CancelOrder:
    return CancelOrder(
        meta=meta,
        order_id=order_id_of(entity.tenant, entity.instance, told.order_id),
        reason="cancelled_by_buyer",
        requested_by=entity.instance,
    )


def _converted(entity: SourceEntity, told: Properties, occurred_at_us: int) -> State:
    converted = CartConverted(
        meta=event_meta(entity, "converted", occurred_at_us, version=entity.version),
        cart_id=cart_id_of(entity.tenant, entity.instance, told.cart_id),
        order_id=order_id_of(entity.tenant, entity.instance, told.order_id),
    )
    return State("conversion", entity.version, (converted,))
