"""What the engine reports about itself; `ops` turns it into metrics.

Guarantees: a port without state; `Unobserved` is the double for tests and tools.
"""

from typing import Protocol


class EngineObserver(Protocol):
    """Counts and durations of the engine; every method returns at once."""

    def processed(self, task: str, outcome: str, count: int) -> None:
        """Records were processed: by outcome.

        Applied, rejected, parked, queued (behind a parked one), released, skipped or edited.
        """

    def committed(self, duration_s: float, records: int) -> None:
        """A transaction with so many input records was committed."""

    def aborted(self, cause: str) -> None:
        """A transaction failed and was rolled back."""

    def assigned(self, partitions: int) -> None:
        """So many input partitions are owned now."""

    def restoring(self, remaining: int) -> None:
        """So many changelog records are still to be read before work begins."""

    def restored(self, task: str, rows: int, duration_s: float) -> None:
        """A task's rows were read from its changelog."""

    def lagging(self, lags: dict[tuple[str, int], int]) -> None:
        """Records not yet read, by input topic and partition."""

    def laned(self, live_lag_s: float, bulk_records: int, paused: int) -> None:
        """How long ago nothing live waited, how much bulk does, and how many of its partitions are
        shut for what is live."""

    def parked(self, task: str, partition: int, records: int) -> None:
        """So many records wait in the hospital of one task partition."""

    def alarmed(self, task: str, what: str) -> None:
        """Something that must not happen was seen and survived."""


class Unobserved:
    """Reports to nobody."""

    def processed(self, task: str, outcome: str, count: int) -> None:
        """See `EngineObserver`."""

    def committed(self, duration_s: float, records: int) -> None:
        """See `EngineObserver`."""

    def aborted(self, cause: str) -> None:
        """See `EngineObserver`."""

    def assigned(self, partitions: int) -> None:
        """See `EngineObserver`."""

    def restoring(self, remaining: int) -> None:
        """See `EngineObserver`."""

    def restored(self, task: str, rows: int, duration_s: float) -> None:
        """See `EngineObserver`."""

    def lagging(self, lags: dict[tuple[str, int], int]) -> None:
        """See `EngineObserver`."""

    def laned(self, live_lag_s: float, bulk_records: int, paused: int) -> None:
        """See `EngineObserver`."""

    def parked(self, task: str, partition: int, records: int) -> None:
        """See `EngineObserver`."""

    def alarmed(self, task: str, what: str) -> None:
        """See `EngineObserver`."""
