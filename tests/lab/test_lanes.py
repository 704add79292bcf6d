"""A backfill leaves live sales as quick as they were; without lanes it does not.

The figures of a full run, with a million products, are made by `python -m bench.lanes`.
"""

from pathlib import Path

import pytest

from bench.lanes import Outcomes, Setup, p99, play
from omnihub.broker.embedded import EmbeddedKafka

# Times are measured: not beside other tests.
pytestmark = pytest.mark.long
SLOWER_AT_MOST = 2.0


def slowdowns(found: Outcomes) -> list[float]:
    """Return p99 beside the backfill by p99 without, round by round."""
    rounds = zip(found.base, found.loaded, strict=True)
    return [p99(loaded) / p99(base) for base, loaded in rounds]


def played(kafka: EmbeddedKafka, setup: Setup, folder: Path) -> list[float]:
    """Return the slowdowns of one run on a broker of its own (topics have their real names)."""
    broker = kafka.status().broker
    assert broker is not None
    found = play(broker.bootstrap, setup, folder / "worker.log")
    assert all(len(times) >= 100 for times in (*found.base, *found.loaded))
    told = slowdowns(found)
    print(f"plant {setup.plant}: slower by {told}, {found.products_per_s} products/s")
    return told


def test_live_sales_pass_a_backfill(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    # A busy neighbour on the machine may spoil one round, hardly both.
    setup = Setup(products=4_000, rounds=2, per_s=100.0, base_s=6.0, limit_s=60.0)
    assert min(played(own_kafka, setup, tmp_path)) <= SLOWER_AT_MOST


def test_without_lanes_live_sales_wait_behind_a_backfill(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    setup = Setup(products=10_000, rounds=1, per_s=100.0, base_s=6.0, plant="no-lanes")
    assert min(played(own_kafka, setup, tmp_path)) > SLOWER_AT_MOST
