"""Stores near a point that have the goods and can have them ready within the hour.

Guarantees: a pure function of stock, places and time: the same question gives the same answer, the
nearest store first. Does not: hold anything (placing the order does), or know roads: distance is
as the crow flies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from omnihub.model.ids import LocationId, Sku
from omnihub.model.time import MINUTE_US
from omnihub.rules.places import StoreLocation, ready_at_us

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""
WITHIN_US = 60 * MINUTE_US
PICKUP = "pickup"
Point = tuple[float, float]
"""Latitude and longitude, degrees."""


@dataclass(frozen=True, slots=True)
class StoreOffer:
    """A store that can hand the goods over: how far it is and when they are ready."""

    location: LocationId
    distance_m: int
    ready_at_us: int


def nearby_stores(
    point: Point,
    wanted: Mapping[Sku, int],
    ats: Mapping[tuple[Sku, LocationId], int],
    locations: Mapping[LocationId, StoreLocation],
    now_us: int,
    limit: int,
) -> list[StoreOffer]:
    """Return up to `limit` stores with all of `wanted`, the nearest first.

    `wanted` and `ats` (available to sell) are in thousandths of a unit; stores of the same distance
    come by name.
    """
    offers = [
        offer
        for name, place in locations.items()
        if _has(wanted, ats, name) and (offer := _offer(point, place, now_us))
    ]
    return sorted(offers, key=lambda offer: (offer.distance_m, offer.location))[:limit]


def distance_m(here: Point, there: Point) -> float:
    """Return the great-circle distance in metres (haversine)."""
    lat, lon, other_lat, other_lon = map(radians, (*here, *there))
    half_chord = (
        sin((other_lat - lat) / 2) ** 2
        + cos(lat) * cos(other_lat) * sin((other_lon - lon) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half_chord)))


def _has(
    wanted: Mapping[Sku, int], ats: Mapping[tuple[Sku, LocationId], int], at: LocationId
) -> bool:
    return all(ats.get((sku, at), 0) >= milli for sku, milli in wanted.items())


def _offer(point: Point, place: StoreLocation, now_us: int) -> StoreOffer | None:
    if PICKUP not in place.services or place.lat is None or place.lon is None:
        return None
    ready_us = ready_at_us(place, now_us)
    if ready_us is None or ready_us > now_us + WITHIN_US:
        return None
    far_m = round(distance_m(point, (place.lat, place.lon)))
    return StoreOffer(place.location, far_m, ready_us)
