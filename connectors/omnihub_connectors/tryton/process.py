"""One trytond process over one directory: start, wait until it answers, stop, kill.

Guarantees: the same directory keeps its port and data over stop, kill and start; any process may
end what another one started, and only that; a start that fails leaves no process behind.
Does not: build the database that it serves (see `install`), or bind anything but 127.0.0.1.
"""

import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from omnihub.model.errors import OmniHubError

DATABASE = "omnihub"
HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
_POLL_S = 0.05
_LOG_TAIL_CHARS = 2000


class TrytonUnavailable(OmniHubError):
    """The server does not start or does not end."""


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of a server process; kept beside its data."""

    pid: int
    port: int


class TrytonProcess:
    """A server over `directory`, whose database must lie at `database_file` before `start`."""

    def __init__(self, directory: Path, trytond: Path) -> None:
        self._directory = directory.absolute()
        self._trytond = trytond
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers; known after the first start."""
        return f"http://{HOST}:{self._noted().port}"

    @property
    def pid(self) -> int:
        """The process that `stop` and `kill` end; known after the first start."""
        return self._noted().pid

    @property
    def database_file(self) -> Path:
        """Where its SQLite database lies."""
        return self._directory / "db" / f"{DATABASE}.sqlite"

    def configure(self, port: int) -> Path:
        """Write trytond.conf for `port` and return where it is."""
        self.database_file.parent.mkdir(parents=True, exist_ok=True)
        config = self._directory / "trytond.conf"
        config.write_text(
            f"[database]\nuri = sqlite://\npath = {self.database_file.parent}\n"
            f"[web]\nlisten = {HOST}:{port}\n"
            "[session]\ntimeout = 86400\n"
        )
        return config

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start it, on the same port as before if there was one; return when it answers.

        Raises:
            TrytonUnavailable: it runs already, ends at once or does not answer in time.
        """
        if self.is_running():
            raise TrytonUnavailable(
                f"a Tryton server (pid {self.pid}) already works on {self._directory}. Stop it."
            )
        port = self._noted().port if self._note.exists() else _free_port()
        config = self.configure(port)
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [self._trytond, "-c", config, "-d", DATABASE],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._note.write_text(json.dumps(asdict(Running(self._child.pid, port))))
        try:
            self._await_answer(timeout_s)
        except BaseException:  # Ctrl-C while waiting must not leave a server behind
            self.kill()
            raise

    def stop(self) -> None:
        """End it with SIGTERM, after a while with SIGKILL; return when it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would; return when it is gone."""
        self._end(signal.SIGKILL)

    def is_running(self) -> bool:
        """Tell whether the noted process lives and is this directory's server."""
        if self._child is not None:
            return self._child.poll() is None
        return self._note.exists() and self._is_ours(self._noted().pid)

    @property
    def _note(self) -> Path:
        return self._directory / "running.json"

    @property
    def _log(self) -> Path:
        return self._directory / "trytond.log"

    def _noted(self) -> Running:
        try:
            return Running(**json.loads(self._note.read_text()))
        except FileNotFoundError:
            raise TrytonUnavailable(
                f"no Tryton server was started on {self._directory}. Start it first."
            ) from None

    def _is_ours(self, pid: int) -> bool:
        """Tell by its command line: after a reboot the pid may be somebody else's."""
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return str(self._directory / "trytond.conf").encode() in arguments.split(b"\0")

    def _await_answer(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.is_running():
                status = self._child.returncode if self._child is not None else "unknown"
                raise TrytonUnavailable(
                    f"trytond ended at once (exit status {status}; negative: that signal). "
                    f"{self._last_words()}"
                )
            if _answers(self.url):
                return
            time.sleep(_POLL_S)
        raise TrytonUnavailable(f"trytond is silent after {timeout_s} s. {self._last_words()}")

    def _last_words(self) -> str:
        tail = self._log.read_text(errors="replace")[-_LOG_TAIL_CHARS:].strip()
        return f"{self._log} ends with:\n{tail}" if tail else f"{self._log} is empty."

    def _end(self, how: signal.Signals) -> None:
        if not self.is_running():
            return
        pid = self.pid
        os.kill(pid, how)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.is_running():
            if time.monotonic() > deadline:
                if how is signal.SIGKILL:
                    raise TrytonUnavailable(f"pid {pid} does not end, even by SIGKILL.")
                self._end(signal.SIGKILL)
                return
            time.sleep(_POLL_S)


def _answers(url: str) -> bool:
    question = {"id": 0, "method": "common.server.version", "params": []}
    try:
        return httpx.post(f"{url}/rpc/", json=question, timeout=5.0).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
