"""Partitions move between workers right after a commit, on brokers far apart from each other."""

import json
import time
from pathlib import Path

import pytest

from chaos.brokers import BrokersApart, group_coordinator, leader
from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.network import Network
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial, load, settle, warm_up

pytestmark = pytest.mark.xdist_group("three-brokers")
MOVES = 200
MOVES_LIMIT_S = 150.0
APART_MS = 60
ROAMING = Path(__file__).with_name("roaming_worker.py")


@scenario(
    faults="200 moves of a partition right after a commit; one of three brokers 60 ms away, so a "
    "changelog's marker lands after the offsets' (KAFKA-10167)",
    bug=Bug("restores-to-the-stable-end", Kind.DUPLICATED, Kind.WRONG, Kind.LOST),
    timeout_s=300,
)
def test_moves_right_after_a_commit(
    trial: Trial, bad_network: Network, brokers_apart: BrokersApart
) -> Verdict:
    installation = trial.installation(brokers_apart.cluster.bootstrap, replication=3)
    installation.program = ROAMING
    moved = 0
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        far = brokers_apart.proxies[_far_node(installation)]
        with far.toxic("latency", "upstream", latency=APART_MS):
            until = time.monotonic() + MOVES_LIMIT_S
            while (moved := moves(installation.log)) < MOVES and time.monotonic() < until:
                load(installation, workers, 1.0, rate=300)
        verdict = settle(installation, workers)
    return verdict.expect(moved >= MOVES, f"only {moved} of {MOVES} moves")


def _far_node(installation: Installation) -> int:
    """Return a node that leads a changelog's partition, and does not keep the group's offsets."""
    near = group_coordinator(installation.bootstrap, installation.mark)
    changelog = f"omni.changelog.{installation.rules[0].name}.v1"
    leaders = [leader(installation.bootstrap, changelog, at) for at in range(4)]
    return next(node for node in leaders if node != near)


def moves(log: Path) -> int:
    """Count how often a partition was opened by another worker than the time before."""
    whole = log.read_text().rpartition("\n")[0].splitlines()
    lines = [line.split(" ", 3) for line in whole if line.startswith("opened ")]
    owner: dict[tuple[str, int], str] = {}
    moved = 0
    for _, _, slot, opened in sorted(lines, key=lambda line: int(line[1])):
        for topic, partition in json.loads(opened):
            moved += owner.get((topic, partition), slot) != slot
            owner[topic, partition] = slot
    return moved
