"""Who hears of an order: its source, its buyer, and the books that keep it.

Guarantees: each step of an order is told once to each that asked for it; an order becomes a sale in
a book or a part of its day's total, never both, and never in the book it came from; ids follow from
the order and the reason alone, so a replay tells the same. Nothing personal is in `values`.
Does not: take a sale back from a book when its order is cancelled (a person does); know the past of
a fulfilment beyond its `cause_id`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, tzinfo
from decimal import Decimal

from omnihub.model.ids import ChannelId, InstanceId, LocationId, MessageId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    DayTotalAdded,
    EventMeta,
    Fulfilment,
    FulfilmentStatus,
    LineStatus,
    MessageDesired,
    Order,
    OrderLineState,
    OrderStatus,
    OrderStatusDesired,
    SaleDesired,
    SaleLine,
)
from omnihub.model.time import from_us
from omnihub.rules.routing import OUTBOUND_INBOX
from omnihub.rules.rule import Out

_EPOCH = date(1970, 1, 1)
_CONFIRMED = {
    OrderStatus.CONFIRMED,
    OrderStatus.IN_FULFILMENT,
    OrderStatus.PARTIALLY_FULFILLED,
    OrderStatus.FULFILLED,
    OrderStatus.COMPLETED,
}
_CLOSED_BY_US = {
    OrderStatus.REFUSED: "order_refused",
    OrderStatus.CANCELLED: "order_cancelled",
}
_ON_THE_WAY = {
    FulfilmentStatus.READY_FOR_PICKUP: "ready_for_pickup",
    FulfilmentStatus.SHIPPED: "order_shipped",
}
_PROGRESS = {status: step for step, status in enumerate(FulfilmentStatus)}


@dataclass(frozen=True, slots=True)
class SaleRoute:
    """A book that holds orders as sales of its own when all their goods leave from its places."""

    instance: InstanceId
    locations: frozenset[LocationId]


@dataclass(frozen=True, slots=True)
class TotalRoute:
    """A book that learns of the other orders of some channels as totals a day."""

    instance: InstanceId
    channels: frozenset[ChannelId]


@dataclass(frozen=True, slots=True)
class OrderRoutes:
    """Who hears of orders. `zones` says in which zone a channel's business day ends; UTC else."""

    status: frozenset[InstanceId] = frozenset()
    messages: tuple[InstanceId, ...] = ()
    sales: tuple[SaleRoute, ...] = ()
    totals: tuple[TotalRoute, ...] = ()
    zones: Mapping[ChannelId, tzinfo] = field(default_factory=dict)


def tell_order(
    old: Order | None,
    new: Order,
    fulfilments: tuple[Fulfilment, ...],
    cause: EventMeta,
    routes: OrderRoutes,
    out: Out,
) -> None:
    """Tell everybody about one published change of an order.

    `fulfilments` are all the order has now; those with the `cause_id` of `cause` have just changed.
    """
    for desired in (
        *_status(new, fulfilments, cause, routes),
        *_messages(old, new, fulfilments, cause, routes),
        *_books(old, new, cause, routes),
    ):
        out.emit(OUTBOUND_INBOX, desired)


def _status(
    order: Order, fulfilments: tuple[Fulfilment, ...], cause: EventMeta, routes: OrderRoutes
) -> Iterator[Record]:
    # What waits is as its source told it: there is nothing to show there yet.
    if order.source not in routes.status or order.status is OrderStatus.PENDING:
        return
    yield OrderStatusDesired(
        tenant=order.tenant,
        instance=InstanceId(order.source),
        target=order.order_id,
        cause_id=cause.event_id,
        accepted_at_us=cause.accepted_at_us,
        order_id=order.order_id,
        number=order.number,
        status=order.status,
        fulfilment_status=_least_advanced(fulfilments),
        seq=order.seq,
    )


def _least_advanced(fulfilments: tuple[Fulfilment, ...]) -> FulfilmentStatus:
    """Return how far all the goods are: as far as the last of what is not cancelled."""
    live = [each for each in fulfilments if each.status is not FulfilmentStatus.CANCELLED]
    statuses = (each.status for each in live or fulfilments)
    return min(statuses, key=_PROGRESS.__getitem__, default=FulfilmentStatus.UNKNOWN)


def _messages(
    old: Order | None,
    new: Order,
    fulfilments: tuple[Fulfilment, ...],
    cause: EventMeta,
    routes: OrderRoutes,
) -> Iterator[Record]:
    for instance in routes.messages:
        if _is_confirmed_now(old, new):
            yield from _message(instance, "order_confirmed", new, cause)
        template = _CLOSED_BY_US.get(new.status)
        if template and (old is None or old.status is not new.status):
            yield from _message(instance, template, new, cause)
        for each in fulfilments:
            template = _ON_THE_WAY.get(each.status)
            if template and each.cause_id == cause.event_id:
                yield from _message(instance, template, new, cause, each)


