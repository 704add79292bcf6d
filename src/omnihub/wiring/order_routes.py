"""Who hears of orders, as the configuration says.

Guarantees: plain translation; what it refers to was checked by the settings.
"""

from zoneinfo import ZoneInfo

from omnihub.model.ids import ChannelId, InstanceId, LocationId
from omnihub.rules.order_routing import OrderRoutes, SaleRoute, TotalRoute
from omnihub.settings import Settings


def order_routes(settings: Settings) -> OrderRoutes:
    """Return the routes of all instances."""
    sections = [(InstanceId(name), each) for name, each in settings.connectors.items()]
    return OrderRoutes(
        status=frozenset(name for name, each in sections if each.orders and each.orders.status),
        messages=tuple(name for name, each in sections if each.messages),
        sales=tuple(
            SaleRoute(name, frozenset(map(LocationId, each.sales.locations)))
            for name, each in sections
            if each.sales
        ),
        totals=tuple(
            TotalRoute(name, frozenset(map(ChannelId, each.totals.channels)))
            for name, each in sections
            if each.totals
        ),
        zones=_zones(settings),
    )


def _zones(settings: Settings) -> dict[ChannelId, ZoneInfo]:
    """Return where each channel's business day ends: at the first place it sells from."""
    zones: dict[ChannelId, ZoneInfo] = {}
    for name, channel in settings.channels.items():
        first = settings.orders.sources.get(name, channel.locations)[0]
        if (place := settings.locations.get(first)) is not None:
            zones[ChannelId(name)] = ZoneInfo(place.tz)
    return zones
