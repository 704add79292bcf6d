"""Liveness and readiness of one process, with the failing part named.

Guarantees: live = the process answers; ready = every declared part said it works. A process may
be live and not ready for long (restoring, log away): restarting it would not help then. What is
wrong outside (a shop, an ERP) is told apart: it makes not ready, but holds back no start.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """What each part of a process says about itself; None means it works."""

    process: str
    faults: dict[str, str | None] = field(default_factory=dict)
    probes: dict[str, Callable[[], str | None]] = field(default_factory=dict)
    neighbours: dict[str, Callable[[], str | None]] = field(default_factory=dict)

    def expect(self, part: str) -> None:
        """Declare a part that must report before the process is ready."""
        self.faults.setdefault(part, "starting")

    def works(self, part: str) -> None:
        """Note that `part` works."""
        self.faults[part] = None

    def fails(self, part: str, why: str) -> None:
        """Note that `part` does not work, and why; no payload and no secrets."""
        self.faults[part] = why

    def probe(self, part: str, check: Callable[[], str | None]) -> None:
        """Ask `check` at every look at readiness; it returns why not, or None."""
        self.probes[part] = check

    def neighbour(self, name: str, check: Callable[[], str | None]) -> None:
        """Ask `check` at every look what is wrong with a system outside; None = nothing."""
        self.neighbours[name] = check

    def failing(self) -> dict[str, str]:
        """Return the parts of the process that do not work, with the reason."""
        told = {part: why for part, why in self.faults.items() if why is not None}
        return told | _asked(self.probes)

    def failing_outside(self) -> dict[str, str]:
        """Return the systems outside that do not work, with the reason."""
        return _asked(self.neighbours)


def _asked(checks: Mapping[str, Callable[[], str | None]]) -> dict[str, str]:
    return {name: why for name, check in checks.items() if (why := check())}
