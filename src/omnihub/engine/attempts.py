"""Finds the record that kills the process (a crash of the interpreter, memory, an endless loop).

Guarantees: the first batch after a start is announced in the changelog before it runs, and the note
goes with its commit. A batch that three processes did not survive is run record by record, each
announced; the record that ends a fourth is not run again but parked.
Does not: count what a living process rolled back itself, or find a killer that spares first batches
for three starts in a row.
"""

from omnihub.engine.overlay import Overlay
from omnihub.engine.store import Store
from omnihub.model.records import TaskAttempt

DEATHS_ALLOWED = 3
KEY = ""


class Attempts:
    """What is known of the batch that one task partition runs first."""

    def __init__(self, overlay: Overlay, run: str) -> None:
        self._overlay = overlay
        self._run = run
        self._row: TaskAttempt | None = None
        self.is_pending = True
        self.culprit: int | None = None

    @property
    def is_suspect(self) -> bool:
        """Tell whether a process died over the batch that comes first now."""
        return self._row is not None

    def rebuild(self, store: Store, next_offset: int) -> None:
        """Read what earlier processes announced and did not commit."""
        row = store.get((TaskAttempt, KEY))
        is_open = isinstance(row, TaskAttempt) and row.until_offset > next_offset
        self._row = row if isinstance(row, TaskAttempt) and is_open else None
        self.is_pending = True
        self.culprit = None
        if self._row is not None and self._row.run != self._run:
            self.culprit = self._row.running_offset

    def announce(self, offset: int, until_offset: int) -> bool:
        """Note that the record at `offset` is about to be run; tell whether it must run alone."""
        row = self._row
        starts, until = 1, until_offset
        if row is not None:
            starts = row.starts + (row.run != self._run)
            until = max(until_offset, row.until_offset)
        is_single = starts > DEATHS_ALLOWED
        self._row = TaskAttempt(
            run=self._run,
            starts=starts,
            until_offset=until,
            running_offset=offset if is_single else None,
        )
        self._overlay.put(KEY, self._row)
        self._overlay.keep_record()
        self.is_pending = is_single
        return is_single

    def settle(self, next_offset: int) -> None:
        """Before a commit: forget the note if the commit covers its batch."""
        if self._row is not None and next_offset >= self._row.until_offset:
            self._row = None
            self.is_pending = False
            self._overlay.delete(TaskAttempt, KEY)
            self._overlay.keep_record()
