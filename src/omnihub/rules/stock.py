"""The stock rule: counts, movements and safety become levels, per location and per channel.

Guarantees: conservation (on hand = newest count + movements after it); the result does not depend
on the order or repetition of its input; available to sell is never negative; a sale in a shop is a
fact and is never refused, a shortage is told instead.
Does not: hold reservations (they come with orders), or talk to any system (see `routing`).
"""

from typing import ClassVar

import msgspec

from omnihub.model.errors import RejectedError
from omnihub.model.record import Record
from omnihub.model.records import (
    EventMeta,
    SafetyStockSet,
    StockBase,
    StockCounted,
    StockDayMovement,
    StockLevel,
    StockMoved,
    StockShortage,
)
from omnihub.model.time import clamp_occurred
from omnihub.rules.channels import spread_to_channels
from omnihub.rules.ledger import (
    EMPTY_BASE,
    Place,
    add_movement,
    is_newer_count,
    knows_movement,
    set_count,
)
from omnihub.rules.meta import caused_by
from omnihub.rules.policy import StockPolicy
from omnihub.rules.routing import tell_movement
from omnihub.rules.rule import Out, Rows, Rule, on

STATE_TOPIC = "omni.stock.state.v1"


class StockRule(Rule):
    """One writer per SKU: it sees all locations, so no promise is made twice."""

    name: ClassVar[str] = "stock"
    inbox: ClassVar[str] = "omni.stock.inbox.v1"
    events: ClassVar[str] = "omni.stock.event.v1"

    def __init__(self, policy: StockPolicy) -> None:
        self.policy = policy

    def park_key(self, record: Record) -> str:
        """Stock waits per SKU and location; a movement waits where it takes goods from."""
        location = getattr(record, "location", None) or getattr(record, "from_location", None)
        location = location or getattr(record, "to_location", None)
        return f"{getattr(record, 'sku', '')}:{location or ''}"

    @on(StockMoved)
    def on_movement(self, event: StockMoved, rows: Rows, out: Out) -> None:
        """Apply a movement to the locations it leaves and enters."""
        sides = _sides(event)
        at_us = event.meta.occurred_at_us
        if any(knows_movement(place, event.movement_id, at_us, rows) for place, _ in sides):
            return
        out.emit(self.events, event)
        for place, delta_milli in sides:
            entry = StockDayMovement(
                movement_id=event.movement_id, occurred_at_us=at_us, delta_milli=delta_milli
            )
            effect_milli = add_movement(place, entry, rows) if delta_milli else 0
            level = rows.get(StockLevel, place.key)
            if effect_milli or level is None:
                on_hand_milli = (level.on_hand_milli if level else 0) + effect_milli
                self._set_level(place, event.meta, rows, out, on_hand_milli=on_hand_milli)
        tell_movement(event, self.policy.movements, out)

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
        self._set_level(place, event.meta, rows, out, on_hand_milli=on_hand_milli)

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
        self._set_level(place, event.meta, rows, out, safety_milli=event.safety_milli)

    def _set_level(
        self,
        place: Place,
        cause: EventMeta,
        rows: Rows,
        out: Out,
        *,
        on_hand_milli: int | None = None,
        safety_milli: int | None = None,
    ) -> None:
        old = rows.get(StockLevel, place.key)
        level = _changed(old or self._first_level(place, cause), cause, on_hand_milli, safety_milli)
        rows.put(place.key, level)
        out.emit(STATE_TOPIC, level)
        missing_milli = -level.on_hand_milli
        if missing_milli > 0 and missing_milli > -(old.on_hand_milli if old else 0):
            out.emit(self.events, _shortage(place, cause, missing_milli))
        spread_to_channels(place, old, level, self.policy, rows, out)

    def _first_level(self, place: Place, cause: EventMeta) -> StockLevel:
        return StockLevel(
            tenant=place.tenant,
            sku=place.sku,
            location=place.location,
            on_hand_milli=0,
            safety_milli=self.policy.safety_at(place.location),
            ats_milli=0,
            seq=0,
            cause_id=cause.event_id,
            occurred_at_us=cause.occurred_at_us,
            accepted_at_us=cause.accepted_at_us,
        )


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


def _changed(
    level: StockLevel, cause: EventMeta, on_hand_milli: int | None, safety_milli: int | None
) -> StockLevel:
    on_hand = level.on_hand_milli if on_hand_milli is None else on_hand_milli
    safety = level.safety_milli if safety_milli is None else safety_milli
    kept = level.unavailable_milli + level.held_milli + level.committed_milli + safety
    return msgspec.structs.replace(
        level,
        on_hand_milli=on_hand,
        safety_milli=safety,
        ats_milli=max(0, on_hand - kept),
        seq=level.seq + 1,
        cause_id=cause.event_id,
        occurred_at_us=cause.occurred_at_us,
        accepted_at_us=cause.accepted_at_us,
    )


def _shortage(place: Place, cause: EventMeta, missing_milli: int) -> StockShortage:
    return StockShortage(
        meta=caused_by(cause, StockRule.name, f"shortage:{place.location}"),
        sku=place.sku,
        location=place.location,
        missing_milli=missing_milli,
    )
