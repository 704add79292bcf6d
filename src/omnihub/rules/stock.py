"""The stock rule: counts, movements, safety and promises become levels, per location and channel.

Guarantees: conservation (on hand = newest count + movements after it); the result does not depend
on the order or repetition of its input; available to sell is never negative; a sale in a shop is a
fact and is never refused, a shortage is told instead; goods that leave with an order's id take the
order's promise along, in one change of the level.
Does not: decide what is granted (see `reservations`), or talk to any system (see `routing`).
"""

from typing import ClassVar

import msgspec

from omnihub.model.errors import RejectedError
from omnihub.model.ids import ReservationId
from omnihub.model.record import Record
from omnihub.model.records import (
    CommitReservation,
    ConsumeReservation,
    ExtendReservation,
    ReleaseReservation,
    ReserveStock,
    SafetyStockSet,
    StockBase,
    StockCounted,
    StockDayMovement,
    StockLevel,
    StockMoved,
    TimerDue,
)
from omnihub.model.time import clamp_occurred
from omnihub.rules.ledger import (
    EMPTY_BASE,
    Place,
    add_movement,
    is_newer_count,
    knows_movement,
    set_count,
)
from omnihub.rules.levels import NOTHING, STOCK_EVENTS, STOCK_RULE, set_level
from omnihub.rules.policy import StockPolicy
from omnihub.rules.promises import CLOSED, HOLD, has_settled, settle
from omnihub.rules.reservations import Reservations
from omnihub.rules.routing import tell_movement
from omnihub.rules.rule import Out, Rows, Rule, on, on_timer


