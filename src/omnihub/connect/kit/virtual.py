"""Time as a test wants it: clocks that stand still and sleeps that only move them.

Guarantees: no test that uses it waits; every sleep is recorded.
"""

import asyncio
from dataclasses import dataclass, field

from omnihub.connect.pace import Time


@dataclass
class VirtualTime:
    """Gives a `Time` whose clocks move only by sleeping (or by `now_s` being set)."""

    now_s: float = 1_000_000.0
    chance: float = 0.5
    slept_s: list[float] = field(default_factory=list)

    @property
    def time(self) -> Time:
        """The clocks to hand to the code under test."""
        return Time(lambda: self.now_s, lambda: self.now_s, self._sleep, lambda: self.chance)

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)
