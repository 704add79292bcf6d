"""Reservations: goods kept for an order, from a hold with a deadline to the sale.

Guarantees: goods are granted only while the location and the channel can spare them, so no unit is
promised twice; what a level counts as held and committed is the sum of the reservations behind it;
a request told again is answered again and changes nothing. A commit against an expiry is settled
by their order in the log.
Does not: book movements (see `stock`), or know what an order waits for.

    asked ──▶ HELD ──▶ COMMITTED ──▶ CONSUMED      HELD ──▶ EXPIRED; HELD, COMMITTED ──▶ RELEASED
      └─────▶ REFUSED ◀── or COMMITTED, by a late commit ◀── EXPIRED, RELEASED
"""

from collections.abc import Iterable

from omnihub.model.errors import RejectedError
from omnihub.model.ids import LocationId, MovementId, derive_id
from omnihub.model.records import (
    CommitReservation,
    ConsumeReservation,
    EventMeta,
    ExtendReservation,
    MovementKind,
    ReleaseReservation,
    Reservation,
    ReservationStatus,
    ReserveStock,
    StockLevel,
    StockMoved,
    TimerDue,
)
from omnihub.rules.channels import channel_ats_milli
from omnihub.rules.ledger import Place
from omnihub.rules.levels import NOTHING, STOCK_RULE, set_level
from omnihub.rules.meta import caused_by
from omnihub.rules.policy import StockPolicy
from omnihub.rules.promises import (
    ACTIVE,
    add_to_order,
    answer,
    difference,
    forget,
    has_settled,
    meta_of,
    step,
    undecided,
    write,
)
from omnihub.rules.rule import Out, Rows

HELD, COMMITTED = ReservationStatus.HELD, ReservationStatus.COMMITTED
REFUSED, CONSUMED = ReservationStatus.REFUSED, ReservationStatus.CONSUMED
RELEASED, EXPIRED = ReservationStatus.RELEASED, ReservationStatus.EXPIRED
NOT_ENOUGH_STOCK, UNKNOWN_CHANNEL = "not_enough_stock", "unknown_channel"

Request = (
    ReserveStock | ExtendReservation | CommitReservation | ReleaseReservation | ConsumeReservation
)


