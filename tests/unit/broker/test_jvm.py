"""Recognising the broker: a pid alone proves nothing."""

import os
import subprocess
import sys
from pathlib import Path

from omnihub.broker import jvm


def test_a_process_is_the_broker_only_with_its_class_and_these_properties(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.properties", tmp_path / "theirs.properties"
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", jvm.BROKER_CLASS, str(ours)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()  # it runs: in the first instants of a process its arguments are empty
    try:
        assert jvm.is_broker(child.pid, ours)
        assert not jvm.is_broker(child.pid, theirs)
        assert not jvm.is_broker(os.getpid(), ours)
    finally:
        child.kill()
        child.communicate()
    assert not jvm.is_broker(child.pid, ours)
