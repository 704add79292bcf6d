"""The rows behind reservations: snapshots, what they bind, and which of them an order has.

Guarantees: every snapshot is kept, published, told as an event and replied to the order at once,
and its deadline armed; a movement settles against its order's reservations once, however often it
is told. Does not: decide what is granted (see `reservations`), or change levels.
"""

from collections.abc import Iterable, Sequence

import msgspec

from omnihub.model.ids import EventId, InstanceId, LocationId, ReservationId, derive_id
from omnihub.model.records import (
    EventMeta,
    MovementKind,
    OrderReservations,
    Reservation,
    ReservationChanged,
    ReservationStatus,
    ReserveStock,
    StockMoved,
    TimerDue,
)
from omnihub.model.time import DAY_US
from omnihub.rules.levels import NOTHING, STOCK_EVENTS, STOCK_RULE, Promised
from omnihub.rules.meta import caused_by
from omnihub.rules.rule import Out, Rows

RESERVATION_TOPIC = "omni.reservation.state.v1"
ORDER_INBOX = "omni.order.inbox.v1"
HOLD = "hold"
CLOSED = "reservation-closed"
FORGET_AFTER_US = 8 * DAY_US
"""Longer than the inbox keeps a request: nobody can ask for the reservation any more."""
ACTIVE = (ReservationStatus.COMMITTED, ReservationStatus.HELD)
"""What binds goods; a departure consumes it in this order."""


def promised_by(reservation: Reservation) -> Promised:
    """Return what one reservation adds to the level of its place."""
    match reservation.status:
        case ReservationStatus.HELD:
            return Promised(held_milli=reservation.quantity_milli)
        case ReservationStatus.COMMITTED:
            return Promised(committed_milli=reservation.quantity_milli)
    return NOTHING


def difference(old: Reservation, new: Reservation) -> Promised:
    """Return what a step from `old` to `new` adds to the level of its place."""
    before, after = promised_by(old), promised_by(new)
    return Promised(
        after.held_milli - before.held_milli, after.committed_milli - before.committed_milli
    )


def undecided(request: ReserveStock) -> Reservation:
    """Return a reservation before its first step; it is never written."""
    return Reservation(
        tenant=request.meta.tenant,
        reservation_id=request.reservation_id,
        order_id=request.order_id,
        line_id=request.line_id,
        sku=request.sku,
        channel=request.channel,
        quantity_milli=request.quantity_milli,
        status=ReservationStatus.UNKNOWN,
        seq=0,
        cause_id=request.meta.event_id,
        occurred_at_us=request.meta.occurred_at_us,
        accepted_at_us=request.meta.accepted_at_us,
    )


def step(
    old: Reservation,
    cause: EventMeta,
    status: ReservationStatus,
    *,
    reason: str | None = None,
    location: LocationId | None = None,
    expires_at_us: int | None = None,
    quantity_milli: int | None = None,
) -> Reservation:
    """Return the next snapshot; place and quantity stay unless told, reason and deadline do not."""
    return msgspec.structs.replace(
        old,
        status=status,
        reason=reason,
        location=location or old.location,
        expires_at_us=expires_at_us,
        quantity_milli=quantity_milli or old.quantity_milli,
        seq=old.seq + 1,
        cause_id=cause.event_id,
        occurred_at_us=cause.occurred_at_us,
        accepted_at_us=cause.accepted_at_us,
    )


def write(new: Reservation, cause: EventMeta, rows: Rows, out: Out) -> None:
    """Keep and publish a snapshot, answer the order, and see to the next deadline."""
    key, partition_key = row_key(new), f"{new.tenant}:{new.sku}"
    rows.put(key, new)
    out.emit(RESERVATION_TOPIC, new)
    out.emit(STOCK_EVENTS, _told(new, cause))
    answer(new, cause, out)
    if new.status is ReservationStatus.HELD and new.expires_at_us is not None:
        out.arm(HOLD, partition_key, key, new.expires_at_us)
    else:
        out.disarm(HOLD, key)
    if new.status in ACTIVE:
        out.disarm(CLOSED, key)
    else:
        out.arm(CLOSED, partition_key, key, out.accepted_at_us + FORGET_AFTER_US)


def answer(reservation: Reservation, cause: EventMeta, out: Out) -> None:
    """Reply to the order where its reservation stands."""
    out.emit(ORDER_INBOX, _told(reservation, cause))


def row_key(reservation: Reservation) -> str:
    """Return the key of a reservation's row, which is also its timers' id."""
    return f"{reservation.tenant}:{reservation.sku}:{reservation.reservation_id}"


