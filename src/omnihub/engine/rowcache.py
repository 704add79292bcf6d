"""The newest decoded rows of a worker, a bounded number of them.

Guarantees: a row that was put is found until newer ones took its room; at most `limit` rows are
held. Two generations instead of a list of uses: a hit in the old one moves the row to the young
one, and when that has half of the limit the old one is forgotten, for two dict accesses a row.
"""

from omnihub.model.record import Record

Place = tuple[bytes, type[Record], str]


class RowCache:
    """Rows by where they are: their task partition, type and key."""

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._young: dict[Place, Record] = {}
        self._old: dict[Place, Record] = {}

    def get(self, at: Place) -> Record | None:
        """Return a row, or None if it is not held."""
        row = self._young.get(at)
        if row is None:
            row = self._old.get(at)
            if row is not None:
                self.put(at, row)
        return row

    def put(self, at: Place, row: Record) -> None:
        """Hold a row, as the newest one."""
        self._young[at] = row
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}

    def drop(self, at: Place) -> None:
        """Forget a row."""
        self._young.pop(at, None)
        self._old.pop(at, None)

    def clear(self) -> None:
        """Forget all rows."""
        self._young.clear()
        self._old.clear()

    def __len__(self) -> int:
        """Return how many rows are held, those of both generations twice."""
        return len(self._young) + len(self._old)
