"""Three brokers, three replicas, two of them for an acknowledgement: one may die, two may not."""

from collections.abc import Callable

import pytest

from chaos.brokers import (
    GOES_ON_S,
    OUTAGE_S,
    goes_on_after,
    group_coordinator,
    leader,
    load_while,
    progress,
    refusal_of_an_append,
    transaction_coordinator,
)
from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial, load, settle, warm_up
from omnihub.broker.embedded_cluster import EmbeddedCluster

# One cluster is enough for a machine: with several test processes, all in the same.
pytestmark = pytest.mark.xdist_group("three-brokers")
HOPEFUL = Bug("failed-commits-count", Kind.LOST, Kind.WRONG, Kind.STALLED, Kind.UNEXPECTED)
PROVED = Bug(HOPEFUL.name, *HOPEFUL.shows, proved_by="leader-dies")
HASTY = Bug("acknowledged-too-early", Kind.LOST)


@scenario(faults="SIGKILL for the leader of an input partition, one of three", bug=HOPEFUL)
def test_leader_dies(trial: Trial, three_brokers: EmbeddedCluster) -> Verdict:
    return _one_dies(trial, three_brokers, _plain_leader)


@scenario(faults="SIGKILL for the group coordinator, one of three", bug=PROVED)
def test_group_coordinator_dies(trial: Trial, three_brokers: EmbeddedCluster) -> Verdict:
    return _one_dies(trial, three_brokers, lambda its: group_coordinator(its.bootstrap, its.mark))


@scenario(faults="SIGKILL for a worker's transaction coordinator, one of three", bug=PROVED)
def test_transaction_coordinator_dies(trial: Trial, three_brokers: EmbeddedCluster) -> Verdict:
    return _one_dies(
        trial,
        three_brokers,
        lambda its: transaction_coordinator(its.bootstrap, f"{its.mark}.a"),
    )


def is_told(installation: Installation) -> bool:
    """Tell whether a worker said that it rolled back or, with nothing in hand, lost its brokers."""
    told = installation.told()
    return any(words in told for words in ("rolled back", "] producer ", "] consumer "))


def _plain_leader(installation: Installation) -> int:
    """Return a leader of inputs that does not coordinate the group: its members stay members."""
    (inbox, partitions), bootstrap = installation.inboxes[0], installation.bootstrap
    leaders = {leader(bootstrap, inbox, partition) for partition in range(partitions)}
    return min(leaders - {group_coordinator(bootstrap, installation.mark)})


def _one_dies(
    trial: Trial, cluster: EmbeddedCluster, victim: Callable[[Installation], int]
) -> Verdict:
    """Everything goes on while one is dead, and after it is back."""
    installation = trial.installation(cluster.bootstrap, replication=3)
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        dying = cluster.nodes[victim(installation)]
        outage_s = goes_on_after(installation, workers, dying.kill)
        load(installation, workers, 3.0)
        assert not dying.status().running
        load_while(installation, workers, dying.start)
        verdict = settle(installation, workers).recovered_after(outage_s)
    return verdict.expect(outage_s < GOES_ON_S, "two brokers of three did not go on")


@scenario(faults="SIGKILL for two of three brokers, back after 8 s", bug=HASTY)
def test_two_brokers_die(trial: Trial, three_brokers: EmbeddedCluster) -> Verdict:
    installation = trial.installation(three_brokers.bootstrap, replication=3)
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        installation.append(5_000)  # Work that is in hand when they die.
        load(installation, workers, 0.1)
        for node_id in (1, 2):
            three_brokers.nodes[node_id].kill()
        load(installation, workers, 1.0)
        before = progress(installation)
        load(installation, workers, OUTAGE_S)
        refusal = refusal_of_an_append(installation)
        has_moved = 0 <= before < progress(installation)
        load_while(installation, workers, three_brokers.start)
        verdict = settle(installation, workers)
    verdict = verdict.expect(not has_moved, "one broker of three let a transaction through")
    return verdict.expect(
        refusal is not None, "the appender took a record that two brokers could not have"
    ).expect(is_told(installation), "no worker said a word")