def meta_of(due: TimerDue, known: Reservation) -> EventMeta:
    """Return the meta of what time alone does to a reservation."""
    return EventMeta(
        tenant=known.tenant,
        event_id=EventId(derive_id(f"{due.timer_id}:{due.due_at_us}", due.name)),
        cause_id=known.cause_id,
        source=InstanceId(STOCK_RULE),
        entity=known.reservation_id,
        occurred_at_us=due.due_at_us,
        accepted_at_us=due.fired_at_us,
    )


def add_to_order(reservation: Reservation, rows: Rows) -> None:
    """Let goods that leave with the order's id find this reservation."""
    key = _order_key(reservation)
    order = rows.get(OrderReservations, key) or OrderReservations(reservation_ids=())
    ids = (*order.reservation_ids, reservation.reservation_id)
    rows.put(key, msgspec.structs.replace(order, reservation_ids=ids))


def forget(reservation: Reservation, rows: Rows) -> None:
    """Drop the row of a closed reservation; the state topic keeps its end."""
    rows.delete(Reservation, row_key(reservation))
    key = _order_key(reservation)
    order = rows.get(OrderReservations, key)
    if order is None:
        return
    ids = tuple(each for each in order.reservation_ids if each != reservation.reservation_id)
    if ids:
        rows.put(key, msgspec.structs.replace(order, reservation_ids=ids))
    else:
        rows.delete(OrderReservations, key)


def has_settled(sale: StockMoved, rows: Rows) -> bool:
    """Tell whether a movement was already settled against its order's reservations."""
    order = rows.get(OrderReservations, _movement_key(sale))
    return order is not None and sale.movement_id in order.movement_ids


def settle(sale: StockMoved, rows: Rows, out: Out, only: ReservationId | None = None) -> Promised:
    """Consume what its order was promised of goods that left; return the difference.

    The caller changes the level, so that goods and promise leave it together.
    """
    order = rows.get(OrderReservations, _movement_key(sale))
    if order is None or sale.kind is not MovementKind.SALE or sale.to_location is not None:
        return NOTHING
    settled = (*order.movement_ids, sale.movement_id)
    rows.put(_movement_key(sale), msgspec.structs.replace(order, movement_ids=settled))
    left_milli, held_milli, committed_milli = sale.quantity_milli, 0, 0
    for known in _binding(sale, order.reservation_ids if only is None else (only,), rows):
        took_milli = min(left_milli, known.quantity_milli)
        if took_milli:
            new = _consumed(known, took_milli, sale.meta)
            write(new, sale.meta, rows, out)
            left_milli -= took_milli
            held_milli += difference(known, new).held_milli
            committed_milli += difference(known, new).committed_milli
    return Promised(held_milli, committed_milli)


def _binding(
    sale: StockMoved, reservation_ids: Iterable[ReservationId], rows: Rows
) -> Sequence[Reservation]:
    """Return what binds goods at the place of the sale: promises first, then holds."""
    keys = (f"{sale.meta.tenant}:{sale.sku}:{each}" for each in reservation_ids)
    known = (row for key in keys if (row := rows.get(Reservation, key)) is not None)
    here = [row for row in known if row.status in ACTIVE and row.location == sale.from_location]
    return sorted(here, key=lambda row: ACTIVE.index(row.status))


def _consumed(known: Reservation, took_milli: int, cause: EventMeta) -> Reservation:
    """Return a reservation after goods left: the rest stays held or promised as it was."""
    rest_milli = known.quantity_milli - took_milli
    if rest_milli == 0:
        return step(known, cause, ReservationStatus.CONSUMED)
    return step(
        known,
        cause,
        known.status,
        expires_at_us=known.expires_at_us,
        quantity_milli=rest_milli,
    )


def _told(reservation: Reservation, cause: EventMeta) -> ReservationChanged:
    role = f"reservation:{reservation.reservation_id}:{reservation.seq}"
    return ReservationChanged(
        meta=caused_by(cause, STOCK_RULE, role),
        reservation_id=reservation.reservation_id,
        order_id=reservation.order_id,
        line_id=reservation.line_id,
        sku=reservation.sku,
        channel=reservation.channel,
        location=reservation.location,
        quantity_milli=reservation.quantity_milli,
        status=reservation.status,
        reason=reservation.reason,
        expires_at_us=reservation.expires_at_us,
    )


def _order_key(reservation: Reservation) -> str:
    return f"{reservation.tenant}:{reservation.sku}:{reservation.order_id}"


def _movement_key(sale: StockMoved) -> str:
    return f"{sale.meta.tenant}:{sale.sku}:{sale.order_id}"
