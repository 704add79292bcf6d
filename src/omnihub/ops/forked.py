"""A process that another one forked for us: ours to wait for and to signal, all the same.

Guarantees: its end is seen at once and its exit code is read by this process, which became its
parent when the process between the two ended (see `adopting`). A signal reaches this process or
none, never another that got its number later. Does not: work on other systems than Linux.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

IS_POSSIBLE = sys.platform == "linux"
_PR_SET_CHILD_SUBREAPER = 36


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of descendants that are orphaned in the block, and of no others."""
    _be_subreaper(True)
    try:
        yield
    finally:
        _be_subreaper(False)


def fork_orphan() -> int | None:
    """Fork a process whose parent is then whoever is `adopting`; return its id, None inside it."""
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        middle = os.getpid()
        if number := os.fork():
            os.write(tell, str(number).encode())
            os._exit(0)
        os.close(told)
        os.close(tell)
        while os.getppid() == middle:
            os.sched_yield()
        return None
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        number = int(answer.read())
    os.waitpid(between, 0)  # From here on it has its new parent.
    return number


class Forked:
    """One adopted process, with the methods of asyncio's own that a supervisor needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._handle, self._reap)

    async def wait(self) -> int:
        """Return the exit code once it ended; of a signal, its negative number."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal; one that has ended gets none."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        _, status = os.waitpid(self.pid, 0)
        os.close(self._handle)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


def _be_subreaper(is_one: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, int(is_one), 0, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")
