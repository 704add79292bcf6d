"""Processes that start warm: what they are, whose they are, and what happens without a nursery."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from omnihub.ops.nursery import PYTHON_MODULE, Nursery

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a nursery forks on Linux only")
EXPENSIVE = "before the fork"
NURSERY = f"""
import os, sys, time
from omnihub.ops.nursery import await_role, take_standard_output
answers = take_standard_output()
imported = {EXPENSIVE!r}
print("this must not reach the supervisor's answers")
arguments = await_role(answers)
if arguments is not None:
    exec(arguments[0])
"""
THREADED = (
    "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    + NURSERY
)


@asynccontextmanager
async def nursery(tmp_path: Path, code: str = NURSERY):
    it = Nursery(tmp_path, dict(os.environ), (sys.executable, "-c", code))
    await it.open()
    try:
        yield it
    finally:
        await it.close()


def role(code: str) -> Sequence[str]:
    return (*PYTHON_MODULE, code)


async def test_a_process_has_what_was_imported_its_own_environment_log_and_session(tmp_path: Path):
    told = (
        "print(imported, os.environ['NAME'], 'HOME' in os.environ, os.getsid(0) == os.getpid(), "
        "repr(sys.stdin.read()), flush=True)"
    )
    async with nursery(tmp_path) as it:
        process = await it.fork(role(told), {"NAME": "worker"}, tmp_path / "worker.log")
        assert process is not None
        assert await process.wait() == 0
    seen = (tmp_path / "worker.log").read_text()
    assert seen == f"{EXPENSIVE} worker False True ''\n"


async def test_it_is_a_child_of_the_supervisor_which_reads_its_exit_code(tmp_path: Path):
    async with nursery(tmp_path) as it:
        process = await it.fork(role("sys.exit(os.getppid() % 200)"), {}, tmp_path / "log")
        assert process is not None
        assert await process.wait() == os.getpid() % 200


async def test_it_is_ended_by_a_signal(tmp_path: Path):
    async with nursery(tmp_path) as it:
        process = await it.fork(role("time.sleep(60)"), {}, tmp_path / "log")
        assert process is not None
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == -signal.SIGTERM
        process.kill()  # Nobody is hit: it is gone.
        assert process.returncode == -signal.SIGTERM


async def test_many_asked_for_at_once_are_all_born_and_live_on_without_the_nursery(tmp_path: Path):
    async with nursery(tmp_path) as it:
        logs = [tmp_path / f"log-{number}" for number in range(5)]
        asked = [it.fork(role("time.sleep(0.5); print('done', flush=True)"), {}, x) for x in logs]
        born = await asyncio.gather(*asked)
    processes = [each for each in born if each is not None]
    assert len({each.pid for each in processes}) == 5
    assert [await each.wait() for each in processes] == [0] * 5
    assert {path.read_text() for path in logs} == {"done\n"}


async def test_without_a_nursery_the_answer_is_none_and_a_new_one_is_opened(tmp_path: Path):
    async with nursery(tmp_path, "raise SystemExit(3)") as it:
        assert await it.fork(role(""), {}, tmp_path / "log") is None
        it._command = (sys.executable, "-c", NURSERY)
        assert await it.fork(role(""), {}, tmp_path / "log") is None
        process = await it.fork(role("sys.exit(7)"), {}, tmp_path / "log")
        assert process is not None
        assert await process.wait() == 7


async def test_one_that_hangs_is_not_waited_for(tmp_path: Path):
    hanging = (sys.executable, "-c", "import time; time.sleep(60)")
    it = Nursery(tmp_path, dict(os.environ), hanging, answer_timeout_s=0.2)
    await it.open()
    try:
        async with asyncio.timeout(5):
            assert await it.fork(role(""), {}, tmp_path / "log") is None
    finally:
        await it.close()


async def test_one_that_has_threads_forks_nothing(tmp_path: Path):
    """A lock that another thread held at the fork would be held for ever."""
    async with nursery(tmp_path, THREADED) as it:
        assert await it.fork(role("sys.exit(7)"), {}, tmp_path / "log") is None


async def test_a_nursery_ends_with_its_supervisor(tmp_path: Path):
    async with nursery(tmp_path) as it:
        process = it._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def test_the_one_of_omnihub_imports_without_starting_a_thread(tmp_path: Path):
    config = tmp_path / "omnihub.yaml"
    config.write_text("version: 1\ntenant: grocer\ndata_dir: data\n")
    environ = {**os.environ, "OMNIHUB_CONFIG": str(config)}
    it = Nursery(tmp_path, environ)
    await it.open()
    try:
        command = (*PYTHON_MODULE, "config", "check")
        process = await it.fork(command, environ, tmp_path / "log")
        assert process is not None, (tmp_path / "nursery.log").read_text()
        assert await process.wait() == 0, (tmp_path / "log").read_text()
    finally:
        await it.close()
