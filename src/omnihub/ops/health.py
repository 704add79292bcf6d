"""Liveness and readiness of one process, with the failing part named.

Guarantees: live = the process answers; ready = every declared part said it works. A process may
be live and not ready for long (restoring, log away): restarting it would not help then.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """What each part of a process says about itself; None means it works."""

    process: str
    faults: dict[str, str | None] = field(default_factory=dict)
    probes: dict[str, Callable[[], str | None]] = field(default_factory=dict)

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

    def failing(self) -> dict[str, str]:
        """Return the parts that do not work, with the reason; empty means ready."""
        told = {part: why for part, why in self.faults.items() if why is not None}
        asked = {part: why for part, check in self.probes.items() if (why := check())}
        return {**told, **asked}
