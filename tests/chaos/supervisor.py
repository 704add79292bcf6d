"""Worker slots under a supervisor that restarts the dead at once, and the faults it brings."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from chaos.installation import Installation

ZOMBIE_S = 10.0
"""Session (6 s), then a heartbeat (2 s) until another has taken over."""
CLEAN_EXITS = {0, -signal.SIGTERM}
"""A worker that is told to end while it still starts has nothing to end cleanly."""
STOP_TIMEOUT_S = 40.0


class Slot:
    """One worker slot; a stopped worker is woken after `ZOMBIE_S`, a dead one restarted."""

    def __init__(
        self,
        installation: Installation,
        name: str,
        fault: str | None = None,
        extra: tuple[str, ...] = (),
    ) -> None:
        self._installation, self.name, self._extra = installation, name, extra
        self._wakes_at: float | None = None
        self._process = installation.start_worker(name, fault, extra)
        self.exits: list[int] = []
        self.is_restarted = True
        """Set it to False where the end of a worker is what the scenario waits for."""

    @property
    def deaths(self) -> int:
        """Return how often the worker ended by itself or by a fault."""
        return len(self.exits)

    @property
    def is_calm(self) -> bool:
        """Tell whether it is not waiting to be woken."""
        return self._wakes_at is None

    @property
    def is_stopped(self) -> bool:
        """Tell whether the process is stopped by SIGSTOP."""
        return _process_state(self._process.pid) == "T"

    @property
    def is_alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def relaunch(self, fault: str) -> None:
        """Kill the worker and start one that will bring `fault` upon itself."""
        self.kill()
        self._process = self._installation.start_worker(self.name, fault, self._extra)

    def tend(self) -> None:
        """Wake a stopped worker after its time; restart a dead one."""
        if self.is_stopped and self._wakes_at is None:
            self._wakes_at = time.monotonic() + ZOMBIE_S
        if self._wakes_at is not None and time.monotonic() >= self._wakes_at:
            self.wake()
        code = self._process.poll()
        if code is not None and self.is_restarted:
            self.exits.append(code)
            self._process = self._installation.start_worker(self.name, None, self._extra)

    def signal(self, number: signal.Signals) -> None:
        """Send the worker a signal."""
        os.kill(self._process.pid, number)

    def wake(self) -> None:
        """Let a stopped worker go on."""
        self._process.send_signal(signal.SIGCONT)
        self._wakes_at = None

    def kill(self) -> None:
        """Kill the worker with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End the worker as an operator would; return its exit code, -9 if it did not end."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL


class Supervisor:
    """Several slots: `with Supervisor(installation, "a", "b") as workers: ...` ends them all."""

    def __init__(self, installation: Installation, *names: str) -> None:
        self._installation = installation
        self.slots: dict[str, Slot] = {}
        for name in names:
            self.add(name)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for slot in self.slots.values():
            slot.kill()

    def __getitem__(self, name: str) -> Slot:
        return self.slots[name]

    @property
    def deaths(self) -> int:
        """Return how often any worker died."""
        return sum(slot.deaths for slot in self.slots.values())

    def add(self, name: str, fault: str | None = None, extra: tuple[str, ...] = ()) -> Slot:
        """Start one more worker; `extra` are more of its options."""
        slot = self.slots[name] = Slot(self._installation, name, fault, extra)
        return slot

    def retire(self, name: str) -> int:
        """End one worker for good; return its exit code."""
        return self.slots.pop(name).stop()

    def tend(self) -> None:
        """Look after every slot."""
        for slot in self.slots.values():
            slot.tend()

    def stop(self) -> set[int]:
        """End every worker as an operator would; return their exit codes."""
        return {slot.stop() for slot in self.slots.values()}


def wait_until(
    is_true: Callable[[], bool], timeout_s: float = 60, what: str = "it never came true"
) -> None:
    """Look ten times a second until something is true."""
    assert came_true(is_true, timeout_s), what


def came_true(is_true: Callable[[], bool], timeout_s: float = 60) -> bool:
    """Look ten times a second, and tell whether it became true in time."""
    until = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _process_state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"
