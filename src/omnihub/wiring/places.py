"""The places of a retailer, from the configuration's words to what rules know.

Guarantees: plain translation; times and zones were checked by the settings.
"""

from collections.abc import Mapping

from omnihub.model.ids import LocationId
from omnihub.model.time import MINUTE_US
from omnihub.rules.places import StoreLocation, Week
from omnihub.settings import DAYS, Day, LocationSettings, Settings, spans_of


def store_locations(settings: Settings) -> dict[LocationId, StoreLocation]:
    """Return the places by id; empty when the configuration names none."""
    return {
        LocationId(name): _store(LocationId(name), place)
        for name, place in settings.locations.items()
    }


def _store(name: LocationId, place: LocationSettings) -> StoreLocation:
    hours = place.opening_hours
    return StoreLocation(
        location=name,
        tz=place.tz,
        lat=place.lat,
        lon=place.lon,
        pickup_sla_us=place.pickup_sla_min * MINUTE_US,
        services=frozenset(place.services),
        opening=None if hours is None else _week(hours),
    )


def _week(hours: Mapping[Day, str]) -> Week:
    return tuple(spans_of(hours[day]) if day in hours else () for day in DAYS)
