"""Many timers: a rule that arms them, the worker that runs it, and what must come of them.

The rule takes the ledger's place on its topics. A movement's number is that of the first of its
timers; its time is the moment around which they are due.
"""

import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec

from chaos import worker
from chaos.checker import ByKey, sequences
from chaos.findings import Finding, Kind
from chaos.installation import Installation, movement
from chaos.plants import Options, plant
from chaos.supervisor import Supervisor
from omnihub.engine.timers import Timers
from omnihub.model.record import Record
from omnihub.model.records import StockMoved, TimerDue
from omnihub.rules.rule import Out, Rows, Rule, on, on_timer

PER_MOVEMENT = 200
KEYS = 50
SPREAD_US = 6_000_000


def due_at_us(number: int, around_us: int) -> int:
    """Half of the timers are due at one moment, the others anywhere around it."""
    if number % 2:
        return around_us
    return around_us - SPREAD_US // 2 + number * 7919 % (SPREAD_US // 1000) * 1000


class Alarm(Rule):
    """Arms many timers for a movement, and tells each that comes due by its number."""

    name: ClassVar[str] = ""
    inbox: ClassVar[str] = ""
    events: ClassVar[str] = ""

    def __init__(self, mark: str) -> None:
        self.name = f"ledger-{mark}"  # type: ignore[misc]
        self.inbox, self.events = f"omni.{mark}.inbox.v1", f"omni.{mark}.event.v1"  # type: ignore[misc]

    def park_key(self, record: Record) -> str:
        return str(getattr(record, "sku", ""))

    @on(StockMoved)
    def on_movement(self, moved: StockMoved, rows: Rows, out: Out) -> None:
        first, around_us = int(moved.movement_id), moved.meta.occurred_at_us
        for number in range(first, first + PER_MOVEMENT):
            out.arm("ring", moved.sku, str(number), due_at_us(number, around_us))

    @on_timer("ring")
    def on_ring(self, due: TimerDue, rows: Rows, out: Out) -> None:
        out.emit(self.events, rung(int(due.timer_id), due.key))


def rung(number: int, sku: str) -> StockMoved:
    """Return what tells that a timer came due."""
    told = movement(number, 0, None)
    return msgspec.structs.replace(told, sku=sku, movement_id=str(number))


@plant
def timers_forgotten() -> Options:
    """Do not look at the timers' rows when a task opens."""
    Timers.rebuild = lambda timers, store: None  # type: ignore[method-assign]
    return {}


class Alarms(Installation):
    """The ledger's topics, with the alarm on them."""

    timers = 0
    around_us = 0

    def arm(self, count: int, around_us: int) -> None:
        """Append the movements that arm timers due around a moment."""
        self.timers, self.around_us = count, around_us
        for first in range(0, count, PER_MOVEMENT):
            moved = movement(first, first // PER_MOVEMENT % KEYS, None)
            meta = msgspec.structs.replace(moved.meta, occurred_at_us=around_us)
            moved = msgspec.structs.replace(moved, movement_id=str(first), meta=meta)
            key = self.topics.spec(self.rules[0].inbox).key_of(moved)
            self.append_raw(self.codec.encode(moved), key)
        self.flush()

    def start_worker(
        self, slot: str, fault: str | None, extra: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a worker of the alarm."""
        given = {"bootstrap": self.bootstrap, "mark": self.mark, "slot": slot}
        given |= {"contract": str(self.contract), "fault": fault, "plant": self.plant}
        words = [word for name, v in given.items() if v for word in (f"--{name}", v)]
        with self.log.open("ab") as log:
            command = [sys.executable, str(Path(__file__)), *words, *extra]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def fired(self) -> int:
        """Return how many timers the rule was told of."""
        return sum(map(len, self.read(self.rules[0].events)))

    def findings(self) -> list[Finding]:
        """Return what is wrong: each timer once, in order per key, sent and told."""
        expected: ByKey = defaultdict(list)
        for number in range(self.timers):
            sku = f"sku-{number // PER_MOVEMENT % KEYS}"
            expected[sku].append((due_at_us(number, self.around_us), f"ring:{number}"))
        for moments in expected.values():
            moments.sort()  # Timers of one moment come in the order of their ids.
        sent, told = defaultdict(list), defaultdict(list)
        for lane in self.read(self.rules[0].inbox):
            for seen in lane:
                if isinstance(seen.record, TimerDue):
                    sent[seen.record.key].append(self._ring(seen.record.timer_id))
        for lane in self.read(self.rules[0].events):
            for seen in lane:
                if isinstance(seen.record, StockMoved):
                    told[seen.record.sku].append(self._ring(seen.record.movement_id))
        return [
            *sequences("inbox", expected, sent),
            *sequences("event", expected, told),
            *self._leftovers(),
        ]

    def _ring(self, number: str) -> tuple[int, str]:
        return due_at_us(int(number), self.around_us), f"ring:{number}"

    def _leftovers(self) -> list[Finding]:
        rows: dict[str, object] = {}
        for lane in self.read(f"omni.changelog.{self.rules[0].name}.v1"):
            rows.update({seen.key: seen.record for seen in lane})
        left = [key for key, row in rows.items() if row is not None and key.startswith("TimerRow")]
        return [Finding(Kind.WRONG, f"rows of timers are left: {left[:3]}", len(left))] * bool(left)


def wait_for(is_true: Callable[[], bool], workers: Supervisor, timeout_s: float) -> float | None:
    """Tend workers until something is true; return the seconds it took, or None."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        workers.tend()
        if is_true():
            return time.monotonic() - began
        time.sleep(0.2)
    return None


if __name__ == "__main__":
    worker.handlers_of = lambda _, mark: [Alarm(mark)]
    worker.main()
