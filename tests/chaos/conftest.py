"""The chaos suite inside pytest: its fixture, and its report under `make chaos`."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from chaos import network
from chaos.brokers import BrokersApart
from chaos.network import Network
from chaos.report import Report
from chaos.trial import Trial
from omnihub.broker.embedded_cluster import EmbeddedCluster

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


@pytest.fixture(scope="session")
def network_or_none(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network | None]:
    """The proxy server of this run; None where it can be neither found nor built."""
    if not network.is_available():
        yield None
        return
    with Network(tmp_path_factory.mktemp("network")) as running:
        yield running


@pytest.fixture
def bad_network(network_or_none: Network | None) -> Network:
    """The proxy server of this run; without one the scenario is skipped, which is not a pass."""
    if network_or_none is None:
        pytest.skip(network.MISSING)
    return network_or_none


@pytest.fixture(scope="session")
def brokers_of_this_run(
    tmp_path_factory: pytest.TempPathFactory, network_or_none: Network | None
) -> Iterator[BrokersApart]:
    """Three brokers for every scenario that needs them."""
    brokers = BrokersApart(tmp_path_factory.mktemp("three-brokers"), network_or_none)
    brokers.cluster.start()
    yield brokers
    brokers.cluster.kill()


@pytest.fixture
def brokers_apart(brokers_of_this_run: BrokersApart) -> BrokersApart:
    """Three live brokers, whatever the scenario before did to them."""
    brokers_of_this_run.cluster.start()
    return brokers_of_this_run


@pytest.fixture
def three_brokers(brokers_apart: BrokersApart) -> EmbeddedCluster:
    """Three live brokers."""
    return brokers_apart.cluster
