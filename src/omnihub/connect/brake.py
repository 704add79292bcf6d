"""Holds backfill back while a sink is busy: live commands must not queue behind its commands.

Guarantees: backfill stops passing the valve while more than a hundred commands wait for a sink that
works; a live command then waits behind those at most, and behind what was in the hub already. A
sink that has not moved for a while is down and holds nothing back: all that is live waits anyway.
Does not: reorder commands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

COMMANDS_ALLOWED = 100
DOWN_AFTER_S = 10.0


class Standing(Protocol):
    """See `omnihub.broker.backlog.Standing`."""

    @property
    def committed(self) -> int:
        """Where the sink stands."""

    @property
    def behind(self) -> int:
        """How many commands it has not answered."""


@dataclass(slots=True)
class Brake:
    """Judges looks at the sinks' consumer groups."""

    is_on: bool = False
    _moved: dict[str, tuple[int, float]] = field(default_factory=dict)

    def saw(self, standings: Mapping[str, Standing], now_s: float) -> None:
        """Judge one look."""
        self.is_on = False
        for group, standing in standings.items():
            at, since_s = self._moved.get(group, (standing.committed, now_s))
            if standing.committed != at or standing.behind <= COMMANDS_ALLOWED:
                at, since_s = standing.committed, now_s
            self._moved[group] = (at, since_s)
            is_down = now_s - since_s > DOWN_AFTER_S
            self.is_on |= standing.behind > COMMANDS_ALLOWED and not is_down
