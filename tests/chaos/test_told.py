"""Things told late, out of order, and again after restarts, to the shipped translate task."""

from chaos.diary import Diary
from chaos.findings import Kind, Verdict
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor
from chaos.trial import Trial

PRODUCTS, VERSIONS, SALES = 40, 12, 300


@scenario(
    faults="versions of products told late and shuffled, with a kill -9",
    bug=Bug("last-told-wins", Kind.DUPLICATED, Kind.WRONG),
)
def test_late_and_out_of_order(trial: Trial) -> Verdict:
    """Of a product nothing older is told after something newer."""
    diary = Diary(trial.kafka(), trial.mark, trial.folder, trial.plant)
    told = [(f"p{n}", version) for n in range(PRODUCTS) for version in range(VERSIONS)]
    trial.dice.shuffle(told)
    with Supervisor(diary) as workers:
        workers.add("a", trial.stage("KILL", until=2))
        for product, version in told:
            diary.tell("product", product, version, title=f"{product} as of {version}")
        verdict = diary.settle(workers)
        deaths = workers.deaths
    return verdict.expect(deaths == 1, f"{deaths} workers were killed, not one")


@scenario(
    faults="each sale told up to four times, before and after kill -9 and restarts",
    bug=Bug("forgets-facts", Kind.DUPLICATED),
)
def test_duplicates_across_restarts(trial: Trial) -> Verdict:
    """One natural id is one event, also when its row comes back from the changelog."""
    diary = Diary(trial.kafka(), trial.mark, trial.folder, trial.plant)
    with Supervisor(diary, "a") as workers:
        for turn in range(4):
            if turn:
                workers["a"].relaunch(trial.stage("KILL", until=3))
            for number in trial.dice.sample(range(SALES), SALES * 2 // 3):
                diary.tell("sale", f"s{number}", None, quantity=number)
            diary.wait(workers)
        return diary.settle(workers)
