"""What one location has of one SKU, and the one way to change it.

Guarantees: available to sell = on hand less what is unavailable, promised or kept back, never
negative; each change is published, and carried into the channels, once. Does not: know why a level
changes (see `stock` and `reservations`).
"""

from typing import NamedTuple

import msgspec

from omnihub.model.records import EventMeta, StockLevel, StockShortage
from omnihub.rules.channels import spread_to_channels
from omnihub.rules.ledger import Place
from omnihub.rules.meta import caused_by
from omnihub.rules.policy import StockPolicy
from omnihub.rules.rule import Out, Rows

STOCK_RULE = "stock"
STOCK_EVENTS = "omni.stock.event.v1"
STATE_TOPIC = "omni.stock.state.v1"


class Promised(NamedTuple):
    """Goods kept for orders, until a deadline or for good; signed where it tells a difference."""

    held_milli: int = 0
    committed_milli: int = 0


NOTHING = Promised()


def set_level(
    place: Place,
    cause: EventMeta,
    policy: StockPolicy,
    rows: Rows,
    out: Out,
    *,
    on_hand_milli: int | None = None,
    safety_milli: int | None = None,
    promised: Promised = NOTHING,
) -> None:
    """Write and publish a level: new values, and the difference in what is promised."""
    old = rows.get(StockLevel, place.key)
    known = old or _first_level(place, cause, policy)
    level = _changed(known, cause, on_hand_milli, safety_milli, promised)
    rows.put(place.key, level)
    out.emit(STATE_TOPIC, level)
    missing_milli = -_net_milli(level)
    if missing_milli > 0 and missing_milli > (-_net_milli(old) if old else 0):
        out.emit(STOCK_EVENTS, _shortage(place, cause, missing_milli))
    spread_to_channels(place, old, level, policy, rows, out)


def _first_level(place: Place, cause: EventMeta, policy: StockPolicy) -> StockLevel:
    return StockLevel(
        tenant=place.tenant,
        sku=place.sku,
        location=place.location,
        on_hand_milli=0,
        safety_milli=policy.safety_at(place.location),
        ats_milli=0,
        seq=0,
        cause_id=cause.event_id,
        occurred_at_us=cause.occurred_at_us,
        accepted_at_us=cause.accepted_at_us,
    )


def _changed(
    level: StockLevel,
    cause: EventMeta,
    on_hand_milli: int | None,
    safety_milli: int | None,
    promised: Promised,
) -> StockLevel:
    on_hand = level.on_hand_milli if on_hand_milli is None else on_hand_milli
    safety = level.safety_milli if safety_milli is None else safety_milli
    held = level.held_milli + promised.held_milli
    committed = level.committed_milli + promised.committed_milli
    kept = level.unavailable_milli + held + committed + safety
    return msgspec.structs.replace(
        level,
        on_hand_milli=on_hand,
        held_milli=held,
        committed_milli=committed,
        safety_milli=safety,
        ats_milli=max(0, on_hand - kept),
        seq=level.seq + 1,
        cause_id=cause.event_id,
        occurred_at_us=cause.occurred_at_us,
        accepted_at_us=cause.accepted_at_us,
    )


def _net_milli(level: StockLevel) -> int:
    """Return what is left after all promises; below zero, somebody will not get the goods."""
    kept = level.unavailable_milli + level.held_milli + level.committed_milli
    return level.on_hand_milli - kept


def _shortage(place: Place, cause: EventMeta, missing_milli: int) -> StockShortage:
    return StockShortage(
        meta=caused_by(cause, STOCK_RULE, f"shortage:{place.location}"),
        sku=place.sku,
        location=place.location,
        missing_milli=missing_milli,
    )
