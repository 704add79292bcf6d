"""Warm processes: started and imported ahead of need, told what to become when needed.

Guarantees: a process that becomes another one from a spare is at work in a fraction of the time
that Python's imports take; without a spare it is started cold. A spare that waits ends when its
supervisor does (its standard input closes). Does not: hold any role or connection while waiting.
"""

import asyncio
import json
import os
import sys
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path

PYTHON_MODULE = (sys.executable, "-m", "omnihub")
Process = asyncio.subprocess.Process


async def spawn(
    command: Sequence[str], environ: Mapping[str, str], log_path: Path, *, stdin: int | None = None
) -> Process:
    """Start `command` in a session of its own, its output appended to `log_path`."""
    with log_path.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
            stdout=log,
            stderr=log,
            env=environ,
            # A terminal's Ctrl-C is for the supervisor, which stops children in order.
            start_new_session=True,
        )


class Spares:
    """The spares of one supervisor, by kind: what a spare imports ahead."""

    def __init__(self, log_dir: Path, environ: Mapping[str, str]) -> None:
        self._log_path = log_dir / "spare.log"
        self._environ = environ
        self._waiting: dict[str, deque[Process]] = defaultdict(deque)

    async def prepare(self, kind: str | None) -> None:
        """Start one spare of `kind`."""
        if kind is not None:
            command = (*PYTHON_MODULE, "spare", kind)
            pipe = asyncio.subprocess.PIPE
            spare = await spawn(command, self._environ, self._log_path, stdin=pipe)
            self._waiting[kind].append(spare)

    async def become(
        self, kind: str | None, command: Sequence[str], environ: Mapping[str, str], log_path: Path
    ) -> Process | None:
        """Make a spare of `kind` go on as `command`; None if there is none alive."""
        while kind is not None and self._waiting[kind]:
            spare = self._waiting[kind].popleft()
            if spare.returncode is None and spare.stdin is not None:
                role = {
                    "arguments": list(command[len(PYTHON_MODULE) :]),
                    "environ": dict(environ),
                    "log": str(log_path),
                }
                spare.stdin.write(json.dumps(role).encode() + b"\n")
                spare.stdin.close()
                return spare
        return None

    async def close(self) -> None:
        """End those that still wait."""
        left = [spare for spares in self._waiting.values() for spare in spares]
        self._waiting.clear()
        for spare in left:
            if spare.returncode is None:
                spare.kill()
        await asyncio.gather(*(spare.wait() for spare in left))


def await_role() -> list[str] | None:
    """In a spare: wait for the role, take its environment and log; return its arguments.

    None means that the supervisor is gone or has no use for this spare.
    """
    line = sys.stdin.readline()
    if not line:
        return None
    role = json.loads(line)
    os.environ.clear()
    os.environ.update(role["environ"])
    log = os.open(role["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    arguments: list[str] = role["arguments"]
    return arguments
