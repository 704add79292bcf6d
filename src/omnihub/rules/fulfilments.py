"""Fulfilments: the goods of one order at one place, and the steps they may take there.

Guarantees: a fulfilment only goes forward along `STEPS`; a place that tells late may leave out
steps, never go back. One place has one fulfilment for each way the goods reach the buyer.
Does not: change lines or ask stock (see `orders`).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from omnihub.model.ids import FulfilmentId, LocationId, derive_id
from omnihub.model.records import (
    EventMeta,
    Fulfilment,
    FulfilmentLine,
    FulfilmentStatus,
    FulfilmentType,
    LineStatus,
    Order,
    OrderLineState,
)
from omnihub.model.time import DAY_US
from omnihub.rules.order_lines import HANDED_OVER
from omnihub.rules.places import StoreLocation, ready_at_us

PICKUP_US: Final = 7 * DAY_US
"""How long goods wait for their buyer."""
_S = FulfilmentStatus
_HERE = (_S.ALLOCATED, _S.PICKING, _S.PACKED)
STEPS: Final[Mapping[FulfilmentStatus, frozenset[FulfilmentStatus]]] = {
    _S.PICKING: frozenset({_S.ALLOCATED}),
    _S.PACKED: frozenset({_S.ALLOCATED, _S.PICKING}),
    _S.READY_FOR_PICKUP: frozenset(_HERE),
    _S.COLLECTED: frozenset({*_HERE, _S.READY_FOR_PICKUP}),
    _S.SHIPPED: frozenset(_HERE),
    _S.DELIVERED: frozenset({_S.SHIPPED}),
    _S.PICKUP_EXPIRED: frozenset({_S.READY_FOR_PICKUP}),
    _S.CANCELLED: frozenset({*_HERE, _S.READY_FOR_PICKUP}),
}
"""For each step, from where it may be taken."""
LEFT: Final = frozenset({_S.COLLECTED, _S.SHIPPED, _S.DELIVERED})
"""The goods are out of the house."""
GIVEN_UP: Final = frozenset({_S.CANCELLED, _S.PICKUP_EXPIRED})
_ONLY_HANDED_OVER = frozenset({_S.READY_FOR_PICKUP, _S.COLLECTED, _S.PICKUP_EXPIRED})
_ONLY_SENT = frozenset({_S.SHIPPED, _S.DELIVERED})


def may_step(known: Fulfilment, status: FulfilmentStatus) -> bool:
    """Tell whether a fulfilment may go to `status` now."""
    is_handed_over = known.fulfilment in HANDED_OVER
    if status in (_ONLY_SENT if is_handed_over else _ONLY_HANDED_OVER):
        return False
    return known.status in STEPS.get(status, frozenset())


def left_status(known: Fulfilment) -> FulfilmentStatus:
    """Return what it is called when the goods of this fulfilment leave the house."""
    return _S.COLLECTED if known.fulfilment in HANDED_OVER else _S.SHIPPED


def allocate(
    order: Order, cause: EventMeta, now_us: int, places: Mapping[LocationId, StoreLocation]
) -> list[Fulfilment]:
    """Return the fulfilments of a confirmed order, by place."""
    groups: dict[tuple[LocationId, FulfilmentType], list[OrderLineState]] = {}
    for line in order.lines:
        if line.location is not None and line.status is not LineStatus.RELEASED:
            groups.setdefault((line.location, line.fulfilment), []).append(line)
    return [
        Fulfilment(
            tenant=order.tenant,
            fulfilment_id=fulfilment_id(order, location, kind),
            order_id=order.order_id,
            location=location,
            fulfilment=kind,
            status=_S.ALLOCATED,
            lines=tuple(map(_line, lines)),
            ready_by_us=_ready_by_us(kind, places.get(location), now_us),
            seq=0,
            cause_id=cause.event_id,
            occurred_at_us=cause.occurred_at_us,
            accepted_at_us=cause.accepted_at_us,
        )
        for (location, kind), lines in sorted(groups.items())
    ]


def fulfilment_id(order: Order, location: LocationId, kind: FulfilmentType) -> FulfilmentId:
    """Return the id of what an order has at a place."""
    cause = f"{order.tenant}:{order.order_id}:{location}:{kind.value}"
    return FulfilmentId(derive_id(cause, "fulfilment"))


def stepped(
    known: Fulfilment, status: FulfilmentStatus, now_us: int, tracking_number: str | None = None
) -> Fulfilment:
    """Return the fulfilment after a step; the clock of a pickup starts when it is ready."""
    is_ready = status is _S.READY_FOR_PICKUP
    return msgspec.structs.replace(
        known,
        status=status,
        tracking_number=tracking_number or known.tracking_number,
        pickup_expires_at_us=now_us + PICKUP_US if is_ready else known.pickup_expires_at_us,
    )


def _line(line: OrderLineState) -> FulfilmentLine:
    return FulfilmentLine(line_id=line.line_id, sku=line.sku, quantity_milli=line.quantity_milli)


def _ready_by_us(kind: FulfilmentType, place: StoreLocation | None, now_us: int) -> int | None:
    return ready_at_us(place, now_us) if place and kind in HANDED_OVER else None
