"""The ledger of one SKU at one location: newest count plus the movements after it.

Guarantees: on hand = newest count + every distinct movement that occurred after it, whatever the
order and however often each was told. The newest count is the one with the greatest
(as_of, count_id). Does not: decide what a channel may sell, or know other locations.
"""

from dataclasses import dataclass

from omnihub.model.ids import LocationId, Sku, TenantId
from omnihub.model.records import StockBase, StockDay, StockDayMovement
from omnihub.model.time import DAY_US
from omnihub.rules.rule import Rows

EMPTY_BASE = StockBase(base_milli=0)


@dataclass(frozen=True, slots=True)
class Place:
    """One SKU at one location."""

    tenant: TenantId
    sku: Sku
    location: LocationId

    @property
    def key(self) -> str:
        """Row key of this place."""
        return f"{self.tenant}:{self.sku}:{self.location}"

    def day_key(self, day: int) -> str:
        """Row key of one UTC day at this place."""
        return f"{self.key}:{day}"


def knows_movement(place: Place, movement_id: str, occurred_at_us: int, rows: Rows) -> bool:
    """Tell whether this movement is already in the ledger."""
    day = rows.get(StockDay, place.day_key(occurred_at_us // DAY_US))
    return day is not None and any(m.movement_id == movement_id for m in day.movements)


def add_movement(place: Place, movement: StockDayMovement, rows: Rows) -> int:
    """Enter a movement that is not in the ledger yet; return its effect on hand.

    A movement from before the newest count has no effect: the count has seen it.
    """
    base = rows.get(StockBase, place.key) or EMPTY_BASE
    if base.counted_at_us is not None and movement.occurred_at_us <= base.counted_at_us:
        return 0
    day = movement.occurred_at_us // DAY_US
    known = rows.get(StockDay, place.day_key(day))
    movements = (*(known.movements if known else ()), movement)
    rows.put(place.day_key(day), StockDay(movements=movements))
    if day not in base.days:
        rows.put(place.key, _with_days(base, tuple(sorted((*base.days, day)))))
    return movement.delta_milli


def is_newer_count(place: Place, as_of_us: int, count_id: str, rows: Rows) -> bool:
    """Tell whether a count would replace the newest one."""
    base = rows.get(StockBase, place.key)
    if base is None or base.counted_at_us is None:
        return True
    return (as_of_us, count_id) > (base.counted_at_us, base.count_id or "")


def set_count(place: Place, quantity_milli: int, as_of_us: int, count_id: str, rows: Rows) -> int:
    """Make this the newest count; return what is on hand after the later movements.

    Days before the count are forgotten: no older count can ever need them.
    """
    base = rows.get(StockBase, place.key) or EMPTY_BASE
    on_hand_milli, kept = quantity_milli, []
    for day in base.days:
        later = _later_movements(place, day, as_of_us, rows)
        if later:
            kept.append(day)
            on_hand_milli += sum(movement.delta_milli for movement in later)
            rows.put(place.day_key(day), StockDay(movements=later))
        else:
            rows.delete(StockDay, place.day_key(day))
    counted = StockBase(
        base_milli=quantity_milli,
        counted_at_us=as_of_us,
        count_id=count_id,
        days=tuple(kept),
        safety_set_at_us=base.safety_set_at_us,
    )
    rows.put(place.key, counted)
    return on_hand_milli


def _later_movements(
    place: Place, day: int, as_of_us: int, rows: Rows
) -> tuple[StockDayMovement, ...]:
    row = rows.get(StockDay, place.day_key(day))
    return tuple(m for m in row.movements if m.occurred_at_us > as_of_us) if row else ()


def _with_days(base: StockBase, days: tuple[int, ...]) -> StockBase:
    return StockBase(
        base_milli=base.base_milli,
        counted_at_us=base.counted_at_us,
        count_id=base.count_id,
        days=days,
        safety_set_at_us=base.safety_set_at_us,
    )
