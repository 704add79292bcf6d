"""Committed rows of one task partition.

Guarantees: a row read is the row last committed; rows come back from the changelog as bytes and
are decoded on first use. Does not: hold anything uncommitted (see `overlay`), or outlive the
process: the changelog does that.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from omnihub.contracts.codec import FRAME_BYTES, Codec
from omnihub.model.record import Record

R = TypeVar("R", bound=Record)
RowKey = tuple[type[Record], str]
SEPARATOR = "\x1f"


class Store(Protocol):
    """Where committed rows live."""

    def get(self, key: RowKey) -> Record | None:
        """Return the committed row, or None."""

    def apply(self, rows: Mapping[RowKey, Record | None]) -> None:
        """Take over a committed batch; None deletes."""

    def restore(self, key: RowKey, value: bytes | None) -> None:
        """Take one changelog record; the last one of a key wins.

        Raises:
            Undecodable: it was written under a schema that this release cannot read, or would
                lose fields of (NewerSchema).
        """

    def of_kind(self, kind: type[R]) -> Iterator[tuple[str, R]]:
        """Return every row of one type, at the cost of those rows alone."""

    def __len__(self) -> int:
        """Return the number of rows."""


class MemoryStore:
    """Rows in a dict for each type: decoded once used, bytes before."""

    def __init__(self, codec: Codec) -> None:
        self._decode = codec.decode
        self._admit = codec.admit_row
        self._frames: set[bytes] = set()
        self._rows: defaultdict[type[Record], dict[str, Record | bytes]] = defaultdict(dict)

    def get(self, key: RowKey) -> Record | None:
        """See `Store.get`."""
        rows = self._rows[key[0]]
        row = rows.get(key[1])
        if type(row) is bytes:
            row = rows[key[1]] = self._decode(row)
        return row  # type: ignore[return-value]

    def apply(self, rows: Mapping[RowKey, Record | None]) -> None:
        """See `Store.apply`."""
        committed = self._rows
        for (kind, key), row in rows.items():
            if row is None:
                committed[kind].pop(key, None)
            else:
                committed[kind][key] = row

    def restore(self, key: RowKey, value: bytes | None) -> None:
        """See `Store.restore`."""
        kind, name = key
        if value is None:
            self._rows[kind].pop(name, None)
            return
        if value[:FRAME_BYTES] not in self._frames:
            self._admit(value)  # Every schema once: what cannot be read must not wait for its use.
            self._frames.add(value[:FRAME_BYTES])
        self._rows[kind][name] = value

    def of_kind(self, kind: type[R]) -> Iterator[tuple[str, R]]:
        """See `Store.of_kind`."""
        for key in list(self._rows[kind]):
            row = self.get((kind, key))
            if isinstance(row, kind):
                yield key, row

    def __len__(self) -> int:
        """See `Store.__len__`."""
        return sum(map(len, self._rows.values()))


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
