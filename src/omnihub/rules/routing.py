"""Who hears of a change: fans stock out to the instances that asked for it.

Guarantees: every interested instance gets each change, in the order of the SKU; a movement is never
sent back to the system it came from. Does not: coalesce or retry (see `outbound`).
"""

from omnihub.model.records import ChannelAts, LevelDesired, MovementDesired, StockMoved
from omnihub.rules.policy import LevelRoute, MovementRoute
from omnihub.rules.rule import Out

OUTBOUND_INBOX = "omni.outbound.inbox.v1"


def tell_level(ats: ChannelAts, routes: tuple[LevelRoute, ...], out: Out) -> None:
    """Tell every instance that shows this channel what it may sell now."""
    for route in routes:
        if route.channel != ats.channel:
            continue
        desired = LevelDesired(
            tenant=ats.tenant,
            instance=route.instance,
            target=ats.sku,
            cause_id=ats.cause_id,
            accepted_at_us=ats.accepted_at_us,
            sku=ats.sku,
            channel=ats.channel,
            quantity_milli=ats.ats_milli,
            seq=ats.seq,
        )
        out.emit(OUTBOUND_INBOX, desired)


def tell_movement(event: StockMoved, routes: tuple[MovementRoute, ...], out: Out) -> None:
    """Tell every instance that keeps a book of one of the touched locations, but its source."""
    if not event.quantity_milli:
        return
    for route in routes:
        if route.instance == event.meta.source:
            continue
        for location in (event.from_location, event.to_location):
            if location in route.locations:
                out.emit(OUTBOUND_INBOX, _desired(event, route, str(location)))
                break


def _desired(event: StockMoved, route: MovementRoute, target: str) -> MovementDesired:
    return MovementDesired(
        tenant=event.meta.tenant,
        instance=route.instance,
        target=target,
        cause_id=event.meta.event_id,
        accepted_at_us=event.meta.accepted_at_us,
        movement_id=event.movement_id,
        sku=event.sku,
        kind=event.kind,
        from_location=event.from_location,
        to_location=event.to_location,
        quantity_milli=event.quantity_milli,
        occurred_at_us=event.meta.occurred_at_us,
    )
