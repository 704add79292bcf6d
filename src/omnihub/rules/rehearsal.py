"""Runs one handler in memory: the double for tests of rules and mappings.

Guarantees: rows and effects of a record that raises are dropped, as in the engine. Does not: know
partitions, transactions, parking or timers coming due (the engine's test driver does).
"""

from dataclasses import dataclass, field

from omnihub.model.record import Record
from omnihub.rules.rule import Handler, R


@dataclass
class MemoryRows:
    """Rows in a dict, keyed by record type and key."""

    rows: dict[tuple[type[Record], str], Record] = field(default_factory=dict)

    def get(self, kind: type[R], key: str) -> R | None:
        """See `Rows.get`."""
        row = self.rows.get((kind, key))
        return row if isinstance(row, kind) else None

    def put(self, key: str, row: Record) -> None:
        """See `Rows.put`."""
        self.rows[type(row), key] = row

    def delete(self, kind: type[Record], key: str) -> None:
        """See `Rows.delete`."""
        self.rows.pop((kind, key), None)


@dataclass
class RecordedOut:
    """Effects as lists: `emitted` holds (topic, record), `timers` holds name and id to due time."""

    accepted_at_us: int = 0
    is_retry: bool = False
    emitted: list[tuple[str, Record]] = field(default_factory=list)
    timers: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def emit(self, topic: str, record: Record) -> None:
        """See `Out.emit`."""
        self.emitted.append((topic, record))

    def arm(self, name: str, key: str, timer_id: str, due_at_us: int) -> None:
        """See `Out.arm`."""
        self.timers[name, timer_id] = (key, due_at_us)

    def disarm(self, name: str, timer_id: str) -> None:
        """See `Out.disarm`."""
        self.timers.pop((name, timer_id), None)


@dataclass
class Rehearsal:
    """One handler with its rows and everything it emitted so far."""

    handler: Handler
    rows: MemoryRows = field(default_factory=MemoryRows)
    emitted: list[tuple[str, Record]] = field(default_factory=list)
    timers: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def play(
        self, record: Record, *, at_us: int = 0, is_retry: bool = False
    ) -> list[tuple[str, Record]]:
        """Handle one record accepted at `at_us` and return what it emitted."""
        before = dict(self.rows.rows)
        out = RecordedOut(at_us, is_retry, timers=dict(self.timers))
        try:
            self.handler.handle(record, self.rows, out)
        except Exception:
            self.rows.rows = before
            raise
        self.emitted += out.emitted
        self.timers = out.timers
        return out.emitted

    def emitted_to(self, topic: str) -> list[Record]:
        """Return what went to one topic so far."""
        return [record for to, record in self.emitted if to == topic]
