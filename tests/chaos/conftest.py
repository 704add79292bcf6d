"""The chaos suite inside pytest: its fixture, and its report under `make chaos`."""

import os
import random
from pathlib import Path

import pytest
from rich.console import Console

from chaos.report import Report
from chaos.trial import Trial

SEED = int(os.environ.get("OMNIHUB_CHAOS_SEED", "1"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which `make chaos` asks for the report."""
    parser.addoption("--chaos-report", type=Path, help="write a row per scenario to this JSON file")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Report in the process that sees every test."""
    path = config.getoption("--chaos-report", None)
    if path is not None and not hasattr(config, "workerinput"):
        # pytest redirects file descriptor 1 while a test runs: the progress needs its own.
        console = Console(file=os.fdopen(os.dup(1), "w"))
        config.pluginmanager.register(Report(path, console), "chaos-report")


@pytest.fixture
def trial(request: pytest.FixtureRequest, topic_prefix: str, tmp_path: Path) -> Trial:
    """One run of a scenario, with its bug or without; `OMNIHUB_CHAOS_SEED` deals other faults."""
    plant = request.param
    dice = random.Random(f"{SEED} {request.node.originalname}")

    def kafka() -> str:
        """Start the shared Kafka only for those who use it."""
        return str(request.getfixturevalue("kafka_bootstrap"))

    return Trial(kafka, topic_prefix.rstrip("."), tmp_path, dice, plant)
