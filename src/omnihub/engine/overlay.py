"""Uncommitted rows of one task partition, with a savepoint per record.

Guarantees: a record that fails leaves no row; a batch that is rolled back leaves nothing at all;
what is read is what was last written: by this record, this batch, or a committed one.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from omnihub.engine.store import Change, RowKey, Store
from omnihub.model.record import Record

R = TypeVar("R", bound=Record)
MISSING = object()


class Overlay:
    """Rows on top of a store; implements `Rows` for the handler."""

    __slots__ = ("_committed", "_store", "_undo", "staged")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._committed = store.get
        self._undo: list[tuple[RowKey, object]] = []
        self.staged: dict[RowKey, Record | None] = {}

    def get(self, kind: type[R], key: str) -> R | None:
        """See `Rows.get`."""
        at = (kind, key)
        row = self.staged.get(at, MISSING)
        if row is MISSING:
            return self._committed(at)  # type: ignore[return-value]
        return row  # type: ignore[return-value]

    def put(self, key: str, row: Record) -> None:
        """See `Rows.put`."""
        self._write((type(row), key), row)

    def delete(self, kind: type[Record], key: str) -> None:
        """See `Rows.delete`."""
        self._write((kind, key), None)

    def _write(self, at: RowKey, row: Record | None) -> None:
        staged = self.staged
        self._undo.append((at, staged.get(at, MISSING)))
        staged[at] = row

    def of_record(self) -> Iterator[Record | None]:
        """Return the rows written since the savepoint."""
        return (self.staged[at] for at, _ in self._undo)

    def keep_record(self) -> None:
        """The record succeeded: its rows stay in the batch."""
        self._undo.clear()

    def drop_record(self) -> None:
        """The record failed: take back what it wrote."""
        for at, before in reversed(self._undo):
            if before is MISSING:
                del self.staged[at]
            else:
                self.staged[at] = before  # type: ignore[assignment]
        self._undo.clear()

    def keep_batch(self, changes: Sequence[Change] = (), markers: int = 1) -> None:
        """The transaction committed: the store takes the batch over."""
        self._store.apply(self.staged, changes, markers)
        self.staged = {}

    def drop_batch(self) -> None:
        """The transaction failed: forget the batch."""
        self._undo.clear()
        self.staged = {}
