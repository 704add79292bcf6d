"""Time as integer UTC micros.

Guarantees: nothing here reads a clock; the caller passes the time in.
"""

from datetime import UTC, datetime

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 86_400 * SECOND_US
MAX_CLOCK_LEAD_US = 5 * MINUTE_US


def to_us(moment: datetime) -> int:
    """Return `moment` (aware) as UTC micros."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone. Attach the source's zone first.")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND_US + delta.microseconds


def from_us(micros: int) -> datetime:
    """Return UTC micros as an aware datetime."""
    return datetime.fromtimestamp(micros // SECOND_US, UTC).replace(microsecond=micros % SECOND_US)


def clamp_occurred(occurred_at_us: int, accepted_at_us: int) -> int:
    """Bound a source's clock: business time is never later than acceptance plus five minutes."""
    return min(occurred_at_us, accepted_at_us + MAX_CLOCK_LEAD_US)
