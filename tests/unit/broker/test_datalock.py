"""The data lock: one owner, passed on to a child, gone with the child."""

import subprocess
import sys
from pathlib import Path

from omnihub.broker import datalock


def sleeper(*inherited: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=inherited
    )


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def test_only_one_may_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with datalock.held(path, 0) as first, datalock.held(path, 0) as second:
        assert first is not None
        assert second is None
    assert not datalock.is_held(path)


def test_a_child_that_inherits_it_keeps_it_for_its_life(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with datalock.held(path, 0) as descriptor:
        assert descriptor is not None
        child = sleeper(descriptor)
    assert datalock.is_held(path)
    end(child)
    assert datalock.wait_released(path, 5)


def test_a_child_that_does_not_inherit_it_never_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with datalock.held(path, 0):
        child = sleeper()
    assert not datalock.is_held(path)
    end(child)


def test_asking_about_a_lock_that_never_was_creates_nothing(tmp_path: Path) -> None:
    assert not datalock.is_held(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []
