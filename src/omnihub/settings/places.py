"""The places of a retailer: where they are, what they do for an order, when they are open.

Guarantees: a time zone is one this machine knows; opening hours end after they begin.
Does not: know holidays.
"""

from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from omnihub.settings.section import Section

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = r"([01]\d|2[0-3]):[0-5]\d"
_SPAN = rf"{_TIME}-({_TIME}|24:00)"


def spans_of(hours: str) -> tuple[tuple[int, int], ...]:
    """Return `"08:00-12:00,13:00-18:00"` as minutes of the day: ((480, 720), (780, 1080))."""
    return tuple(_span(part) for part in hours.split(","))


def _span(text: str) -> tuple[int, int]:
    begin, end = text.split("-")
    return _minutes(begin), _minutes(end)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _in_order(hours: str) -> str:
    edges = [minute for span in spans_of(hours) for minute in span]
    if any(later <= earlier for earlier, later in pairwise(edges)):
        raise PydanticCustomError(
            "hours_out_of_order",
            "each time must come after the one before it. "
            "Past midnight, end at 24:00 and go on with the next day",
        )
    return hours


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise PydanticCustomError(
            "unknown_zone", "no such time zone. Write an IANA name like America/New_York"
        ) from error
    return name


Hours = Annotated[
    str, StringConstraints(pattern=rf"^{_SPAN}(,{_SPAN})*$"), AfterValidator(_in_order)
]


class LocationSettings(Section):
    """A place that holds stock."""

    kind: Literal["store", "warehouse", "dark_store", "supplier", "third_party"] = "store"
    """What sort of place it is."""
    lat: float | None = Field(None, ge=-90, le=90)
    """Latitude, degrees; without it the place is near nothing."""
    lon: float | None = Field(None, ge=-180, le=180)
    """Longitude, degrees."""
    tz: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    """IANA time zone of the opening hours, e.g. America/New_York."""
    pickup_sla_min: int = Field(60, ge=0, le=7 * 24 * 60)
    """Minutes of open time it takes to have an order ready for pickup."""
    services: tuple[Literal["ship", "pickup", "return"], ...] = ("ship",)
    """What it does for an order."""
    opening_hours: dict[Day, Hours] | None = None
    """By day, e.g. {mon: "08:00-20:00"}; a day left out is closed, none given is always open."""

    @model_validator(mode="after")
    def _is_one_point(self) -> "LocationSettings":
        if (self.lat is None) != (self.lon is None):
            raise PydanticCustomError("half_a_point", "lat and lon come together. Set both")
        return self
