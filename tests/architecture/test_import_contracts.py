"""The import contracts hold, and each kind of violation is caught when planted."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

VIOLATIONS = {
    "a rule that reads the clock": ("src/omnihub/rules/stock.py", "import time\n"),
    "a rule that knows the engine": ("src/omnihub/rules/stock.py", "import omnihub.engine\n"),
    "a view that talks to Kafka": ("src/omnihub/views/fold.py", "import aiokafka\n"),
    "an engine that encodes Avro itself": ("src/omnihub/engine/worker.py", "import fastavro\n"),
    "a metric outside ops": ("src/omnihub/connect/source.py", "import prometheus_client\n"),
    "SQL in the API": ("src/omnihub/api/app.py", "import sqlalchemy\n"),
    "a connector that reaches into the broker": (
        "connectors/omnihub_connectors/poslog/connector.py",
        "import omnihub.broker\n",
    ),
    "a connector that borrows from another": (
        "connectors/omnihub_connectors/poslog/connector.py",
        "import omnihub_connectors.tryton\n",
    ),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    path = f"{folder / 'src'}:{folder / 'connectors'}"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy_of_the_tree(tmp_path):
    ignore = shutil.ignore_patterns("__pycache__", "*.xml", "node_modules")
    for name in ("src", "connectors"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy_of_the_tree):
    done = lint(copy_of_the_tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("what", VIOLATIONS)
def test_a_planted_violation_is_caught(copy_of_the_tree, what):
    place, line = VIOLATIONS[what]
    file = copy_of_the_tree / place
    file.write_text(file.read_text() + "\n" + line)
    done = lint(copy_of_the_tree)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
