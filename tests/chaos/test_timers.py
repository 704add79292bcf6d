"""100,000 timers are pending, their workers are killed before and while they fire."""

import time

from chaos.alarm import SPREAD_US, Alarms, wait_for
from chaos.findings import Finding, Kind, Verdict
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import PLANTED_LIMIT_S, Trial

TIMERS = 100_000
DUE_IN_S = 20.0
FIRED_LIMIT_S = 60.0


@scenario(
    faults="kill -9 with 100,000 timers pending, and of each worker while they fire",
    bug=Bug("timers-forgotten", Kind.LOST),
)
def test_timers(trial: Trial) -> Verdict:
    installation = Alarms(trial.kafka(), trial.mark, trial.folder, trial.dice, plant=trial.plant)
    with Supervisor(installation, "a", "b") as workers:
        around_s = time.time() + DUE_IN_S
        first_s = around_s - SPREAD_US / 2e6
        installation.arm(TIMERS, round(around_s * 1e6))
        armed_s = wait_for(lambda: not installation.lag(), workers, DUE_IN_S)
        is_pending = armed_s is not None and time.time() < first_s
        workers["a"].relaunch(trial.stage("KILL", until=10))
        workers["b"].relaunch(f"committed:{trial.dice.randrange(3, 10)}:KILL")
        limit_s = FIRED_LIMIT_S if trial.plant is None else PLANTED_LIMIT_S
        last_s = around_s + SPREAD_US / 2e6
        wait_for(lambda: time.time() > last_s, workers, DUE_IN_S + SPREAD_US / 1e6)
        fired_s = wait_for(
            lambda: installation.fired() >= TIMERS and not installation.lag(),
            workers,
            limit_s,
        )
        deaths, exits = workers.deaths, workers.stop()
    print(f"armed in {armed_s} s, fired {fired_s} s after the last was due, {deaths} deaths")
    verdict = Verdict(TIMERS, tuple(installation.findings()), fired_s or limit_s)
    if fired_s is None:
        verdict = verdict.also([Finding(Kind.STALLED, "not all timers fired")])
    return (
        verdict.expect(
            is_pending, f"not all timers were armed before the first was due ({armed_s})"
        )
        .expect(deaths >= 2, f"only {deaths} workers were killed while timers fired")
        .expect(exits == {0}, f"workers ended with {sorted(exits)}")
    )
