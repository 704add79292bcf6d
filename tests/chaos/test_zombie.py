"""Workers that were stopped for longer than the group waits, and come back."""

from chaos.findings import Kind, Verdict
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor, wait_until
from chaos.trial import Trial, settle, strike, warm_up


@scenario(
    faults="SIGSTOP past the session inside a transaction, then SIGCONT",
    bug=Bug("offsets-outside", Kind.DUPLICATED, Kind.LOST),
    is_smoke=True,
)
def test_zombie(trial: Trial) -> Verdict:
    installation = trial.installation()
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        strike(installation, workers, "a", "begun:10:STOP")
        return settle(installation, workers)


@scenario(
    faults="SIGSTOP past the session in a transaction of one timer, then SIGCONT",
    bug=Bug("no-offsets-for-timers", Kind.WRONG, Kind.DUPLICATED),
)
def test_zombie_with_nothing_but_timers(trial: Trial) -> Verdict:
    """Its input offset does not move, so only the group's generation can give it away."""
    installation = trial.installation()
    installation.append_one(None, sku=1)
    installation.flush()
    with Supervisor(installation) as workers:
        # Two hops, each announced and then committed, are four transactions. The reminder's two
        # hops are two more, and a second later its timer alone is the seventh.
        zombie = workers.add("a", "begun:7:STOP")
        wait_until(lambda: any(installation.totals()))
        installation.append_one("remind", sku=1)
        installation.flush()
        wait_until(lambda: zombie.is_stopped)
        workers.add("b")
        wait_until(lambda: any(installation.read(installation.rules[0].events)))
        zombie.wake()
        installation.append(200)
        return settle(installation, workers)
