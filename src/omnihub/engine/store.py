"""Committed rows of one task partition.

Guarantees: a row read is the row last committed; rows come back from the changelog as bytes and
are decoded on first use. Does not: hold anything uncommitted (see `overlay`), or outlive the
process: the changelog does that.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from omnihub.contracts.codec import Codec
from omnihub.model.record import Record

RowKey = tuple[type[Record], str]
SEPARATOR = "\x1f"


class Store(Protocol):
    """Where committed rows live."""

    def get(self, key: RowKey) -> Record | None:
        """Return the committed row, or None."""

    def apply(self, rows: Mapping[RowKey, Record | None]) -> None:
        """Take over a committed batch; None deletes."""

    def restore(self, key: RowKey, value: bytes | None) -> None:
        """Take one changelog record; the last one of a key wins."""

    def of_kind(self, kind: type[Record]) -> Iterator[tuple[str, Record]]:
        """Return every row of one type: only when a task opens, it looks at all rows."""

    def __len__(self) -> int:
        """Return the number of rows."""


class MemoryStore:
    """Rows in a dict: decoded once used, bytes before."""

    def __init__(self, codec: Codec) -> None:
        self._decode = codec.decode
        self._rows: dict[RowKey, Record | bytes] = {}

    def get(self, key: RowKey) -> Record | None:
        """See `Store.get`."""
        row = self._rows.get(key)
        if type(row) is bytes:
            row = self._rows[key] = self._decode(row)
        return row  # type: ignore[return-value]

    def apply(self, rows: Mapping[RowKey, Record | None]) -> None:
        """See `Store.apply`."""
        for key, row in rows.items():
            if row is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = row

    def restore(self, key: RowKey, value: bytes | None) -> None:
        """See `Store.restore`."""
        if value is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = value

    def of_kind(self, kind: type[Record]) -> Iterator[tuple[str, Record]]:
        """See `Store.of_kind`."""
        for row_kind, key in [known for known in self._rows if known[0] is kind]:
            row = self.get((row_kind, key))
            if row is not None:
                yield key, row

    def __len__(self) -> int:
        """See `Store.__len__`."""
        return len(self._rows)


def changelog_key(key: RowKey) -> bytes:
    """Return the changelog key of a row: its type's name and its key."""
    return f"{key[0].__name__}{SEPARATOR}{key[1]}".encode()


def row_key(data: bytes, kinds: Mapping[str, type[Record]]) -> RowKey:
    """Return the row that a changelog key stands for; raises KeyError for a type we do not know."""
    kind, _, key = data.decode().partition(SEPARATOR)
    return kinds[kind], key


def kinds_by_name(records: Iterable[type[Record]]) -> dict[str, type[Record]]:
    """Return record types by their short name."""
    return {kind.__name__: kind for kind in records}
