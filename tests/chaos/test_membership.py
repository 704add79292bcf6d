"""Workers come and go; two hold one slot; input grows a partition."""

import time

from confluent_kafka.admin import AdminClient, NewPartitions

from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial, load, settle, spread, warm_up


@scenario(
    faults="workers added and retired every few seconds under load",
    bug=Bug("rebalance-inside", Kind.DUPLICATED, Kind.LOST, Kind.WRONG),
)
def test_rebalance_under_load(trial: Trial) -> Verdict:
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        workers.add("b")
        spread(installation, workers)
        workers.add("c")
        spread(installation, workers)
        code = workers.retire("b")  # A static member: its partitions move a session later.
        spread(installation, workers)
        workers.add("d")
        spread(installation, workers)
        return settle(installation, workers).expect(code == 0, f"b ended with {code}")


@scenario(
    faults="workers 1, 3, 2, 4 of a group with two inboxes of eight partitions, under load",
    bug=Bug("roundrobin", Kind.UNEXPECTED),
)
def test_co_partitioning(trial: Trial) -> Verdict:
    """Partition n of both inboxes always goes to one worker."""
    installation = trial.installation(partitions=(8, 8))
    split: list[int] = []
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        for change in ((), ("b", "c"), ("-c",), ("c", "d")):
            for name in change:
                if name.startswith("-"):
                    workers.retire(name[1:])
                else:
                    workers.add(name)
            spread(installation, workers)
            split.append(partitions_apart(installation))
        verdict = settle(installation, workers)
    return verdict.expect(not any(split), f"partitions with two owners, by step: {split}")


@scenario(
    faults="a second process starts with the slot of a live one",
    bug=Bug("fights", Kind.UNEXPECTED),
)
def test_two_holders_of_one_slot(trial: Trial) -> Verdict:
    """One of them ends, and the other goes on."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        workers.add("twin", extra=("--slot", "a"))
        both = [workers["a"], workers["twin"]]
        for holder in both:
            holder.is_restarted = False
        until = time.monotonic() + 12
        while all(holder.is_alive for holder in both) and time.monotonic() < until:
            load(installation, workers, 0.2, rate=200)
        load(installation, workers, 2, rate=200)
        alive = [holder.name for holder in both if holder.is_alive]
        for name in ("a", "twin"):
            if name not in alive or (len(alive) == 2 and name == "twin"):
                workers.slots.pop(name).kill()
        verdict = settle(installation, workers)
    return verdict.expect(len(alive) == 1, f"alive after 12 s: {alive}").expect(
        "holds" in installation.told(), "nobody was told whose slot it is"
    )


@scenario(
    faults="the inbox grows from 4 to 6 partitions under load",
    bug=Bug("grown-is-fine", Kind.UNEXPECTED),
)
def test_partition_count_changes(trial: Trial) -> Verdict:
    """Keys would move: workers refuse it, and say so."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        warm_up(installation, workers)
        grow(installation, 6)
        workers["a"].is_restarted = False
        workers["a"].relaunch("never:0:KILL")
        until = time.monotonic() + 12
        while workers["a"].is_alive and time.monotonic() < until:
            load(installation, workers, 0.2, rate=200)
        is_refused = not workers["a"].is_alive
    events = len(installation.sent.acknowledged)
    verdict = Verdict(events).expect(is_refused, "the worker goes on with six partitions")
    return verdict.expect(
        "the contract says 4 partitions" in installation.told(), "the refusal is not clear"
    )


def partitions_apart(installation: Installation) -> int:
    """Return how many partition numbers belong to two workers."""
    owners, (first, count), (second, _) = installation.owners(), *installation.inboxes
    return sum(owners[first, at] != owners[second, at] for at in range(count))


def grow(installation: Installation, partitions: int) -> None:
    """Add partitions to the ledger's inbox, as an operator should not."""
    inbox = installation.rules[0].inbox
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})
    admin.create_partitions([NewPartitions(inbox, partitions)])[inbox].result(10)
