"""Keeps a set of processes running: ready gates on the way up, restarts, reverse order down.

Guarantees: a stage starts when every process of the stage before is ready; a process that dies is
started again at once the first time, later with a growing pause (under 1 s); one that dies
`DEATHS_ALLOWED` times within `DEATH_WINDOW_S`, or says its configuration is wrong (exit 2) or that
its release must not run on what it found (exit 4), ends everything with an error that names it and
quotes its last lines; stopping leaves no child behind.
Does not: know what the processes are; restart what is alive but not ready.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from omnihub.model.errors import ConfigurationError, OmniHubError, Refused
from omnihub.ops.childhood import SUPERVISOR_VARIABLE
from omnihub.ops.forked import Forked
from omnihub.ops.nursery import Nursery, spawn
from omnihub.ops.probe import NO_ANSWER, probe

DEATHS_ALLOWED = 5
DEATH_WINDOW_S = 60.0
PAUSES_S = (0.0, 0.1, 0.3, 0.6)
CONFIGURATION_EXIT = 2
REFUSED_EXIT = 4
_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_QUOTED_LINES = 8
Running = asyncio.subprocess.Process | Forked


class ProcessKeepsDying(OmniHubError):
    """A process cannot be kept running; everything was stopped."""


class NotReady(OmniHubError):
    """A process did not become ready in time; everything was stopped."""


class ProcessState(StrEnum):
    """Where a process is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running; `port` serves its /ready. Stages start in ascending order.

    `is_warm` says that it is a command of ours, to come from the nursery (`omnihub.ops.nursery`).
    """

    name: str
    command: tuple[str, ...]
    port: int
    stage: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)
    is_warm: bool = False
    ready_timeout_s: float = 90.0
    stop_grace_s: float = 10.0


@dataclass(slots=True)
class Child:
    """A process as it is now."""

    spec: ProcessSpec
    state: ProcessState = ProcessState.WAITING
    pid: int | None = None
    restarts: int = 0
    failing: str = ""
    deaths: deque[float] = field(default_factory=deque)
    log_offset: int = 0
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)
    was_live: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every child gets: a folder for logs, the environment, the key its /ready asks for."""

    log_dir: Path
    environ: Mapping[str, str]
    token: str
    host: str = "127.0.0.1"


