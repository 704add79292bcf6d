"""The lines of an order and what is asked of stock for them.

Guarantees: every request follows from its cause, so a replay asks the same; a line is asked for at
the places its buyer or its channel may take it from, and nowhere else. Does not: know what stock
answers (see `orders`), or look for one place that has all lines.
"""

from collections.abc import Iterable

import msgspec

from omnihub.model.ids import LocationId, OrderId, ReservationId, TenantId, derive_id
from omnihub.model.records import (
    CommitReservation,
    ConsumeReservation,
    EventMeta,
    FulfilmentType,
    LineStatus,
    Order,
    OrderLine,
    OrderLineState,
    OrderPlaced,
    ReleaseReservation,
    ReservationChanged,
    ReserveStock,
)
from omnihub.rules.meta import caused_by
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.rule import Out

STOCK_INBOX = "omni.stock.inbox.v1"
ORDER_RULE = "order"
HANDED_OVER = frozenset({FulfilmentType.PICKUP, FulfilmentType.CARRY_OUT})
"""The buyer takes the goods at a place."""
OVER = frozenset({LineStatus.REFUSED, LineStatus.CONSUMED, LineStatus.RELEASED})
"""Nothing is bound for the line any more."""
BOUND = frozenset({LineStatus.HELD, LineStatus.COMMITTED, LineStatus.CONSUMED})
PROMISED = frozenset({LineStatus.COMMITTED, LineStatus.CONSUMED})


def opening_lines(placed: OrderPlaced) -> tuple[OrderLineState, ...]:
    """Return the lines of a new order, each with the reservation that will stand for it."""
    return tuple(
        OrderLineState(
            line_id=line.line_id,
            sku=line.sku,
            title=line.title,
            quantity_milli=line.quantity_milli,
            unit_price=line.unit_price,
            total_minor=line.total_minor,
            fulfilment=line.fulfilment,
            location=line.location,
            reservation_id=reservation_id(placed.meta.tenant, placed.order_id, line),
            status=LineStatus.WAITING,
        )
        for line in placed.lines
    )


def reservation_id(
    tenant: TenantId, order_id: OrderId, line: OrderLine | OrderLineState, again: str = ""
) -> ReservationId:
    """Return the reservation of a line; `again` tells a second attempt from the first."""
    return ReservationId(derive_id(f"{tenant}:{order_id}:{line.line_id}{again}", "reservation"))


def fault_of(placed: OrderPlaced, policy: OrderPolicy) -> str | None:
    """Return why an order cannot be taken at all, as a reason code; None when it can."""
    if not placed.lines:
        return "no_lines"
    if len({line.line_id for line in placed.lines}) < len(placed.lines):
        return "double_line"
    if any(line.quantity_milli <= 0 for line in placed.lines):
        return "bad_quantity"
    handed_over = [line for line in placed.lines if line.fulfilment in HANDED_OVER]
    if any(line.location is None for line in handed_over):
        return "no_location"
    if any(not policy.hands_over(line.location) for line in handed_over if line.location):
        return "no_pickup_there"
    return None


def same_goods(told: Iterable[OrderLine], known: Iterable[OrderLine]) -> bool:
    """Tell whether two versions of an order want the same goods in the same way."""
    return sorted(map(_goods, told)) == sorted(map(_goods, known))


def _goods(line: OrderLine) -> tuple[str, str, int, str, str]:
    at = str(line.location or "")
    return (line.line_id, line.sku, line.quantity_milli, line.fulfilment.value, at)


def with_line(order: Order, line: OrderLineState) -> Order:
    """Return the order with one line in its new state."""
    lines = tuple(line if each.line_id == line.line_id else each for each in order.lines)
    return msgspec.structs.replace(order, lines=lines)


class StockDesk:
    """Asks stock for the lines of one order, because of one cause."""

    def __init__(self, order: Order, cause: EventMeta, out: Out) -> None:
        self._order = order
        self._cause = cause
        self._out = out

    def reserve(
        self,
        line: OrderLineState,
        chosen: LocationId | None,
        expires_at_us: int,
        policy: OrderPolicy,
    ) -> None:
        """Ask for goods at the place the buyer chose, or where the channel takes them from."""
        locations = (chosen,) if chosen else policy.sources.get(self._order.channel, ())
        request = ReserveStock(
            meta=self._meta("reserve", line),
            reservation_id=line.reservation_id,
            order_id=self._order.order_id,
            line_id=line.line_id,
            sku=line.sku,
            channel=self._order.channel,
            locations=locations,
            quantity_milli=line.quantity_milli,
            expires_at_us=expires_at_us,
        )
        self._out.emit(STOCK_INBOX, request)

    def commit(self, line: OrderLineState) -> None:
        """Ask for the last word: the hold becomes a promise."""
        request = CommitReservation(
            meta=self._meta("commit", line),
            reservation_id=line.reservation_id,
            order_id=self._order.order_id,
            sku=line.sku,
        )
        self._out.emit(STOCK_INBOX, request)

    def consume(self, line: OrderLineState) -> None:
        """Tell that the goods left: stock books the sale."""
        request = ConsumeReservation(
            meta=self._meta("consume", line),
            reservation_id=line.reservation_id,
            order_id=self._order.order_id,
            sku=line.sku,
            quantity_milli=line.quantity_milli,
        )
        self._out.emit(STOCK_INBOX, request)

    def release(self, line: OrderLineState, reason: str) -> None:
        """Give the goods free, whatever stock has or will have for the line."""
        request = ReleaseReservation(
            meta=self._meta("release", line),
            reservation_id=line.reservation_id,
            order_id=self._order.order_id,
            sku=line.sku,
            reason=reason,
        )
        self._out.emit(STOCK_INBOX, request)

    def give_back(self, late: ReservationChanged) -> None:
        """Give free what was held too late, under an id nobody waits for."""
        request = ReleaseReservation(
            meta=caused_by(self._cause, ORDER_RULE, f"give back:{late.reservation_id}"),
            reservation_id=late.reservation_id,
            order_id=late.order_id,
            sku=late.sku,
            reason="too_late",
        )
        self._out.emit(STOCK_INBOX, request)

    def _meta(self, role: str, line: OrderLineState) -> EventMeta:
        return caused_by(self._cause, ORDER_RULE, f"{role}:{line.reservation_id}")
