"""What a retailer decides about stock: channels, buffers, who hears of what.

Guarantees: plain frozen data; the same policy and the same inbox give the same output.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from omnihub.model.ids import ChannelId, InstanceId, LocationId


@dataclass(frozen=True, slots=True)
class Channel:
    """A sales channel: which locations it may sell from and what it keeps back."""

    name: ChannelId
    locations: frozenset[LocationId]
    buffer_milli: int = 0


@dataclass(frozen=True, slots=True)
class LevelRoute:
    """An instance that shows the stock of a channel, one target a SKU."""

    instance: InstanceId
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class MovementRoute:
    """An instance that must learn every movement at some locations, one target a location.

    Movements that came from the instance itself are never sent back to it.
    """

    instance: InstanceId
    locations: frozenset[LocationId]


@dataclass(frozen=True, slots=True)
class StockPolicy:
    """Everything the stock rule is told at construction."""

    channels: tuple[Channel, ...] = ()
    levels: tuple[LevelRoute, ...] = ()
    movements: tuple[MovementRoute, ...] = ()
    safety_milli: Mapping[LocationId, int] = field(default_factory=dict)
    default_safety_milli: int = 0
    channels_of: dict[LocationId, tuple[Channel, ...]] = field(init=False)
    channel_named: dict[ChannelId, Channel] = field(init=False)

    def __post_init__(self) -> None:
        """Index channels once, by location and name: the rule looks them up for every change."""
        index: dict[LocationId, tuple[Channel, ...]] = {}
        for channel in self.channels:
            for location in channel.locations:
                index[location] = (*index.get(location, ()), channel)
        object.__setattr__(self, "channels_of", index)
        named = {channel.name: channel for channel in self.channels}
        object.__setattr__(self, "channel_named", named)

    def safety_at(self, location: LocationId) -> int:
        """Return what a location keeps back until a `SafetyStockSet` says otherwise."""
        return self.safety_milli.get(location, self.default_safety_milli)
