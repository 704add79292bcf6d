"""What a scenario found wrong, and what one run of it showed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What sort of promise was broken."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    WRONG = "wrong"
    """A record, row or position that no replay gives."""
    STUCK = "stuck"
    """The last stable offset stays below the end of the log."""
    STALLED = "stalled"
    """Input still waits a minute after the last fault."""
    UNEXPECTED = "unexpected"
    """The scenario's own expectation, such as an exit code."""


@dataclass(frozen=True)
class Finding:
    """One broken promise; `count` says how many records it touches."""

    kind: Kind
    text: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.kind} ({self.count}): {self.text}"


@dataclass(frozen=True)
class Verdict:
    """What one run of a scenario showed."""

    events: int
    findings: tuple[Finding, ...] = ()
    recovery_s: float = 0.0

    def count(self, kind: Kind) -> int:
        """Return how many records were touched by findings of one kind."""
        return sum(found.count for found in self.findings if found.kind is kind)

    def also(self, findings: Iterable[Finding]) -> "Verdict":
        """Return this verdict with more findings."""
        return Verdict(self.events, (*self.findings, *findings), self.recovery_s)

    def recovered_after(self, seconds: float) -> "Verdict":
        """Return this verdict; an outage inside the scenario may have been the longer one."""
        return replace(self, recovery_s=max(self.recovery_s, seconds))

    def expect(self, is_true: bool, text: str) -> "Verdict":
        """Return this verdict; with one more finding if an expectation of the scenario failed."""
        return self if is_true else self.also([Finding(Kind.UNEXPECTED, text)])

    def __str__(self) -> str:
        told = Counter(found.kind.value for found in self.findings)
        lines = [f"{self.events} events, {dict(told)}", *map(str, self.findings[:20])]
        return "\n  ".join(lines)
