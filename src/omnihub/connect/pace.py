"""Clocks, pauses and back-off of the connector process, in one place so that tests own time.

Guarantees: a pause ends at once when the process is asked to stop; back-off is full jitter, never
shorter than what a system asked for, and long after refused credentials.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from omnihub.connect.errors import AuthFailed, OffsetGone
from omnihub.model.errors import RetryableError
from omnihub.model.time import SECOND_US


@dataclass(frozen=True, slots=True)
class Time:
    """Clocks, sleep and chance; tests give their own."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def now_us(self) -> int:
        """Return the wall clock as UTC micros."""
        return int(self.wall_s() * SECOND_US)

    async def pause(self, stop: asyncio.Event, seconds: float) -> None:
        """Sleep for `seconds` or until `stop`."""
        stopped = asyncio.ensure_future(stop.wait())
        slept = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({stopped, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            slept.cancel()


@dataclass(slots=True)
class Backoff:
    """How long to wait after failures in a row."""

    time: Time = field(default_factory=Time)
    first_s: float = 0.5
    most_s: float = 60.0
    alarming_s: float = 30.0
    """Least wait after what only a person can mend: calling on would lock the account."""
    failures: int = 0

    def after(self, error: Exception) -> float:
        """Return the wait after `error`, longer with each failure in a row."""
        self.failures += 1
        bound = min(self.most_s, self.first_s * (1 << min(self.failures, 16)))
        wait = max(self.first_s, bound * self.time.chance())
        if isinstance(error, RetryableError) and error.retry_after_s is not None:
            return max(wait, error.retry_after_s)
        return max(wait, self.alarming_s) if isinstance(error, AuthFailed | OffsetGone) else wait

    def reset(self) -> None:
        """Something succeeded."""
        self.failures = 0