class Reservations:
    """What becomes of each request, under one policy."""

    def __init__(self, policy: StockPolicy) -> None:
        self._policy = policy

    def reserve(self, request: ReserveStock, rows: Rows, out: Out) -> None:
        """Hold the goods at the first candidate that can spare them, or refuse."""
        _check_quantity(request)
        if (known := _find(request, rows)) is not None:
            answer(known, request.meta, out)
            return
        asked, cause = undecided(request), request.meta
        channel = self._policy.channel_named.get(request.channel)
        candidates = request.locations or sorted(channel.locations if channel else ())
        location = self._first_with(asked, candidates, rows)
        if location is not None:
            add_to_order(asked, rows)
            until_us = request.expires_at_us
            new = step(asked, cause, HELD, location=location, expires_at_us=until_us)
        else:
            reason = NOT_ENOUGH_STOCK if channel else UNKNOWN_CHANNEL
            new = step(asked, cause, REFUSED, reason=reason)
        self._change(asked, new, cause, rows, out)

    def extend(self, request: ExtendReservation, rows: Rows, out: Out) -> None:
        """Move the deadline of a hold; it never moves back."""
        known, cause = _known(request, rows), request.meta
        if known.status is not HELD:
            raise _illegal(request, known)
        if request.expires_at_us <= (known.expires_at_us or 0):
            answer(known, cause, out)
        else:
            new = step(known, cause, HELD, expires_at_us=request.expires_at_us)
            self._change(known, new, cause, rows, out)

    def commit(self, request: CommitReservation, rows: Rows, out: Out) -> None:
        """Make a hold a promise; one that is gone is granted anew at its place, or refused."""
        known, cause = _known(request, rows), request.meta
        if known.status is HELD or (
            known.status in (RELEASED, EXPIRED) and self._is_there(known, rows)
        ):
            self._change(known, step(known, cause, COMMITTED), cause, rows, out)
        elif known.status in (RELEASED, EXPIRED):
            new = step(known, cause, REFUSED, reason=NOT_ENOUGH_STOCK)
            self._change(known, new, cause, rows, out)
        else:
            answer(known, cause, out)

    def release(self, request: ReleaseReservation, rows: Rows, out: Out) -> None:
        """Give free what is still held or promised; else tell what it came to."""
        known, cause = _known(request, rows), request.meta
        if known.status in ACTIVE:
            new = step(known, cause, RELEASED, reason=request.reason)
            self._change(known, new, cause, rows, out)
        else:
            answer(known, cause, out)

    def sale(self, request: ConsumeReservation, rows: Rows, out: Out) -> StockMoved | None:
        """Return the movement a request to consume stands for; None if it is already booked."""
        _check_quantity(request)
        known = _known(request, rows)
        sale = _sale(known, request)
        if known.status is CONSUMED or has_settled(sale, rows):
            answer(known, request.meta, out)
            return None
        if known.status is not COMMITTED:
            raise _illegal(request, known)
        return sale

    def expire(self, due: TimerDue, rows: Rows, out: Out) -> None:
        """Give free what is still only held when its time is up."""
        known = rows.get(Reservation, due.timer_id)
        if known is None or known.status is not HELD or known.expires_at_us != due.due_at_us:
            return
        cause = meta_of(due, known)
        self._change(known, step(known, cause, EXPIRED), cause, rows, out)

    def forget(self, due: TimerDue, rows: Rows) -> None:
        """Drop a reservation that is closed for so long that nobody can ask for it."""
        known = rows.get(Reservation, due.timer_id)
        if known is not None and known.status not in ACTIVE:
            forget(known, rows)

    def _is_there(self, gone: Reservation, rows: Rows) -> bool:
        """Tell whether what was given free could be granted again at the same place."""
        candidates = () if gone.location is None else (gone.location,)
        return self._first_with(gone, candidates, rows) is not None

    def _first_with(
        self, wanted: Reservation, candidates: Iterable[LocationId], rows: Rows
    ) -> LocationId | None:
        """Return the first place of the channel that can spare the goods, if the channel can."""
        channel, need_milli = self._policy.channel_named.get(wanted.channel), wanted.quantity_milli
        if channel is None:
            return None
        if channel_ats_milli(wanted.tenant, wanted.sku, channel.name, rows) < need_milli:
            return None
        for location in candidates:
            level = rows.get(StockLevel, Place(wanted.tenant, wanted.sku, location).key)
            if level and level.ats_milli >= need_milli and location in channel.locations:
                return location
        return None

    def _change(
        self, old: Reservation, new: Reservation, cause: EventMeta, rows: Rows, out: Out
    ) -> None:
        """Write a snapshot and bring the level of its place along."""
        write(new, cause, rows, out)
        promised = difference(old, new)
        if new.location is not None and promised != NOTHING:
            place = Place(new.tenant, new.sku, new.location)
            set_level(place, cause, self._policy, rows, out, promised=promised)


def _check_quantity(request: ReserveStock | ConsumeReservation) -> None:
    if request.quantity_milli <= 0:
        detail = f"quantity_milli is {request.quantity_milli}: it must be above zero"
        raise RejectedError("bad_quantity", detail, request.reservation_id)


def _find(request: Request, rows: Rows) -> Reservation | None:
    key = f"{request.meta.tenant}:{request.sku}:{request.reservation_id}"
    known = rows.get(Reservation, key)
    if known is not None and known.order_id != request.order_id:
        detail = f"the reservation belongs to order {known.order_id}, not {request.order_id}"
        raise RejectedError("other_order", detail, request.reservation_id)
    return known


def _known(request: Request, rows: Rows) -> Reservation:
    known = _find(request, rows)
    if known is None:
        detail = "it was never asked for, or closed long ago"
        raise RejectedError("unknown_reservation", detail, request.reservation_id)
    return known


def _illegal(request: Request, known: Reservation) -> RejectedError:
    detail = f"{type(request).__name__} of a reservation that is {known.status.value}"
    return RejectedError("illegal_transition", detail, request.reservation_id)


def _sale(known: Reservation, request: ConsumeReservation) -> StockMoved:
    """Return the goods issue: what is still promised at most, for a till told of the rest.

    The same request always stands for the same movement.
    """
    cause = f"{known.tenant}:{known.reservation_id}"
    return StockMoved(
        meta=caused_by(request.meta, STOCK_RULE, f"sale:{known.reservation_id}"),
        movement_id=MovementId(derive_id(cause, f"consumed:{request.meta.event_id}")),
        sku=known.sku,
        kind=MovementKind.SALE,
        from_location=known.location,
        quantity_milli=min(request.quantity_milli, known.quantity_milli),
        order_id=known.order_id,
    )
