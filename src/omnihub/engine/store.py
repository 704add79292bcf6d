"""Committed rows of one task partition: the port, and the store in memory.

Guarantees: a row read is the row last committed; rows come back from the changelog as bytes and
are decoded on first use. What a store cannot vouch for it gives up itself: `resume` says from
where the changelog must be read.
Does not: hold anything uncommitted (see `overlay`); the one in memory does not outlive the process
(see `disk` for one that does).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from omnihub.contracts.codec import FRAME_BYTES, Codec
from omnihub.model.record import Record
from omnihub.model.records import RECORDS

R = TypeVar("R", bound=Record)
RowKey = tuple[type[Record], str]
Change = tuple[bytes, bytes | None]
"""One changelog record: a row's changelog key, and its bytes (None: deleted)."""
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Changelog:
    """What the cluster says of one changelog partition: its topic's id, first offset and end."""

    topic_id: str
    low: int
    end: int


class Store(Protocol):
    """Where committed rows of one task partition live."""

    def get(self, key: RowKey) -> Record | None:
        """Return the committed row, or None."""

    def apply(
        self, rows: Mapping[RowKey, Record | None], changes: Sequence[Change], markers: int
    ) -> None:
        """Take over a committed batch; None deletes.

        `changes` are the same rows as the changelog has them, followed there by so many markers.
        """

    def resume(self, changelog: Changelog) -> int:
        """Return the offset from which the changelog must be read to make the rows complete.

        Raises:
            Undecodable: kept rows were written under a schema that this release cannot read,
                or would lose fields of (NewerSchema).
        """

    def restore(self, changes: Sequence[Change], next_offset: int) -> None:
        """Take the changelog's records below `next_offset`; the last one of a key wins.

        Raises:
            KeyError: a row of a type that this release does not know.
            Undecodable: as for `resume`.
        """

    def of_kind(self, kind: type[R]) -> Iterator[tuple[str, R]]:
        """Return every row of one type, at the cost of those rows alone."""


class Stores(Protocol):
    """The stores of one worker, by changelog and partition."""

    def open(self) -> None:
        """Make ready; what cannot be read is given up.

        Raises:
            SlotTaken: another process has them open.
            StoreUnusable: (a RetryableError) the disk does not let us.
        """

    def store(self, changelog: str, partition: int, codec: Codec) -> Store:
        """Return the rows of one task partition, as far as they are kept."""

    def close(self) -> None:
        """Keep what is there for the next start."""


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

    def apply(
        self,
        rows: Mapping[RowKey, Record | None],
        _changes: Sequence[Change] = (),
        _markers: int = 1,
    ) -> None:
        """See `Store.apply`."""
        committed = self._rows
        for (kind, key), row in rows.items():
            if row is None:
                committed[kind].pop(key, None)
            else:
                committed[kind][key] = row

    def resume(self, changelog: Changelog) -> int:
        """See `Store.resume`: nothing is kept."""
        self._rows.clear()
        return changelog.low

    def restore(self, changes: Sequence[Change], next_offset: int) -> None:
        """See `Store.restore`."""
        rows, frames = self._rows, self._frames
        for data, value in changes:
            kind, key = row_key(data)
            if value is None:
                rows[kind].pop(key, None)
                continue
            if value[:FRAME_BYTES] not in frames:
                self._admit(value)  # Every schema once: what is unreadable must not wait for use.
                frames.add(value[:FRAME_BYTES])
            rows[kind][key] = value

    def of_kind(self, kind: type[R]) -> Iterator[tuple[str, R]]:
        """See `Store.of_kind`."""
        for key in list(self._rows[kind]):
            row = self.get((kind, key))
            if isinstance(row, kind):
                yield key, row

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(map(len, self._rows.values()))


class MemoryStores:
    """Stores that live as long as the process."""

    def open(self) -> None:
        """See `Stores.open`."""

    def store(self, changelog: str, partition: int, codec: Codec) -> Store:
        """See `Stores.store`."""
        return MemoryStore(codec)

    def close(self) -> None:
        """See `Stores.close`."""


def kinds_by_name(records: Iterable[type[Record]]) -> dict[str, type[Record]]:
    """Return record types by their short name."""
    return {kind.__name__: kind for kind in records}


KINDS = kinds_by_name(RECORDS)


def changelog_key(key: RowKey) -> bytes:
    """Return the changelog key of a row: its type's name and its key."""
    return f"{key[0].__name__}{SEPARATOR}{key[1]}".encode()


def row_key(data: bytes) -> RowKey:
    """Return the row that a changelog key stands for; raises KeyError for a type we do not know."""
    kind, _, key = data.decode().partition(SEPARATOR)
    return KINDS[kind], key
