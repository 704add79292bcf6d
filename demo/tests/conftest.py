"""The plays that the tests look at: the shortest week and a full one."""

import pytest
from omnihub_demo.plan import stage
from omnihub_demo.play import Play
from omnihub_demo.source import SourceWeek, read_week


@pytest.fixture(scope="session")
def now_us() -> int:
    """Return 2026-11-22 21:13 in New York, when UTC has begun the next day."""
    return 1_795_400_000_000_000


@pytest.fixture(scope="session")
def short_week() -> SourceWeek:
    """Return week 1: a single day, 108 stores."""
    return read_week(1)


@pytest.fixture(scope="session")
def play(short_week: SourceWeek, now_us: int) -> Play:
    """Return a play of the short week."""
    return stage(short_week, seed=1, now_us=now_us)


@pytest.fixture(scope="session")
def full_play(now_us: int) -> Play:
    """Return a play of week 52."""
    return stage(read_week(52), seed=1, now_us=now_us)
