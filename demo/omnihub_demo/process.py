"""Child processes of the demo: started into a session of their own, ended by their pid only.

Guarantees: `end` never touches a process that does not run the noted command; output goes to a
log whose end is told when the process dies.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A running process: its pid and a word of its command line that tells it is ours."""

    pid: int
    mark: str

    def is_alive(self) -> bool:
        """Tell whether the pid still runs our command; a child that ended is reaped."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        try:
            arguments = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return self.mark.encode() in arguments

    def end(self, grace_s: float) -> None:
        """Ask it to end, insist after `grace_s`; return when it is gone."""
        for how, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            if not self.is_alive():
                return
            os.kill(self.pid, how)
            deadline = time.monotonic() + wait_s
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(POLL_S)


def start(
    command: Sequence[str], mark: str, log: Path, environ: Mapping[str, str] | None = None
) -> ChildProcess:
    """Start `command`; `mark` is one of its arguments."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
        )
    process = ChildProcess(child.pid, mark)
    # The kernel shows the command line a moment after exec: until then it would not look alive.
    while not process.is_alive() and child.poll() is None:
        time.sleep(POLL_S / 10)
    return process


def last_words(log: Path, characters: int = 2000) -> str:
    """Return the end of a log, for an error message."""
    tail = log.read_text(errors="replace")[-characters:].strip() if log.exists() else ""
    return f"{log} ends with:\n{tail}" if tail else f"{log} is empty."
