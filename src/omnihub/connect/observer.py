"""What connectors and mappings report about themselves; `ops` turns it into metrics.

Guarantees: a port without state; `Unobserved` is the double for tests and tools.
"""

from enum import StrEnum
from typing import Protocol

from omnihub.model.ids import InstanceId


class Verdict(StrEnum):
    """What translate did with one fact or state."""

    EMITTED = "emitted"
    DUPLICATE = "duplicate"
    STALE = "stale"
    REFETCH = "refetch"
    OBSERVATION = "observation"
    REJECTED = "rejected"


class Observer(Protocol):
    """Counts and durations of the connect layer; every method returns at once."""

    def judged(self, instance: InstanceId, verdict: Verdict) -> None:
        """Translate judged one fact or state."""

    def polled(self, instance: InstanceId, stream: str, deliveries: int, at_us: int) -> None:
        """A poll is durable and its cursor saved at `at_us`: the stream is fresh until then."""

    def listed(
        self, instance: InstanceId, stream: str, deliveries: int, *, is_running: bool
    ) -> None:
        """A page of a backfill is durable; the last one ends it."""

    def failed(self, instance: InstanceId, part: str, error_class: str) -> None:
        """A poll, write or webhook failed and will be tried again."""

    def written(self, instance: InstanceId, outcome: str, freshness_s: float) -> None:
        """A command got its result, `freshness_s` after the oldest event that it covers."""

    def waited(self, instance: InstanceId, reason: str, seconds: float) -> None:
        """A call waited for its budget or between two attempts."""

    def webhook(self, instance: InstanceId, status: int) -> None:
        """A webhook was answered."""


class Unobserved:
    """An observer that forgets."""

    def judged(self, instance: InstanceId, verdict: Verdict) -> None:
        """See `Observer.judged`."""

    def polled(self, instance: InstanceId, stream: str, deliveries: int, at_us: int) -> None:
        """See `Observer.polled`."""

    def listed(
        self, instance: InstanceId, stream: str, deliveries: int, *, is_running: bool
    ) -> None:
        """See `Observer.listed`."""

    def failed(self, instance: InstanceId, part: str, error_class: str) -> None:
        """See `Observer.failed`."""

    def written(self, instance: InstanceId, outcome: str, freshness_s: float) -> None:
        """See `Observer.written`."""

    def waited(self, instance: InstanceId, reason: str, seconds: float) -> None:
        """See `Observer.waited`."""

    def webhook(self, instance: InstanceId, status: int) -> None:
        """See `Observer.webhook`."""