class StockRule(Rule):
    """One writer per SKU: it sees all locations, so no promise is made twice."""

    name: ClassVar[str] = STOCK_RULE
    inbox: ClassVar[str] = "omni.stock.inbox.v1"
    events: ClassVar[str] = STOCK_EVENTS

    def __init__(self, policy: StockPolicy) -> None:
        self.policy = policy
        self.reservations = Reservations(policy)

    def park_key(self, record: Record) -> str:
        """Stock waits per SKU and location; a movement waits where it takes goods from.

        What is asked of reservations, and their deadlines, wait per SKU.
        """
        if isinstance(record, TimerDue):
            return f"{record.key.partition(':')[2]}:"
        location = getattr(record, "location", None) or getattr(record, "from_location", None)
        location = location or getattr(record, "to_location", None)
        return f"{getattr(record, 'sku', '')}:{location or ''}"

    @on(StockMoved)
    def on_movement(self, event: StockMoved, rows: Rows, out: Out) -> None:
        """Apply a movement to the locations it leaves and enters."""
        self._book(event, rows, out)

    @on(StockCounted)
    def on_count(self, event: StockCounted, rows: Rows, out: Out) -> None:
        """Take a count as the new base; movements after it apply on top."""
        if event.quantity_milli < 0:
            raise RejectedError("negative_quantity", "a count cannot be below zero", event.sku)
        place = Place(event.meta.tenant, event.sku, event.location)
        # A clock far ahead would hide every sale until its time has come.
        as_of_us = clamp_occurred(event.as_of_us, event.meta.accepted_at_us)
        if not is_newer_count(place, as_of_us, event.count_id, rows):
            base = rows.get(StockBase, place.key) or EMPTY_BASE
            if base.count_id == event.count_id:
                return
            raise RejectedError("stale_count", "a newer count is known", event.sku)
        out.emit(self.events, event)
        on_hand_milli = set_count(place, event.quantity_milli, as_of_us, event.count_id, rows)
        set_level(place, event.meta, self.policy, rows, out, on_hand_milli=on_hand_milli)

    @on(SafetyStockSet)
    def on_safety(self, event: SafetyStockSet, rows: Rows, out: Out) -> None:
        """Keep back stock at one location; the newest business time wins."""
        if event.safety_milli < 0:
            raise RejectedError("negative_quantity", "safety stock cannot be below zero", event.sku)
        place = Place(event.meta.tenant, event.sku, event.location)
        base = rows.get(StockBase, place.key) or EMPTY_BASE
        level = rows.get(StockLevel, place.key)
        now = (event.meta.occurred_at_us, event.safety_milli)
        if now <= (base.safety_set_at_us, level.safety_milli if level else 0):
            return
        out.emit(self.events, event)
        rows.put(place.key, msgspec.structs.replace(base, safety_set_at_us=now[0]))
        safety_milli = event.safety_milli
        set_level(place, event.meta, self.policy, rows, out, safety_milli=safety_milli)

    @on(ReserveStock)
    def on_reserve(self, request: ReserveStock, rows: Rows, out: Out) -> None:
        """Hold goods for an order, or refuse."""
        self.reservations.reserve(request, rows, out)

    @on(ExtendReservation)
    def on_extend(self, request: ExtendReservation, rows: Rows, out: Out) -> None:
        """Keep a hold longer."""
        self.reservations.extend(request, rows, out)

    @on(CommitReservation)
    def on_commit(self, request: CommitReservation, rows: Rows, out: Out) -> None:
        """Turn a hold into a promise."""
        self.reservations.commit(request, rows, out)

    @on(ReleaseReservation)
    def on_release(self, request: ReleaseReservation, rows: Rows, out: Out) -> None:
        """Give the goods free again."""
        self.reservations.release(request, rows, out)

    @on(ConsumeReservation)
    def on_consume(self, request: ConsumeReservation, rows: Rows, out: Out) -> None:
        """Book the goods that left, and end the promise."""
        sale = self.reservations.sale(request, rows, out)
        if sale is not None:
            self._book(sale, rows, out, only=request.reservation_id)

    @on_timer(HOLD)
    def on_hold_due(self, due: TimerDue, rows: Rows, out: Out) -> None:
        """End a hold whose time is up."""
        self.reservations.expire(due, rows, out)

    @on_timer(CLOSED)
    def on_closed_due(self, due: TimerDue, rows: Rows, out: Out) -> None:
        """Forget a reservation that was closed long ago."""
        self.reservations.forget(due, rows)

    def _book(
        self, event: StockMoved, rows: Rows, out: Out, *, only: ReservationId | None = None
    ) -> None:
        """Enter a movement once; with an order's id it settles its reservations, or `only` one."""
        sides = _sides(event)
        at_us = event.meta.occurred_at_us
        if any(knows_movement(place, event.movement_id, at_us, rows) for place, _ in sides):
            return
        if event.order_id and has_settled(event, rows):
            return
        out.emit(self.events, event)
        consumed = settle(event, rows, out, only) if event.order_id else NOTHING
        for place, delta_milli in sides:
            entry = StockDayMovement(
                movement_id=event.movement_id, occurred_at_us=at_us, delta_milli=delta_milli
            )
            effect_milli = add_movement(place, entry, rows) if delta_milli else 0
            level = rows.get(StockLevel, place.key)
            if effect_milli or level is None or consumed != NOTHING:
                on_hand_milli = (level.on_hand_milli if level else 0) + effect_milli
                set_level(
                    place,
                    event.meta,
                    self.policy,
                    rows,
                    out,
                    on_hand_milli=on_hand_milli,
                    promised=consumed,
                )
        tell_movement(event, self.policy.movements, out)


def _sides(event: StockMoved) -> list[tuple[Place, int]]:
    """Return the places a movement touches with its signed quantity there."""
    if event.quantity_milli < 0:
        raise RejectedError("negative_quantity", "a movement cannot be below zero", event.sku)
    if event.from_location is None and event.to_location is None:
        raise RejectedError("no_location", "a movement needs a place to leave or enter", event.sku)
    if event.from_location == event.to_location:
        raise RejectedError("same_location", "a movement must change the place", event.sku)
    sides = []
    if event.from_location is not None:
        place = Place(event.meta.tenant, event.sku, event.from_location)
        sides.append((place, -event.quantity_milli))
    if event.to_location is not None:
        place = Place(event.meta.tenant, event.sku, event.to_location)
        sides.append((place, event.quantity_milli))
    return sides
