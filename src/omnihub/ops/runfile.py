"""`data_dir/run.json`: what `omnihub up` runs, for the commands of the same machine.

Guarantees: written atomically, readable by the owner only (it holds the run's token); a file that
a killed supervisor left behind does not count.
"""

import os
from pathlib import Path

import msgspec

from omnihub.ops.files import write_atomically

FILE_NAME = "run.json"


class ProcessRow(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a run."""

    name: str
    state: str
    pid: int | None
    port: int
    restarts: int
    failing: str = ""


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """A running `omnihub up`: where everything is."""

    pid: int
    started_at_us: int
    config: str
    bootstrap: str
    registry_url: str
    api_url: str
    token: str
    ready: bool
    processes: tuple[ProcessRow, ...]


def write_run(data_dir: Path, state: RunState) -> None:
    """Publish the state of the run."""
    text = msgspec.json.format(msgspec.json.encode(state)).decode()
    write_atomically(data_dir / FILE_NAME, text, mode=0o600)


def read_run(data_dir: Path) -> RunState | None:
    """Return the run of `data_dir`, or None when nothing runs."""
    try:
        content = (data_dir / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return None
    state = msgspec.json.decode(content, type=RunState)
    return state if _is_alive(state.pid) else None


def clear_run(data_dir: Path) -> None:
    """Remove the file at the end of the run."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