class Supervisor:
    """Runs the processes until told to stop.

    `on_change` is called at every change of a child; `before_stage` is awaited, by number, once
    the stage before is ready.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        around: Surroundings,
        on_change: Callable[[Child], None] = lambda child: None,
        before_stage: Mapping[int, Callable[[], Awaitable[None]]] | None = None,
    ) -> None:
        self.children = [Child(spec) for spec in sorted(specs, key=lambda spec: spec.stage)]
        self._around = around
        self._on_change = on_change
        self._before_stage = before_stage or {}
        self._running: dict[str, Running] = {}
        self._nursery = Nursery(around.log_dir, around.environ)

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Start all, keep them running until `stop`, then end them; sets `ready` when all are.

        Raises:
            ProcessKeepsDying, NotReady, ConfigurationError: after everything was stopped.
        """
        self._around.log_dir.mkdir(parents=True, exist_ok=True)
        try:
            async with _first_error(), asyncio.TaskGroup() as group:
                keepers: list[asyncio.Task[None]] = []
                starter = group.create_task(self._start_all(group, keepers, ready))
                await stop.wait()
                starter.cancel()
                for keeper in keepers:
                    keeper.cancel()
        finally:
            await self._nursery.close()
            await self._stop_all()

    async def _start_all(
        self,
        group: asyncio.TaskGroup,
        keepers: list[asyncio.Task[None]],
        ready: asyncio.Event | None,
    ) -> None:
        keepers.append(group.create_task(self._open_nursery()))
        for number, stage in groupby(self.children, key=lambda child: child.spec.stage):
            members = list(stage)
            if prepare := self._before_stage.get(number):
                await prepare()
            keepers += [group.create_task(self._keep(child)) for child in members]
            await asyncio.gather(*(self._until_first_ready(child) for child in members))
        if ready is not None:
            ready.set()

    async def _open_nursery(self) -> None:
        """Let the imports of later stages run while the first one starts, but not before it."""
        if any(child.spec.is_warm for child in self.children):
            cold = [child for child in self.children if not child.spec.is_warm]
            await asyncio.gather(*(child.was_live.wait() for child in cold[:1]))
            await self._nursery.open()

    async def _keep(self, child: Child) -> None:
        """Run one process for ever."""
        while True:
            process = await self._spawn(child)
            watcher = asyncio.create_task(self._watch_readiness(child))
            try:
                code = await process.wait()
            finally:
                watcher.cancel()
            self._buried(child, code)
            await asyncio.sleep(PAUSES_S[min(len(child.deaths), len(PAUSES_S)) - 1])
            child.restarts += 1

    async def _spawn(self, child: Child) -> Running:
        log_path = self.log_path(child.spec.name)
        _rotate(log_path)
        child.log_offset = log_path.stat().st_size if log_path.exists() else 0
        environ = {
            **self._around.environ,
            **child.spec.environ,
            SUPERVISOR_VARIABLE: str(os.getpid()),
        }
        process: Running | None = None
        if child.spec.is_warm:
            process = await self._nursery.fork(child.spec.command, environ, log_path)
        if process is None:
            process = await spawn(child.spec.command, environ, log_path)
        self._running[child.spec.name] = process
        child.pid = process.pid
        self._change(child, ProcessState.STARTING)
        return process

    def log_path(self, name: str) -> Path:
        """Return the file that holds what process `name` writes."""
        return self._around.log_dir / f"{name}.log"

    async def _watch_readiness(self, child: Child) -> None:
        url = f"http://{self._around.host}:{child.spec.port}/ready"
        while True:
            child.failing = await probe(url, self._around.token) or ""
            if not child.failing.startswith(NO_ANSWER):
                child.was_live.set()
            if not child.failing:
                child.was_ready.set()
                return self._change(child, ProcessState.READY)
            await asyncio.sleep(0.05)

    async def _until_first_ready(self, child: Child) -> None:
        try:
            async with asyncio.timeout(child.spec.ready_timeout_s):
                await child.was_ready.wait()
        except TimeoutError:
            raise NotReady(
                f"{child.spec.name} is not ready after {child.spec.ready_timeout_s:.0f} s: "
                f"{child.failing or 'no answer'}. Its last lines "
                f"({self.log_path(child.spec.name)}):\n{self._last_lines(child)}"
            ) from None

    def _buried(self, child: Child, code: int) -> None:
        """Note a death; too many, or a wrong configuration, are the end."""
        now = time.monotonic()
        child.deaths.append(now)
        while child.deaths[0] < now - DEATH_WINDOW_S:
            child.deaths.popleft()
        self._running.pop(child.spec.name, None)
        child.pid = None
        child.failing = f"ended with {_how(code)}"
        self._change(child, ProcessState.STARTING)
        quoted = f"Its last lines ({self.log_path(child.spec.name)}):\n{self._last_lines(child)}"
        if code == CONFIGURATION_EXIT:
            raise ConfigurationError(f"{child.spec.name} refuses its configuration. {quoted}")
        if code == REFUSED_EXIT:
            raise Refused(f"{child.spec.name} refuses to run. {quoted}")
        if len(child.deaths) >= DEATHS_ALLOWED:
            raise ProcessKeepsDying(
                f"{child.spec.name} died {len(child.deaths)} times within "
                f"{DEATH_WINDOW_S:.0f} s, the last time with {_how(code)}. {quoted}"
            )

    def _last_lines(self, child: Child) -> str:
        try:
            with self.log_path(child.spec.name).open("rb") as log:
                log.seek(child.log_offset)
                text = log.read()[-20_000:].decode(errors="replace")
        except FileNotFoundError:
            text = ""
        lines = [line for line in text.splitlines() if line.strip()]
        return "\n".join(f"  {line}" for line in lines[-_QUOTED_LINES:]) or "  (nothing)"

    async def _stop_all(self) -> None:
        for _, stage in groupby(reversed(self.children), key=lambda child: child.spec.stage):
            await asyncio.gather(*(self._stop(child) for child in stage))

    async def _stop(self, child: Child) -> None:
        process = self._running.pop(child.spec.name, None)
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), child.spec.stop_grace_s)
            except TimeoutError:
                process.kill()
                await process.wait()
        child.pid = None
        self._change(child, ProcessState.STOPPED)

    def _change(self, child: Child, state: ProcessState) -> None:
        child.state = state
        self._on_change(child)


@contextlib.asynccontextmanager
async def _first_error() -> AsyncIterator[None]:
    """Turn a task group's error into the first of ours in it."""
    try:
        yield
    except* OmniHubError as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _rotate(path: Path) -> None:
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
