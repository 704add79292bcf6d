"""Where a task reads on after the group has forgotten it."""

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from chaos.findings import Kind, Verdict
from chaos.installation import Installation
from chaos.scenario import Bug, scenario
from chaos.supervisor import Supervisor, wait_until
from chaos.trial import Trial, settle

IDLE_S = 3.0
"""Long enough to open seven tasks, and to replay 500 records if one wanted to."""


@scenario(
    faults="the group and its offsets are deleted while nobody works",
    bug=Bug("group-wins", Kind.DUPLICATED),
)
def test_group_offsets_deleted(trial: Trial) -> Verdict:
    """The position row wins: not one output is written again."""
    installation = trial.installation()
    with Supervisor(installation, "a") as workers:
        installation.append(500)
        settle(installation, workers)
    before = levels(installation)
    forget_group(installation)
    with Supervisor(installation, "a") as workers:
        wait_until(lambda: joined(installation))
        time.sleep(IDLE_S)
        new = levels(installation) - before
        installation.append(500)
        verdict = settle(installation, workers)
    return verdict.expect(new == 0, f"{new} levels were written again").expect(
        trial.plant is not None or "offsets lost" in installation.told(),
        "nobody was told of the lost offsets",
    )


def levels(installation: Installation) -> int:
    """Return how many levels the ledger has written."""
    return sum(map(len, installation.states()))


def joined(installation: Installation) -> bool:
    """Tell whether a worker has its partitions."""
    return installation.owners() != {}


def forget_group(installation: Installation) -> None:
    """Delete the group's offsets, once its static member has timed out."""
    admin = AdminClient({"bootstrap.servers": installation.bootstrap})

    def is_gone() -> bool:
        try:
            admin.delete_consumer_groups([installation.mark])[installation.mark].result(10)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.NON_EMPTY_GROUP:
                return False
            raise
        return True

    wait_until(is_gone)
