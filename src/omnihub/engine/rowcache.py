"""The newest decoded rows of a worker, a bounded number of them.

Guarantees: a row that was put is found until newer ones took its room; at most `limit` rows, and
those of one commit, are held. Two generations instead of a list of uses: a hit in the old one moves
the row to the young one, and when that has half of the limit the old one is forgotten, for two dict
accesses a row.
A dict for each task partition and type holds strings and records alone: Python's collector does not
look into those, with a tuple as key for each row it took 0.3 s every time.
"""

from collections import defaultdict
from collections.abc import Mapping

from omnihub.model.record import Record

Space = tuple[bytes, type[Record]]
"""A task partition, and a type of its rows."""
_Rows = defaultdict[Space, dict[str, Record]]


class RowCache:
    """Rows by where they are: their space, and their key in it."""

    __slots__ = ("_half", "_old", "_size", "_young")

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._young: _Rows = defaultdict(dict)
        self._old: _Rows = defaultdict(dict)
        self._size = 0

    def get(self, space: Space, key: str) -> Record | None:
        """Return a row, or None if it is not held."""
        row = self._young[space].get(key)
        if row is None:
            row = self._old[space].get(key)
            if row is not None:
                self.put(space, key, row)
        return row

    def put(self, space: Space, key: str, row: Record) -> None:
        """Hold a row, as the newest one."""
        rows = self._young[space]
        self._size += key not in rows
        rows[key] = row
        self._age()

    def _age(self) -> None:
        if self._size >= self._half:
            self._old, self._young, self._size = self._young, defaultdict(dict), 0

    def take(self, place: bytes, rows: Mapping[tuple[type[Record], str], Record | None]) -> None:
        """Hold the rows of a commit, and forget those it deleted; `put` for many costs half."""
        young, added = self._young, 0
        for (kind, key), row in rows.items():
            if row is None:
                self.drop((place, kind), key)
                continue
            held = young[place, kind]
            if key not in held:
                added += 1
            held[key] = row
        self._size += added
        self._age()

    def drop(self, space: Space, key: str) -> None:
        """Forget a row."""
        self._size -= self._young[space].pop(key, None) is not None
        self._old[space].pop(key, None)

    def clear(self) -> None:
        """Forget all rows."""
        self._young, self._old, self._size = defaultdict(dict), defaultdict(dict), 0

    def __len__(self) -> int:
        """Return how many rows are held, those of both generations twice."""
        generations = (self._young, self._old)
        return sum(len(rows) for spaces in generations for rows in spaces.values())