def _message(
    instance: InstanceId,
    template: str,
    order: Order,
    cause: EventMeta,
    fulfilment: Fulfilment | None = None,
) -> Iterator[Record]:
    if order.contact is None or order.contact.email is None:
        return
    about = fulfilment.fulfilment_id if fulfilment else order.order_id
    yield MessageDesired(
        tenant=order.tenant,
        instance=instance,
        target=order.order_id,
        cause_id=cause.event_id,
        accepted_at_us=cause.accepted_at_us,
        message_id=MessageId(derive_id(f"{order.tenant}:{instance}:{about}", template)),
        template=template,
        contact=order.contact,
        order_id=order.order_id,
        values=_values(order, fulfilment),
        origin=cause.origin,
    )


def _values(order: Order, fulfilment: Fulfilment | None) -> dict[str, str]:
    """Return what a template may fill in; amounts stay minor units, the edge writes them out."""
    held = {line.line_id for line in fulfilment.lines} if fulfilment else None
    lines = [line for line in order.lines if held is None or line.line_id in held]
    values = {
        "number": order.number,
        "channel": order.channel,
        "currency": order.currency,
        "total_minor": str(order.total_minor),
        "lines": "\n".join(_in_words(line) for line in lines),
    }
    if order.reason:
        values["reason"] = order.reason
    if fulfilment:
        values["location"] = fulfilment.location
        if fulfilment.tracking_number:
            values["tracking_number"] = fulfilment.tracking_number
    return values


def _in_words(line: OrderLineState) -> str:
    quantity = Decimal(line.quantity_milli).scaleb(-3).normalize()
    return f"{quantity:f} x {line.title or line.sku}"


def _books(
    old: Order | None, new: Order, cause: EventMeta, routes: OrderRoutes
) -> Iterator[Record]:
    if _is_confirmed_now(old, new):
        sales = _sales_routes(new, routes)
        yield from (_sale(each, new, cause) for each in sales if each.instance != new.source)
        yield from _totals(new, 1, cause, routes)
    elif old and _is_confirmed(old) and new.status in _CLOSED_BY_US:
        # Released lines may have lost their places: what was added is what is taken back.
        yield from _totals(old, -1, cause, routes)


def _sales_routes(order: Order, routes: OrderRoutes) -> list[SaleRoute]:
    places = {line.location for line in order.lines}
    return [each for each in routes.sales if places and places <= each.locations]


def _sale(route: SaleRoute, order: Order, cause: EventMeta) -> SaleDesired:
    return SaleDesired(
        tenant=order.tenant,
        instance=route.instance,
        target=order.order_id,
        cause_id=cause.event_id,
        accepted_at_us=cause.accepted_at_us,
        order_id=order.order_id,
        number=order.number,
        channel=order.channel,
        location=LocationId(str(order.lines[0].location)),
        currency=order.currency,
        lines=tuple(
            SaleLine(
                line_id=line.line_id,
                sku=line.sku,
                quantity_milli=line.quantity_milli,
                unit_price=line.unit_price,
                total_minor=line.total_minor,
                location=line.location,
            )
            for line in order.lines
        ),
        shipping_minor=order.shipping_minor,
        total_minor=order.total_minor,
        contact=order.contact,
        placed_at_us=order.placed_at_us,
    )


def _totals(
    order: Order, direction: int, cause: EventMeta, routes: OrderRoutes
) -> Iterator[DayTotalAdded]:
    booked = {each.instance for each in _sales_routes(order, routes)} | {order.source}
    zone = routes.zones.get(order.channel, UTC)
    day = (from_us(order.placed_at_us).astimezone(zone).date() - _EPOCH).days
    for route in routes.totals:
        if order.channel in route.channels and route.instance not in booked:
            yield _total(route, order, direction, day, cause)


def _total(
    route: TotalRoute, order: Order, direction: int, day: int, cause: EventMeta
) -> DayTotalAdded:
    return DayTotalAdded(
        tenant=order.tenant,
        instance=route.instance,
        target=f"{order.channel}:{day}:{order.currency}",
        cause_id=cause.event_id,
        accepted_at_us=cause.accepted_at_us,
        order_id=order.order_id,
        channel=order.channel,
        day=day,
        currency=order.currency,
        orders=direction,
        total_minor=direction * order.total_minor,
    )


def _is_confirmed_now(old: Order | None, new: Order) -> bool:
    return _is_confirmed(new) and not (old and _is_confirmed(old))


def _is_confirmed(order: Order) -> bool:
    """An order on hold counts by its goods: committed ones were confirmed before."""
    if order.status is OrderStatus.ON_HOLD:
        kept = (LineStatus.COMMITTED, LineStatus.CONSUMED)
        return bool(order.lines) and all(line.status in kept for line in order.lines)
    return order.status in _CONFIRMED
