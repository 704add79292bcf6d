"""One benchmark's result as `bench/results/latest.json` holds it.

Guarantees: every run is kept beside its median; a bar is reached or not by the medians alone; where
one is missed the entry says what limits it. `aa_spread` is how far two equal sides came apart in
the same run: a difference smaller than that means nothing.
"""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub.contracts.native import CODEC

Runs = Mapping[str, Sequence[float]]
AGAIN = "_again"
"""The A/A control: the same side under another name."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What the hub's median must reach: `factor` times a peer's, or a figure of its own."""

    text: str
    limit: float
    peer: str | None = None
    higher_is_better: bool = True

    def verdict(self, hub: float, peers: Mapping[str, float]) -> tuple[float | None, bool]:
        """Return the ratio (to the peer, or to the limit) and whether the bar is reached."""
        beside = 1.0 if self.peer is None else peers.get(self.peer)
        if not beside:
            return None, False
        wanted = self.limit * beside
        ratio = hub / (beside if self.peer else self.limit)
        return round(ratio, 3), hub >= wanted if self.higher_is_better else hub <= wanted


@dataclass(frozen=True, slots=True)
class Entry:
    """A benchmark with all its runs; sides are `hub`, `hub_again` and the peers by name."""

    bench: str
    unit: str
    runs: Runs
    bars: Sequence[Bar] = ()
    limits: str = ""
    setting: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the entry as it is published."""
        medians = {side: statistics.median(runs) for side, runs in self.runs.items() if runs}
        ours = [*self.runs.get("hub", ()), *self.runs.get("hub" + AGAIN, ())]
        hub = statistics.median(ours) if ours else None
        peers = {side: rounded(at) for side, at in medians.items() if not side.startswith("hub")}
        verdicts = [(bar, *bar.verdict(hub or 0.0, peers)) for bar in self.bars]
        is_reached = hub is not None and all(reached for _, __, reached in verdicts)
        entry = {
            "bench": self.bench,
            "unit": self.unit,
            "hub": None if hub is None else rounded(hub),
            "peers": peers,
            "aa_spread": _spread(medians),
            "runs": {side: [rounded(run) for run in runs] for side, runs in self.runs.items()},
            "bar": "; ".join(bar.text for bar in self.bars) or None,
            "ratios": {bar.text: ratio for bar, ratio, _ in verdicts},
            "reached": is_reached if self.bars else None,
            "machine": machine(),
            **self.setting,
        }
        if self.bars and not is_reached:
            entry["limited_by"] = self.limits or "see runs"
            entry["missed"] = [bar.text for bar, _, reached in verdicts if not reached]
        if self.failed:
            entry["failed"] = dict(self.failed)
        return entry


def rounded(figure: float) -> float:
    """Return three significant digits at least, whole numbers from a hundred up."""
    return round(figure) if abs(figure) >= 100 else round(figure, 2)


def _spread(medians: Mapping[str, float]) -> float | None:
    one, other = medians.get("hub"), medians.get("hub" + AGAIN)
    return None if not one or not other else round(abs(one / other - 1), 3)


def machine() -> str:
    """Return what the figures were measured on."""
    cores, python = os.cpu_count(), platform.python_version()
    return f"{platform.machine()}, {cores} cores, Python {python}, {CODEC} codec"
