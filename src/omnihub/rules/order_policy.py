"""What a retailer decides about orders: how long goods are kept, where they come from, who hears.

Guarantees: plain frozen data; the same policy and the same inbox give the same output.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from omnihub.model.ids import ChannelId, LocationId
from omnihub.model.time import SECOND_US
from omnihub.rules.nearby import PICKUP
from omnihub.rules.order_routing import OrderRoutes
from omnihub.rules.places import StoreLocation


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """Everything the order rule is told at construction.

    hold_s: how long goods are held for an order that is not confirmed, at least `payment_s`.
    payment_s: how long an unpaid order waits.
    sources: by channel, the places shipped lines are taken from, the preferred first; a channel
        without an entry takes from any of its locations.
    locations: the places by id; empty means that nothing is known of them, and nothing checked.
    """

    hold_s: int = 900
    payment_s: int = 900
    sources: Mapping[ChannelId, tuple[LocationId, ...]] = field(default_factory=dict)
    locations: Mapping[LocationId, StoreLocation] = field(default_factory=dict)
    routes: OrderRoutes = field(default_factory=OrderRoutes)

    @property
    def hold_us(self) -> int:
        """How long goods are held, micros."""
        return self.hold_s * SECOND_US

    @property
    def payment_us(self) -> int:
        """How long an unpaid order waits, micros."""
        return self.payment_s * SECOND_US

    def hands_over(self, location: LocationId) -> bool:
        """Tell whether buyers can collect at this place, as far as is known."""
        place = self.locations.get(location)
        return PICKUP in place.services if place else not self.locations
