"""run.json: what runs, for the commands of the same machine."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from omnihub.ops.runfile import ProcessRow, RunState, clear_run, read_run, write_run


def state(pid: int) -> RunState:
    row = ProcessRow(name="api", state="ready", pid=17, port=9400, restarts=0)
    return RunState(
        pid=pid,
        started_at_us=1,
        config="omnihub.yaml",
        bootstrap="127.0.0.1:9092",
        registry_url="http://127.0.0.1:8081",
        api_url="http://127.0.0.1:8080",
        token="t",
        ready=True,
        processes=(row,),
    )


def test_what_was_written_is_read_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    write_run(tmp_path, state(os.getpid()))
    assert read_run(tmp_path) == state(os.getpid())
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600


def test_nothing_runs_before_and_after(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    write_run(tmp_path, state(os.getpid()))
    clear_run(tmp_path)
    assert read_run(tmp_path) is None


def test_what_a_killed_supervisor_left_behind_does_not_count(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    write_run(tmp_path, state(process.pid))
    assert read_run(tmp_path) is None
