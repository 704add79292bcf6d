"""The figures that a run must reach, and how they are computed.

Guarantees: a percentile is a value that really occurred (nearest rank); a system without a single
effect has no figures and fails its bar.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from omnihub_demo.readings import Effect

MIN_EVENTS = 20_000
MIN_EVENTS_PER_S = 130.0
SECOND_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Bar:
    """The freshness a system must have at the base rate."""

    p50_ms: float
    p99_ms: float


BARS = {"web": Bar(250.0, 1_500.0), "erp": Bar(4_000.0, 15_000.0)}


@dataclass(frozen=True, slots=True)
class Freshness:
    """Milliseconds from acceptance to effect."""

    p50: float
    p99: float
    max: float
    effects: int

    def meets(self, bar: Bar) -> bool:
        """Tell whether both percentiles are within the bar."""
        return self.p50 <= bar.p50_ms and self.p99 <= bar.p99_ms


def freshness(effects: Iterable[Effect]) -> Freshness | None:
    """Return the figures of `effects`, None when there are none."""
    ages = sorted(effect.freshness_ms for effect in effects)
    if not ages:
        return None
    return Freshness(percentile(ages, 0.5), percentile(ages, 0.99), ages[-1], len(ages))


def freshness_by_system(effects: Iterable[Effect]) -> dict[str, Freshness]:
    """Return the figures of every system that has effects."""
    of: dict[str, list[Effect]] = {}
    for effect in effects:
        of.setdefault(effect.system, []).append(effect)
    found = {system: freshness(each) for system, each in sorted(of.items())}
    return {system: figures for system, figures in found.items() if figures is not None}


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values in ascending order."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
