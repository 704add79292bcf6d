"""kill -9, wherever it hurts."""

from chaos.findings import Kind, Verdict
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import STAGES, Trial, settle, strike, warm_up


@scenario(
    faults="kill -9 at each commit stage: begun, produced, offsets sent, committed",
    bug=Bug("offsets-first", Kind.LOST),
    is_smoke=True,
)
def test_kill_at_each_stage(trial: Trial) -> Verdict:
    installation = trial.installation()
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        for stage in STAGES:
            slot = trial.dice.choice("ab")
            strike(installation, workers, slot, f"{stage}:{trial.dice.randrange(1, 10)}:KILL")
        return settle(installation, workers)


@scenario(
    faults="a record that ends every process that runs it",
    bug=Bug("no-attempts", Kind.STALLED, Kind.UNEXPECTED),
)
def test_record_that_kills_the_process(trial: Trial) -> Verdict:
    installation = trial.installation()
    for reason, sku in [(None, 1), ("kill", 2), (None, 2), (None, 3)]:
        installation.append_one(reason, sku)
    installation.flush()
    with Supervisor(installation, "a") as workers:
        verdict = settle(installation, workers)
        deaths = workers["a"].deaths
    return verdict.expect(deaths == 4, f"{deaths} processes ended, not 4")


@scenario(
    faults="kill -9 and SIGSTOP at random stages of random transactions, one after another",
    bug=Bug("offsets-first", Kind.LOST, proved_by="kill-at-each-stage"),
)
def test_random_faults(trial: Trial) -> Verdict:
    installation = trial.installation()
    with Supervisor(installation, "a", "b") as workers:
        warm_up(installation, workers)
        for signal in ("KILL", "STOP", "KILL", "KILL"):
            strike(installation, workers, trial.dice.choice("ab"), trial.stage(signal, until=20))
        return settle(installation, workers)
