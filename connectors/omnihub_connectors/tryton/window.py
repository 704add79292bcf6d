"""How far a feed has been read, and what was seen lately: an offset that finds late commits.

A row carries the time at which its transaction *began* but appears when it *ends*, so a row may
appear behind the place we have read to. The window remembers, per few seconds of row time, how
many rows were seen and the sum of their hashed ids. Comparing that with the ids that are there now
shows a latecomer; then the window is read again (and what was known is recognised downstream).

Guarantees: pure; the next window follows from the last and the rows alone, never from a clock.
Does not: find a row that appears more than `overlap_s` after its time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

BUCKET_S = 5
_BUCKET = timedelta(seconds=BUCKET_S)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (Tryton's times are naive UTC)
_MODULUS = 2**64


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """The place of a row in its feed."""

    at: datetime
    id: int


START = Mark(_EPOCH, 0)


@dataclass(frozen=True, slots=True)
class Digest:
    """A set of rows in two numbers; digests of disjoint sets add up."""

    rows: int = 0
    sum: int = 0

    @classmethod
    def of(cls, ids: Iterable[int]) -> "Digest":
        """Return the digest of a set of ids."""
        hashes = [_hash(each) for each in ids]
        return cls(len(hashes), sum(hashes) % _MODULUS)

    def __add__(self, other: "Digest") -> "Digest":
        return Digest(self.rows + other.rows, (self.sum + other.sum) % _MODULUS)


@dataclass(frozen=True, slots=True)
class Window:
    """Rows up to `frontier` were read; of those behind `floor` the digests are known."""

    frontier: Mark = START
    floor: Mark = START
    seen: Mapping[int, Digest] = field(default_factory=dict)
    """By bucket of row time."""
    quiet: int = 0
    """Polls in a row that found nothing new."""

    @classmethod
    def from_offset(cls, offset: Mapping[str, Any] | None) -> "Window":
        """Return the window that `offset` describes; None is the beginning."""
        if offset is None:
            return cls()
        return cls(
            frontier=_mark(offset["frontier"]),
            floor=_mark(offset["floor"]),
            seen={int(bucket): Digest(*known) for bucket, known in offset["seen"].items()},
            quiet=offset["quiet"],
        )

    def offset(self) -> dict[str, Any]:
        """Return the window as JSON can carry it."""
        return {
            "frontier": _told(self.frontier),
            "floor": _told(self.floor),
            "seen": {str(bucket): [each.rows, each.sum] for bucket, each in self.seen.items()},
            "quiet": self.quiet,
        }

    @property
    def digest(self) -> Digest:
        """What was seen between floor and frontier."""
        return sum(self.seen.values(), Digest())

    def advanced(self, rows: Sequence[Mark], overlap_s: float) -> "Window":
        """Return the window after `rows`, which follow the frontier in order."""
        if not rows:
            return self
        seen = dict(self.seen)
        for row in rows:
            bucket = _bucket(row.at)
            seen[bucket] = seen.get(bucket, Digest()) + Digest.of([row.id])
        oldest = _bucket(rows[-1].at - timedelta(seconds=overlap_s))
        kept = {bucket: digest for bucket, digest in seen.items() if bucket >= oldest}
        return Window(rows[-1], max(self.floor, Mark(_EPOCH + oldest * _BUCKET, 0)), kept)

    def rewound(self) -> "Window":
        """Return the window from which everything behind the floor is read again."""
        return Window(self.floor, self.floor)

    def rested(self, overlap_s: float, interval_s: float) -> "Window":
        """Return the window after a poll that found nothing; in the end it closes.

        So many polls without news last longer than any transaction that is waited for.
        """
        if not self.seen:
            return self
        if (self.quiet + 1) * interval_s > overlap_s:
            return Window(self.frontier, self.frontier)
        return replace(self, quiet=self.quiet + 1)


def _bucket(at: datetime) -> int:
    return (at - _EPOCH) // _BUCKET


def _hash(row_id: int) -> int:
    return int.from_bytes(blake2b(str(row_id).encode(), digest_size=8).digest(), "big")


def _mark(told: Sequence[Any]) -> Mark:
    return Mark(datetime.fromisoformat(told[0]), told[1])


def _told(mark: Mark) -> list[Any]:
    return [mark.at.isoformat(), mark.id]
