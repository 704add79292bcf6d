"""The process around trytond: what it says of a server that does not start."""

from pathlib import Path

import pytest

from omnihub_connectors.tryton.process import TrytonProcess, TrytonUnavailable


def server(folder: Path, script: str) -> TrytonProcess:
    program = folder / "trytond"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return TrytonProcess(folder, program)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no module named stock >&2; exit 3", r"exit status 3;.*\n.*no module named stock"),
        ("kill -9 $$", r"exit status -9;.*is empty"),
    ],
)
def test_a_server_that_ends_at_once_is_told_with_status_and_last_words(
    tmp_path: Path, script: str, told: str
) -> None:
    with pytest.raises(TrytonUnavailable, match=told):
        server(tmp_path, script).start()
