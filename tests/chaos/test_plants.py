"""Every scenario's bug can be planted: workers know it by name, and it takes hold of the engine."""

import importlib
import subprocess
import sys
from pathlib import Path

from chaos.plants_of_rows import PLANTS

HERE = Path(__file__).parent
DRIVEN = {"torn-commit"}
"""Bugs of the test driver, not of workers."""


def scenarios():
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(f"chaos.{path.stem}")
        for name, test in vars(module).items():
            if hasattr(test, "bug"):
                yield name, test


def test_every_scenario_names_a_bug_that_exists():
    named = {name: test.bug.name for name, test in scenarios()}
    assert len(named) > 15
    assert set(named.values()) - DRIVEN <= set(PLANTS)


def test_the_page_on_chaos_has_a_row_for_each_scenario_and_no_other():
    page = (HERE.parents[1] / "docs" / "chaos.md").read_text()
    rows = page.rpartition("|---|---|---|\n")[2]
    told = sorted(test.told for _, test in scenarios())
    assert rows.splitlines() == told, "docs/chaos.md should end with:\n" + "\n".join(told)


def test_every_bug_is_planted_without_complaint():
    """In a process of its own: they change the engine for good."""
    code = "import chaos.worker, chaos.plants_of_rows as p; [bug() for bug in p.PLANTS.values()]"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
