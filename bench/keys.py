"""What many keys cost: events/s at 10,000, 100,000 and 1,000,000 keys, memory, and restore.

Memory is resident memory at the end of the run with a million keys less that with ten thousand; of
Java after a full collection. Restore is what each side itself reports for reading the changelog of
the run with a million keys after its store was deleted: records/s from the first to the last.
"""

import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench import sink
from bench.entry import Bar, Entry
from bench.lab import Child, Lab, Run, Side, SideFailed, check_alive, running
from bench.peers import HUB, KAFKA_STREAMS
from bench.plan import Bench, Options

EVENTS = {10_000: 300_000, 100_000: 300_000, 1_000_000: 1_300_000}
RESTORES = 3
RESTORE_TIMEOUT_S = 120.0
LIMITS = "docs/decisions/0013-benchmark-limits.md"
RESTORE_BAR = 150_000.0
SIDES = (HUB, KAFKA_STREAMS)


@dataclass(frozen=True, slots=True)
class Found:
    """What one run showed."""

    rate: float
    memory_bytes: int


def memory_of(children: Sequence[Child]) -> int:
    """Return the resident memory of processes; a Java one is made to collect first."""
    total = 0
    for child in children:
        if "java" in str(child.args) and (jcmd := shutil.which("jcmd")):
            subprocess.run([jcmd, str(child.pid), "GC.run"], capture_output=True, check=False)
        total += resident(child.pid)
    return total


def resident(pid: int) -> int:
    """Return the resident memory of one process in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def restored(told: str, at_least: int) -> float | None:
    """Return records/s of the restore of so many rows that a log tells of, if it does."""
    for line in told.splitlines():
        if line.startswith('{"restored"') and line.endswith("}"):
            found = json.loads(line)
            if found["restored"] >= at_least:
                return float(found["restored"] / found["seconds"])
    return None


def restores(lab: Lab, side: Side, run: Run, keys: int) -> Iterator[float]:
    """Start a side again and again on its changelog, without its store."""
    log = run.folder / "log"
    for _ in range(RESTORES):
        shutil.rmtree(run.folder / "state", ignore_errors=True)
        known = len(log.read_text(errors="replace"))
        with running(side.commands(run), log) as children:
            deadline = time.monotonic() + RESTORE_TIMEOUT_S
            while (rate := restored(log.read_text(errors="replace")[known:], keys)) is None:
                check_alive(children)
                if time.monotonic() > deadline:
                    raise SideFailed(f"no restore in {RESTORE_TIMEOUT_S:g} s")
                time.sleep(0.1)
        lab.say(f"restore: {side.name:14} {rate:10,.0f} records/s")
        yield rate


class Keys:
    """One store's runs over all numbers of keys."""

    def __init__(self, lab: Lab, store: str, options: Options) -> None:
        self._lab = lab
        self._store = store
        self._rounds = min(options.rounds, 2)
        self.events = {
            keys: options.events or events
            for keys, events in EVENTS.items()
            if keys <= (options.events or events)
        }
        self._most = max(self.events)
        self.found: dict[tuple[str, int], list[Found]] = {}
        self.restores: dict[str, list[float]] = {side.name: [] for side in SIDES}

    def play(self) -> None:
        """Alternate the sides at each number of keys."""
        for keys in self.events:
            for number in range(self._rounds if keys < self._most else 1):
                for side in SIDES:
                    self._run(side, keys, number)

    def _run(self, side: Side, keys: int, number: int) -> None:
        lab, events = self._lab, self.events[keys]
        run = lab.run(side.name, lab.input(events, keys), store=self._store)
        with lab.reporting(side.name, run), lab.forgetting(run):
            with running(side.commands(run), run.folder / "log") as children:
                rate = sink.rate(lab.bootstrap, run.sink, events, children)
                found = Found(rate, memory_of(children))
            self.found.setdefault((side.name, keys), []).append(found)
            mib = found.memory_bytes / 2**20
            told = f"{rate:9,.0f} events/s {mib:6,.0f} MiB"
            lab.say(f"{self._store}, {keys:9,} keys: {side.name:14} round {number} {told}")
            if keys == self._most:
                self.restores[side.name].extend(restores(lab, side, run, keys))

    def costs(self, keys: int) -> dict[str, list[float]]:
        """Return microseconds per event of each side."""
        return {
            side.name: [1e6 / one.rate for one in self.found.get((side.name, keys), ())]
            for side in SIDES
        }

    def memory(self) -> dict[str, list[float]]:
        """Return MiB per million keys of each side."""
        per: dict[str, list[float]] = {}
        for side in SIDES:
            least, most = min(self.events), self._most
            few, many = (self.found.get((side.name, keys), ()) for keys in (least, most))
            if few and many and most > least:
                base = statistics.median(one.memory_bytes for one in few)
                share = (most - least) / 1e6
                per[side.name] = [(one.memory_bytes - base) / 2**20 / share for one in many]
        return per


def play(lab: Lab, options: Options, store: str) -> Iterator[Entry]:
    """Measure cost, memory and restore with one kind of store."""
    keys = Keys(lab, store, options)
    keys.play()
    failed = lab.failures(f"keys, {store}")
    for count, events in keys.events.items():
        yield Entry(
            f"cost per event at {count:,} keys, state in {store}",
            "µs/event",
            keys.costs(count),
            setting={"events": events},
            failed=failed,
        )
    yield Entry(f"memory per million keys, state in {store}", "MiB", keys.memory(), failed=failed)
    yield Entry(
        f"restore from the changelog, state in {store}",
        "records/s",
        keys.restores,
        [_restore_bar(keys.restores)],
        LIMITS,
        failed=failed,
    )


def _restore_bar(found: dict[str, list[float]]) -> Bar:
    """150,000 a second, or as fast as Kafka Streams where that is less."""
    text = "≥ 150,000 records/s or ≥ Kafka Streams"
    streams = found.get(KAFKA_STREAMS.name)
    return Bar(text, min(RESTORE_BAR, statistics.median(streams)) if streams else RESTORE_BAR)


BENCHES = tuple(
    Bench(
        name,
        seconds,
        lambda lab, options, store=store: play(lab, options, store),
    )
    for name, seconds, store in (("keys", 270, "memory"), ("keys-disk", 270, "disk"))
)
