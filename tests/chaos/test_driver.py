"""Crashes that a real broker cannot time: at an exact stage of an exact transaction."""

from chaos.driven import driven
from chaos.findings import Kind, Verdict
from chaos.scenario import Bug, scenario
from chaos.trial import STAGES, Trial

REASONS = [None, "reject", "park", "remind", "bug"]
WEIGHTS = [86, 4, 4, 4, 2]
ROUNDS = 150
TORN = Bug("torn-commit", Kind.DUPLICATED)


@scenario(
    faults="a crash at each stage of each of the first transactions, in the test driver",
    bug=TORN,
    needs_kafka=False,
)
def test_driver_crash_at_each_stage(trial: Trial) -> Verdict:
    run = driven(trial)
    for nth in range(1, 8):
        for stage in STAGES:
            run.driver.crash_at(stage, nth)
            for _ in range(24):
                run.append(trial.dice.randrange(20), *trial.dice.choices(REASONS, WEIGHTS))
            run.run(seconds=0.5)
    run.run(seconds=5)
    verdict = run.judge()
    return verdict.expect(run.crashes >= 20, f"only {run.crashes} crashes struck")


@scenario(
    faults="crashes at random stages, several before any progress, in the test driver",
    bug=TORN,
    needs_kafka=False,
)
def test_driver_random_crashes(trial: Trial) -> Verdict:
    run = driven(trial)
    for _ in range(ROUNDS):
        for _ in range(trial.dice.randrange(30)):
            run.append(trial.dice.randrange(40), *trial.dice.choices(REASONS, WEIGHTS))
        if trial.dice.random() < 0.6:
            run.driver.crash_at(trial.dice.choice(STAGES), trial.dice.randrange(1, 6))
        run.run(seconds=trial.dice.random())
    run.run(seconds=5)
    verdict = run.judge()
    return verdict.expect(run.crashes >= ROUNDS // 4, f"only {run.crashes} crashes struck")
