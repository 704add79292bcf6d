"""Which parked records are meant, and how many wait for which reason: pure, over any list of them.

Guarantees: the same choice as `hospital.HospitalViews` makes in SQL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from omnihub.model.records import ParkedRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parked records are meant; None means any."""

    task: str | None = None
    error_class: str | None = None
    instance: str | None = None
    parked_before_us: int | None = None
    park_key: str | None = None

    def includes(self, record: ParkedRecord) -> bool:
        """Tell whether `record` is meant."""
        names = ("task", "error_class", "instance", "park_key")
        told = ((getattr(self, name), getattr(record, name)) for name in names)
        is_equal = all(wanted in (None, found) for wanted, found in told)
        before_us = self.parked_before_us
        return is_equal and (before_us is None or record.parked_at_us < before_us)


def heads_of(records: Iterable[ParkedRecord], wanted: Wanted) -> list[ParkedRecord]:
    """Return the first record of each queue, of those that are meant, in the order of the list."""
    first: dict[tuple[str, str], ParkedRecord] = {}
    for record in records:
        queue = (record.task, record.park_key)
        known = first.get(queue)
        if known is None or record.queue_index < known.queue_index:
            first[queue] = record
    return [head for head in first.values() if wanted.includes(head)]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why records of one task wait: how many, in how many queues, since when."""

    task: str
    error_class: str
    records: int
    queues: int
    oldest_at_us: int


def causes_of(records: Sequence[ParkedRecord]) -> list[Cause]:
    """Return how much waits for which reason."""
    groups: dict[tuple[str, str], list[ParkedRecord]] = {}
    for record in records:
        groups.setdefault((record.task, record.error_class), []).append(record)
    return [
        Cause(
            task,
            error_class,
            records=len(group),
            queues=len({one.park_key for one in group}),
            oldest_at_us=min(one.parked_at_us for one in group),
        )
        for (task, error_class), group in sorted(groups.items())
    ]
