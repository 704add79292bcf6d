"""Whether what the configuration refers to is there: channels and locations.

Guarantees: every dangling reference is told at once, with path, value and what is known. Locations
are checked only where a `locations` section names them: without one, any code is a location.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The model calls these checks.
    from omnihub.settings.model import InstanceSettings, Settings

Reference = tuple[str, str]
"""Path and value."""


def dangling(settings: "Settings") -> list[str]:
    """Return one sentence for each reference that leads nowhere."""
    faults = [
        _fault(path, name, "channel", "channels", settings.channels)
        for path, name in _channels(settings)
        if name not in settings.channels
    ]
    if settings.locations:
        faults += [
            _fault(path, name, "location", "locations", settings.locations)
            for path, name in _locations(settings)
            if name not in settings.locations
        ]
    return [*faults, *_beyond_channel(settings)]


def _channels(settings: "Settings") -> Iterator[Reference]:
    for channel in settings.orders.sources:
        yield f"orders.sources.{channel}", channel
    for name, instance in settings.connectors.items():
        at = f"connectors.{name}"
        if instance.levels:
            yield f"{at}.levels.channel", instance.levels.channel
        if instance.orders:
            yield f"{at}.orders.channel", instance.orders.channel
        for channel in instance.totals.channels if instance.totals else ():
            yield f"{at}.totals.channels", channel


def _locations(settings: "Settings") -> Iterator[Reference]:
    for name, channel in settings.channels.items():
        yield from _each(f"channels.{name}.locations", channel.locations)
    yield from _each("safety.locations", settings.safety.locations)
    for name, sources in settings.orders.sources.items():
        yield from _each(f"orders.sources.{name}", sources)
    for name, instance in settings.connectors.items():
        yield from _of_instance(f"connectors.{name}", instance)


def _of_instance(at: str, instance: "InstanceSettings") -> Iterator[Reference]:
    if instance.movements:
        yield from _each(f"{at}.movements.locations", instance.movements.locations)
    if instance.sales:
        yield from _each(f"{at}.sales.locations", instance.sales.locations)


def _each(path: str, names: Iterable[str]) -> Iterator[Reference]:
    return ((path, name) for name in names)


def _beyond_channel(settings: "Settings") -> Iterator[str]:
    """Yield sources that a channel may not sell from: it would never show their stock."""
    for name, sources in settings.orders.sources.items():
        channel = settings.channels.get(name)
        for location in sources if channel else ():
            if channel and location not in channel.locations:
                yield (
                    f"orders.sources.{name} has '{location}': channel {name} does not sell from "
                    f"there. Add it to channels.{name}.locations, or take it out here"
                )


def _fault(path: str, name: str, what: str, section: str, known: Iterable[str]) -> str:
    names = ", ".join(sorted(known)) or "none"
    return (
        f"{path} is '{name}': there is no such {what}; {section} has {names}. "
        f"Add it to {section}, or name another"
    )
