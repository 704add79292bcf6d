"""Timers of one task partition: rows with a deadline, in the changelog like any row.

Guarantees: a due timer appends `TimerDue` to its own inbox partition, inside a transaction, once;
the rule runs when it is read, so whatever was accepted before goes first. Moving or disarming a
timer that is not yet in the inbox cancels it; one that is in the inbox and was moved is ignored
when it is read. Does not: fire by business time; deadlines are on the engine's clock.
"""

import heapq

from omnihub.engine.overlay import Overlay
from omnihub.engine.store import Store
from omnihub.model.records import TimerDue, TimerRow


class Timers:
    """Knows which timer is due next; the rows decide what is true."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._heap: list[tuple[int, str]] = []

    def rebuild(self, store: Store) -> None:
        """Look at all timer rows once, when the task opens."""
        armed = store.of_kind(TimerRow)
        waiting = [(row.due_at_us, key) for key, row in armed if not row.sent]
        heapq.heapify(waiting)
        self._heap = waiting

    def put(self, key: str, row: TimerRow) -> None:
        """Arm or move a timer; a rolled-back one stays in the heap and is found untrue later."""
        self._overlay.put(key, row)
        heapq.heappush(self._heap, (row.due_at_us, key))

    def drop(self, key: str) -> None:
        """Disarm a timer."""
        self._overlay.delete(TimerRow, key)

    def next_due_at_us(self) -> int | None:
        """Return when the next timer may be due."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_us: int, limit: int) -> list[TimerDue]:
        """Mark up to `limit` due timers as sent and return what to append to the inbox."""
        due: list[TimerDue] = []
        while self._heap and self._heap[0][0] <= now_us and len(due) < limit:
            due_at_us, key = heapq.heappop(self._heap)
            row = self._overlay.get(TimerRow, key)
            if row is None or row.sent or row.due_at_us != due_at_us:
                continue
            self._overlay.put(key, _sent(row))
            due.append(
                TimerDue(
                    name=row.name,
                    key=row.key,
                    timer_id=row.timer_id,
                    due_at_us=due_at_us,
                    fired_at_us=now_us,
                )
            )
        return due

    def is_true(self, due: TimerDue) -> bool:
        """Settle a `TimerDue` that was read: tell whether it still holds, and forget its row."""
        key = f"{due.name}:{due.timer_id}"
        row = self._overlay.get(TimerRow, key)
        if row is None or row.due_at_us != due.due_at_us:
            return False
        self._overlay.delete(TimerRow, key)
        return True


def _sent(row: TimerRow) -> TimerRow:
    return TimerRow(
        name=row.name, key=row.key, timer_id=row.timer_id, due_at_us=row.due_at_us, sent=True
    )
