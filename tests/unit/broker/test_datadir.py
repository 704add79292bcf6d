"""A node's files: remembered whole or not at all, and a log that is quoted to the point."""

from pathlib import Path

import pytest

from omnihub.broker import datadir
from omnihub.broker.datadir import DataDir
from omnihub.broker.errors import BrokerError
from omnihub.broker.node import NodeIdentity

IDENTITY = NodeIdentity(1, "cluster", 21_000, 21_001)


def test_an_identity_is_remembered(tmp_path: Path) -> None:
    assert DataDir(tmp_path).identity() is None
    DataDir(tmp_path).remember(IDENTITY)
    assert DataDir(tmp_path).identity() == IDENTITY
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]


def test_an_unreadable_identity_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text('{"node_id": "one"}')
    with pytest.raises(BrokerError, match=r"node\.json is not readable.*node_id.*move the whole"):
        DataDir(tmp_path).identity()


def test_errors_of_this_start_are_quoted_and_earlier_ones_are_not(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    files.log.write_text("[main] ERROR of last week\n")
    offset = files.rotate_log()
    with files.log.open("a") as log:
        log.write("[main] INFO starting\n[main] ERROR disk full\n[main] INFO stopping\n")
    assert files.last_errors(offset) == f"{files.log} says:\n  [main] ERROR disk full"


def test_without_errors_the_last_lines_are_quoted(tmp_path: Path) -> None:
    files = DataDir(tmp_path)
    files.log.write_text("".join(f"line {n}\n" for n in range(9)))
    assert files.last_errors(0).splitlines()[1:] == [f"  line {n}" for n in range(4, 9)]


def test_a_large_log_is_set_aside_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "LOG_LIMIT_BYTES", 10)
    files = DataDir(tmp_path)
    files.log.write_text("more than ten bytes")
    assert files.rotate_log() == 0
    assert not files.log.exists()
    assert (tmp_path / "kafka.log.1").read_text() == "more than ten bytes"


def test_a_directory_that_cannot_be_made_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=r"file/data cannot be written: .*Name another"):
        DataDir(tmp_path / "file" / "data").create()
