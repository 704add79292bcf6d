"""One run of a scenario: the workload, the faults, and the way to a verdict."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from chaos import checker
from chaos.findings import Finding, Kind, Verdict
from chaos.installation import Installation
from chaos.supervisor import CLEAN_EXITS, Supervisor, wait_until

EVENTS_PER_S = 500
STRIKE_TIMEOUT_S = 60.0
"""Processes start slowly where others keep the machine busy."""
RECOVERY_LIMIT_S = 60.0
PLANTED_LIMIT_S = 20.0
"""A run with a planted bug is not waited for that long: nothing sound takes half of it."""
STABLE_LIMIT_S = 15.0
"""Three transaction time-outs: an open transaction ends long before."""
QUIET_S = 1.2
"""Longer than the workload's reminders take: after it nothing more can come."""
STAGES = ("begun", "produced", "offsets sent", "committed")


class Trial:
    """One run of a scenario; `plant` names the bug that is planted in it, if one is.

    `kafka()` starts the shared broker, once, and tells its address.
    """

    def __init__(
        self,
        kafka: Callable[[], str],
        mark: str,
        folder: Path,
        dice: random.Random,
        plant: str | None,
    ) -> None:
        self.kafka = kafka
        self.mark, self.folder, self.dice, self.plant = mark, folder, dice, plant

    def installation(
        self,
        bootstrap: str | None = None,
        partitions: tuple[int, int] = (4, 3),
        replication: int = 1,
    ) -> Installation:
        """Create the workload's topics, on a cluster of the scenario's own if it names one."""
        return Installation(
            bootstrap or self.kafka(),
            self.mark,
            self.folder,
            self.dice,
            plant=self.plant,
            partitions=partitions,
            replication=replication,
        )

    def stage(self, signal: str, stages: tuple[str, ...] = STAGES, until: int = 10) -> str:
        """Return a fault at a random moment, such as `produced:7:KILL`."""
        return f"{self.dice.choice(stages)}:{self.dice.randrange(1, until)}:{signal}"


def warm_up(installation: Installation, workers: Supervisor) -> None:
    """Append until the group has committed something."""
    until = time.monotonic() + 60
    while max(installation.offsets()) < 0:
        assert time.monotonic() < until, "no worker ever committed"
        installation.append(50)
        time.sleep(0.1)
        workers.tend()


def load(
    installation: Installation, workers: Supervisor, for_s: float, rate: int = EVENTS_PER_S
) -> None:
    """Append at an even rate for some time, while the supervisor looks after its workers."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        installation.append(rate // 20)
        time.sleep(0.05)
        workers.tend()


def spread(installation: Installation, workers: Supervisor) -> None:
    """Wait, under load, until every worker has partitions and every partition a worker."""
    everything = {(topic, at) for topic, count in installation.inboxes for at in range(count)}

    def is_spread() -> bool:
        load(installation, workers, 0.2)
        owners = installation.owners()
        return set(owners) == everything and set(owners.values()) == set(workers.slots)

    wait_until(is_spread, 60, "partitions were never spread over all workers")


def strike(installation: Installation, workers: Supervisor, slot: str, fault: str) -> None:
    """Under load, let one worker bring a fault upon itself; return when it is up again."""
    deaths, was_stopped = workers.deaths, False
    workers[slot].relaunch(fault)
    until = time.monotonic() + STRIKE_TIMEOUT_S
    while time.monotonic() < until:
        load(installation, workers, 0.05)
        was_stopped |= not workers[slot].is_calm
        if workers[slot].is_calm and (workers.deaths > deaths or was_stopped):
            return
    raise AssertionError(f"{fault} never struck")


def settle(installation: Installation, workers: Supervisor) -> Verdict:
    """The faults are over: wait until all input is processed, end the workers, and judge."""
    installation.flush()
    limit_s = RECOVERY_LIMIT_S if installation.plant is None else PLANTED_LIMIT_S
    recovery_s = recover(installation, workers, limit_s)
    exits = workers.stop()
    verdict = judge(installation, limit_s if recovery_s is None else recovery_s)
    if recovery_s is None:
        lag = installation.lag()
        told = f"{lag} records wait {limit_s:g} s after the last fault"
        verdict = verdict.also([Finding(Kind.STALLED, told, lag)])
    return verdict.expect(exits <= CLEAN_EXITS, f"workers ended with {sorted(exits)}")


def recover(installation: Installation, workers: Supervisor, limit_s: float) -> float | None:
    """Return how long it took until no input waited; None if it was longer than `limit_s`.

    Then waits until the reminders that are still armed are through as well.
    """
    began_at = quiet_since = time.monotonic()
    caught_up_at: float | None = None
    seen: object = None
    while time.monotonic() - began_at < limit_s:
        workers.tend()
        now, offsets = time.monotonic(), (installation.offsets(0), installation.offsets(1))
        if offsets != seen:
            seen, quiet_since = offsets, now
        is_through = installation.lag() == 0
        if is_through and caught_up_at is None:
            caught_up_at = time.monotonic()
        if is_through and caught_up_at and now - quiet_since > QUIET_S:
            return caught_up_at - began_at
        time.sleep(0.1)
    return None


def judge(installation: Installation, recovery_s: float = 0.0) -> Verdict:
    """Compare everything that is committed with a replay of the inboxes."""
    held_back = _held_back(installation)
    history = installation.history()
    events = sum(len(lane) for lane in history.inbox)
    found = checker.findings(history, installation.sent)
    return Verdict(events, (*held_back, *found), recovery_s)


def _held_back(installation: Installation) -> list[Finding]:
    until = time.monotonic() + STABLE_LIMIT_S
    while True:
        found = checker.stuck(installation.ends())
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.2)
