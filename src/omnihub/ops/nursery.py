"""Processes that start warm: one imports everything once, and forks whatever is needed.

Guarantees: what comes from the nursery is at work in a fraction of the time and of the processor
that Python's imports take, shares the memory of what was imported, and is a child of the supervisor
like any other. Without a nursery (another system than Linux, or it died or hangs) a process starts
cold, and a new nursery is opened for the next one. It ends with its supervisor: its input closes.
Does not: fork while it has a second thread, hold a role or a connection, or see code and
configuration that changed on disk meanwhile unless its command reads them again.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, TypedDict

import structlog

from omnihub.ops.forked import IS_POSSIBLE, Forked, adopting, fork_orphan

PYTHON_MODULE = (sys.executable, "-m", "omnihub")
NURSERY = (*PYTHON_MODULE, "nursery")
log = structlog.get_logger(__name__)
ANSWER_TIMEOUT_S = 30.0
"""Importing takes a few seconds, a busy machine some times that; a fork takes none."""


class Role(TypedDict):
    """What a process is to be: the words after `omnihub`, all of its environment, its log."""

    arguments: list[str]
    environ: dict[str, str]
    log: str


async def spawn(
    command: Sequence[str], environ: Mapping[str, str], log_path: Path, *, is_piped: bool = False
) -> Process:
    """Start `command` in a session of its own, its output appended to `log_path`.

    `is_piped` keeps standard input and output for talking to it.
    """
    with log_path.open("ab") as written:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE if is_piped else DEVNULL,
            stdout=PIPE if is_piped else written,
            stderr=written,
            env=environ,
            # A terminal's Ctrl-C is for the supervisor, which stops children in order.
            start_new_session=True,
        )


class Nursery:
    """The nursery of one supervisor."""

    def __init__(
        self,
        log_dir: Path,
        environ: Mapping[str, str],
        command: Sequence[str] = NURSERY,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._log_path = log_dir / "nursery.log"
        self._environ = environ
        self._command = command
        self._answer_timeout_s = answer_timeout_s
        self._process: Process | None = None
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        """Let it begin to import; a process asked for meanwhile waits for that."""
        if IS_POSSIBLE:
            self._process = await spawn(self._command, self._environ, self._log_path, is_piped=True)

    async def fork(
        self, command: Sequence[str], environ: Mapping[str, str], log_path: Path
    ) -> Forked | None:
        """Return a process that goes on as `command` of ours; None if there is no nursery."""
        async with self._one_at_a_time:
            if self._process is None:
                return None
            role = Role(
                arguments=list(command[len(PYTHON_MODULE) :]),
                environ=dict(environ),
                log=str(log_path),
            )
            with adopting():
                answer = await _ask(self._process, role, self._answer_timeout_s)
            if isinstance(answer, int):
                return Forked(answer)
            log.warning("no process from the nursery, starting cold", reason=answer)
            await self.close()
            await self.open()
            return None

    async def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ask(process: Process, role: Role, timeout_s: float) -> int | str:
    """Return the number of the process that was born, or why there is none."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            process.stdin.write(json.dumps(role).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except ConnectionError:
        line = b""
    answer: int | str = json.loads(line or b'"it ended"')
    return answer


def take_standard_output() -> TextIO:
    """In the nursery, first of all: keep standard output for answers; prints go to the log."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def await_role(answers: TextIO) -> list[str] | None:
    """In the nursery: fork a process for every role; return its arguments, in that process.

    None means that the supervisor is gone or has no more use for a nursery.
    """
    with answers:
        for line in sys.stdin:
            if (threads := len(os.listdir("/proc/self/task"))) > 1:
                born: int | str = f"it has {threads} threads"
            elif (pid := fork_orphan()) is None:
                return _begin(json.loads(line))
            else:
                born = pid
            answers.write(json.dumps(born) + "\n")
            answers.flush()
    return None


def _begin(role: Role) -> list[str]:
    """Take on the role's environment, log and session; return its arguments."""
    os.setsid()
    os.environ.clear()
    os.environ.update(role["environ"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(role["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(nothing, 0)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.close(nothing)
    os.close(written)
    return role["arguments"]
