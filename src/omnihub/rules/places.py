"""The places of a retailer as rules know them, and when work at one of them is done.

Guarantees: pure functions of the time they are given; work goes on only while a place is open and
is never split over a closing. Does not: know holidays, or how much else a place has to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from omnihub.model.ids import LocationId
from omnihub.model.time import MINUTE_US, from_us, to_us

Span = tuple[int, int]
"""Open from, until: minutes of the local day, the second at most 1440."""
Week = tuple[tuple[Span, ...], ...]
"""Spans by day, Monday first."""
DAYS_AHEAD = 14
"""A place that is closed longer than this cannot promise anything."""


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """A place that holds stock. `opening` None: it works around the clock."""

    location: LocationId
    tz: str = "UTC"
    lat: float | None = None
    lon: float | None = None
    pickup_sla_us: int = 60 * MINUTE_US
    services: frozenset[str] = frozenset()
    opening: Week | None = None


def ready_at_us(place: StoreLocation, now_us: int) -> int | None:
    """Return when an order given now can be ready for pickup; None if not within two weeks.

    A span too short for the whole work is left out; a shorter rest of today means the next opening.
    """
    if place.opening is None:
        return now_us + place.pickup_sla_us
    for opens_us, closes_us in _spans(place, now_us):
        ready_us = max(now_us, opens_us) + place.pickup_sla_us
        if ready_us <= closes_us:
            return ready_us
    return None


def _spans(place: StoreLocation, now_us: int) -> Iterator[tuple[int, int]]:
    """Yield the spans in which a place is open from today on, as UTC micros."""
    zone = ZoneInfo(place.tz)
    today = from_us(now_us).astimezone(zone).date()
    for ahead in range(DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        for opens, closes in (place.opening or ())[day.weekday()]:
            yield _at(day, opens, zone), _at(day, closes, zone)


def _at(day: date, minute: int, zone: ZoneInfo) -> int:
    """Return a local minute as UTC micros; on days of a clock change, as the clock on the wall."""
    hours, minutes = divmod(minute, 60)
    on = day + timedelta(days=hours // 24)
    return to_us(datetime.combine(on, time(hours % 24, minutes), zone).astimezone(UTC))
