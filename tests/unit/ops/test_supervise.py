"""The supervisor, with real child processes: what it starts, restarts, gives up on and stops."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from omnihub.model.errors import ConfigurationError, Refused
from omnihub.ops.supervise import (
    Child,
    NotReady,
    ProcessKeepsDying,
    ProcessSpec,
    ProcessState,
    Supervisor,
    Surroundings,
)

TOKEN = "token-of-the-run"
READY_CHILD = """
import sys, threading
from omnihub.ops.health import Health
from omnihub.ops.metrics import Metrics
from omnihub.ops.server import serve_ops
serve_ops("127.0.0.1", int(sys.argv[1]), Metrics(), Health("child"), lambda header: True)
threading.Event().wait()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spec(name: str, code: str, *, stage: int = 0, ready_timeout_s: float = 20.0) -> ProcessSpec:
    port = free_port()
    command = (sys.executable, "-c", code, str(port))
    return ProcessSpec(name, command, port, stage, ready_timeout_s=ready_timeout_s)


class Trail(list[tuple[str, ProcessState]]):
    def __call__(self, child: Child) -> None:
        self.append((child.spec.name, child.state))


def supervisor(tmp_path: Path, *specs: ProcessSpec, trail: Trail | None = None) -> Supervisor:
    return Supervisor(
        specs, Surroundings(tmp_path, dict(os.environ), TOKEN), Trail() if trail is None else trail
    )


@asynccontextmanager
async def running(it: Supervisor):
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(it.run(stop, ready))
    waiter = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield
    finally:
        stop.set()
        waiter.cancel()
        await task


async def until(condition) -> float:
    began = time.monotonic()
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  other processes set no event
            await asyncio.sleep(0.01)
    return time.monotonic() - began


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


async def test_a_stage_starts_only_when_the_one_before_is_ready(tmp_path: Path) -> None:
    trail = Trail()
    it = supervisor(
        tmp_path, spec("late", READY_CHILD, stage=1), spec("early", READY_CHILD), trail=trail
    )
    async with running(it):
        pass
    assert trail.index(("early", ProcessState.READY)) < trail.index(("late", ProcessState.STARTING))


async def test_stops_in_reverse_order_and_leaves_nothing_behind(tmp_path: Path) -> None:
    trail = Trail()
    it = supervisor(
        tmp_path, spec("early", READY_CHILD), spec("late", READY_CHILD, stage=1), trail=trail
    )
    async with running(it):
        pids = [child.pid for child in it.children]
    stopped = [name for name, state in trail if state is ProcessState.STOPPED]
    assert stopped == ["late", "early"]
    assert not any(pid and is_alive(pid) for pid in pids)


async def test_a_killed_process_is_back_within_a_second(tmp_path: Path) -> None:
    it = supervisor(tmp_path, spec("worker", READY_CHILD))
    async with running(it):
        child = it.children[0]
        killed = child.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        took_s = await until(lambda: child.pid not in (None, killed))
        assert took_s < 1.0
        await until(lambda: child.state is ProcessState.READY)
        assert child.restarts == 1


async def test_five_deaths_end_the_run_and_quote_the_last_lines(tmp_path: Path) -> None:
    dying = "import sys; print('the disk is full', file=sys.stderr); sys.exit(1)"
    it = supervisor(tmp_path, spec("fine", READY_CHILD), spec("worker-0", dying))
    with pytest.raises(ProcessKeepsDying, match=r"worker-0 died 5 times[\s\S]*the disk is full"):
        await it.run(asyncio.Event())
    assert all(child.pid is None for child in it.children)


async def test_a_wrong_configuration_is_not_tried_again(tmp_path: Path) -> None:
    refusing = "import sys; print('kafka.port is wrong', file=sys.stderr); sys.exit(2)"
    it = supervisor(tmp_path, spec("api", refusing))
    with pytest.raises(ConfigurationError, match=r"api refuses[\s\S]*kafka.port is wrong"):
        await it.run(asyncio.Event())
    assert it.children[0].restarts == 0


async def test_a_release_that_refuses_its_state_is_not_tried_again(tmp_path: Path) -> None:
    refusing = "import sys; print('written by a newer release', file=sys.stderr); sys.exit(4)"
    it = supervisor(tmp_path, spec("worker-0", refusing))
    with pytest.raises(Refused, match=r"worker-0 refuses[\s\S]*written by a newer release"):
        await it.run(asyncio.Event())
    assert it.children[0].restarts == 0


async def test_a_process_that_never_gets_ready_is_named_with_its_reason(tmp_path: Path) -> None:
    stuck = READY_CHILD.replace('Health("child")', '(h := Health("child"))').replace(
        "threading.Event", "h.expect('log'); threading.Event"
    )
    it = supervisor(tmp_path, spec("views", stuck, ready_timeout_s=5.0))
    with pytest.raises(NotReady, match="views is not ready after 5 s: log: starting"):
        await it.run(asyncio.Event())


async def test_stopping_during_the_start_stops_what_was_started(tmp_path: Path) -> None:
    stop = asyncio.Event()
    never_ready = "import time; time.sleep(60)"
    it = supervisor(tmp_path, spec("slow", never_ready))
    task = asyncio.create_task(it.run(stop))
    await until(lambda: it.children[0].pid is not None)
    pid = it.children[0].pid
    stop.set()
    await task
    assert pid is not None
    assert not is_alive(pid)


def test_children_die_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    child = (
        "import os, signal, sys, time\n"
        "from omnihub.ops.childhood import die_with_supervisor\n"
        "die_with_supervisor(os.environ, signal.SIGKILL)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    note = tmp_path / "pid"
    parent = (
        "import os, subprocess, sys, time\n"
        "env = {**os.environ, 'OMNIHUB_SUPERVISOR_PID': str(os.getpid())}\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]], env=env,"
        " start_new_session=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent, child, str(note)]) as process:
        deadline = time.monotonic() + 10
        while not (note.exists() and note.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        pid = int(note.read_text())
        process.kill()
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline, "the child outlived its supervisor"
        time.sleep(0.01)
