"""What every benchmark needs: a broker of its own, topics, the sides' processes, progress.

Guarantees: everything started here ends with it, by process id; a side that fails is reported with
the end of its log and does not stop the others.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic
from rich.progress import Progress

from bench.load import preload
from omnihub.broker.embedded import EmbeddedKafka

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
PARTITIONS = 4
TOPIC_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
LOG_TAIL = 400
Child = subprocess.Popen[bytes]


class SideFailed(Exception):
    """One side ended, or did not get through its input in time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One side's turn: where it reads and writes, under which name, with which settings."""

    bootstrap: str
    name: str
    source: str
    sink: str
    folder: Path
    store: str = "memory"
    workers: int = 1
    hops: int = 1
    commit_ms: int | None = 100

    @property
    def middle(self) -> str:
        """The topic between two hops."""
        return self.sink.replace(".out.", ".middle.")


@dataclass(frozen=True, slots=True)
class Side:
    """A contender: the commands that start its processes."""

    name: str
    commands: Callable[[Run], Sequence[list[str]]]
    setting: dict[str, object] = field(default_factory=dict)


class Lab:
    """The broker and what runs beside it; use it as a context manager."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.failed: dict[str, str] = {}
        self._loaded: dict[tuple[int, int], str] = {}
        self._runs = 0

    def __enter__(self) -> "Lab":
        shutil.rmtree(BUILD / "kafka", ignore_errors=True)
        shutil.rmtree(BUILD / "runs", ignore_errors=True)
        (BUILD / "runs").mkdir(parents=True, exist_ok=True)
        self._broker = EmbeddedKafka(BUILD / "kafka")
        self.bootstrap = self._broker.start().bootstrap
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.stop()

    def create_topic(self, name: str, partitions: int = PARTITIONS, **config: str) -> None:
        """Create one topic and wait for it."""
        topic = NewTopic(name, partitions, 1, config=config)
        self._admin.create_topics([topic])[name].result(TOPIC_TIMEOUT_S)

    def drop_topics(self, like: str) -> None:
        """Delete the topics whose name holds `like`."""
        known = self._admin.list_topics(timeout=TOPIC_TIMEOUT_S).topics
        names = [name for name in known if like in name]
        for done in self._admin.delete_topics(names).values() if names else ():
            done.result(TOPIC_TIMEOUT_S)

    def input(self, events: int, keys: int) -> str:
        """Return a topic with so many movements over so many SKUs, loaded once."""
        name = self._loaded.get((events, keys))
        if name is None:
            name = self._loaded[events, keys] = f"omni.bench.in{events}x{keys}.v1"
            self.create_topic(name)
            loading = self.progress.add_task(f"load {events:,} events", total=events)
            for done in preload(self.bootstrap, name, events, keys, PARTITIONS):
                self.progress.update(loading, completed=done)
            self.progress.remove_task(loading)
        return name

    def run(self, side: str, source: str, **settings: object) -> Run:
        """Return a fresh run: a name, an empty folder and an empty sink of its own."""
        name = f"r{self.number():03d}{side.replace('_', '')}"
        folder = BUILD / "runs" / name
        folder.mkdir()
        run = Run(self.bootstrap, name, source, f"omni.bench.out.{name}.v1", folder, **settings)  # type: ignore[arg-type]
        self.create_topic(run.sink)
        if run.hops > 1:
            self.create_topic(run.middle)
        return run

    def number(self) -> int:
        """Return a number that no other run in this lab has."""
        self._runs += 1
        return self._runs

    def say(self, line: str) -> None:
        """Print a line above the progress bar."""
        self.progress.console.print(line, highlight=False)

    def failures(self, bench: str) -> dict[str, str]:
        """Return what failed since the last call; the next benchmark tries every side again."""
        failed, self.failed = self.failed, {}
        for side in failed:
            self.say(f"[red]{bench}: {side} failed")
        return failed

    @contextlib.contextmanager
    def playing(self, side: Side, run: Run) -> Iterator[list[Child]]:
        """Run a side's processes for the time of the block, then forget its topics."""
        with self.forgetting(run), running(side.commands(run), run.folder / "log") as children:
            yield children

    @contextlib.contextmanager
    def forgetting(self, run: Run) -> Iterator[None]:
        """Delete a run's topics and store after the block: the disk must not fill up."""
        try:
            yield
        finally:
            self.drop_topics(run.name)
            shutil.rmtree(run.folder / "state", ignore_errors=True)

    @contextlib.contextmanager
    def reporting(self, side: str, run: Run) -> Iterator[None]:
        """Let a failing side be a line in the report instead of the end."""
        try:
            yield
        except (SideFailed, subprocess.CalledProcessError, OSError) as error:
            log = run.folder / "log"
            tail = log.read_text(errors="replace")[-LOG_TAIL:] if log.exists() else ""
            self.failed[side] = f"{error} {tail}".strip()
            self.progress.console.print(f"[red]{side}: {error}")


@contextlib.contextmanager
def running(commands: Sequence[list[str]], log: Path) -> Iterator[list[Child]]:
    """Run commands, each in a process group of its own, for the time of the block."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    children: list[Child] = []
    with log.open("ab") as out:
        try:
            for command in commands:
                children.append(
                    subprocess.Popen(
                        command, stdout=out, stderr=out, start_new_session=True, cwd=ROOT, env=env
                    )
                )
            yield children
        finally:
            for child in children:
                _signal(child, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            for child in children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.1, deadline - time.monotonic()))
                _signal(child, signal.SIGKILL)
                child.wait()


def check_alive(children: Sequence[Child]) -> None:
    """Raise if a side's process has ended.

    Raises:
        SideFailed: it has.
    """
    for child in children:
        if child.poll() is not None:
            raise SideFailed(f"its process ended with {child.returncode}")


def _signal(child: Child, number: int) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
