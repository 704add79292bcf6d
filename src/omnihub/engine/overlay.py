"""Uncommitted rows and effects of one task partition, with a savepoint per record.

Guarantees: a record that fails leaves neither rows nor outputs nor timers; a batch that is rolled
back leaves nothing at all; what is read is what was last written, in this order: this record, this
batch, the store.
"""

from typing import TypeVar

from omnihub.engine.store import RowKey, Store
from omnihub.model.record import Record

R = TypeVar("R", bound=Record)
MISSING = object()


class Overlay:
    """Rows on top of a store; implements `Rows` for the handler."""

    __slots__ = ("_record", "_store", "staged")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._record: dict[RowKey, Record | None] = {}
        self.staged: dict[RowKey, Record | None] = {}

    def get(self, kind: type[R], key: str) -> R | None:
        """See `Rows.get`."""
        at = (kind, key)
        row = self._record.get(at, MISSING)
        if row is MISSING:
            row = self.staged.get(at, MISSING)
            if row is MISSING:
                row = self._store.get(at)
        return row  # type: ignore[return-value]

    def put(self, key: str, row: Record) -> None:
        """See `Rows.put`."""
        self._record[type(row), key] = row

    def delete(self, kind: type[Record], key: str) -> None:
        """See `Rows.delete`."""
        self._record[kind, key] = None

    def keep_record(self) -> None:
        """The record succeeded: its rows join the batch."""
        if self._record:
            self.staged.update(self._record)
            self._record.clear()

    def drop_record(self) -> None:
        """The record failed: forget what it wrote."""
        self._record.clear()

    def keep_batch(self) -> None:
        """The transaction committed: the store takes the batch over."""
        self._store.apply(self.staged)
        self.staged = {}

    def drop_batch(self) -> None:
        """The transaction failed: forget the batch."""
        self._record.clear()
        self.staged = {}
