"""What a channel may sell: the pool of its locations less its buffer.

Guarantees: pool = sum of available to sell over the channel's locations, kept by differences in
the partition that owns the SKU; never negative. Does not: know which systems show it (`routing`).
"""

from omnihub.model.ids import ChannelId, Sku, TenantId
from omnihub.model.records import ChannelAts, StockLevel
from omnihub.rules.ledger import Place
from omnihub.rules.policy import Channel, StockPolicy
from omnihub.rules.routing import tell_level
from omnihub.rules.rule import Out, Rows

CHANNEL_TOPIC = "omni.stock.channel.state.v1"


def spread_to_channels(
    place: Place,
    old: StockLevel | None,
    new: StockLevel,
    policy: StockPolicy,
    rows: Rows,
    out: Out,
) -> None:
    """Carry the change of one location into every channel that sells from it."""
    difference_milli = new.ats_milli - (old.ats_milli if old else 0)
    for channel in policy.channels_of.get(place.location, ()):
        key = f"{place.tenant}:{place.sku}:{channel.name}"
        known = rows.get(ChannelAts, key)
        if known is not None and not difference_milli:
            continue
        ats = _moved(known, channel, new, difference_milli)
        rows.put(key, ats)
        out.emit(CHANNEL_TOPIC, ats)
        if known is None or ats.ats_milli != known.ats_milli:
            tell_level(ats, policy.levels, out)


def channel_ats_milli(tenant: TenantId, sku: Sku, channel: ChannelId, rows: Rows) -> int:
    """Return what a channel may sell of a SKU now."""
    known = rows.get(ChannelAts, f"{tenant}:{sku}:{channel}")
    return known.ats_milli if known else 0


def _moved(
    known: ChannelAts | None, channel: Channel, level: StockLevel, difference_milli: int
) -> ChannelAts:
    pool_milli = (known.pool_milli if known else 0) + difference_milli
    return ChannelAts(
        tenant=level.tenant,
        sku=level.sku,
        channel=channel.name,
        pool_milli=pool_milli,
        ats_milli=max(0, pool_milli - channel.buffer_milli),
        seq=(known.seq if known else 0) + 1,
        cause_id=level.cause_id,
        accepted_at_us=level.accepted_at_us,
    )
