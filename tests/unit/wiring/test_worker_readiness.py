"""A worker says that it is not ready while its transactions fail, and when it is again."""

import pytest

from omnihub.ops.health import Health
from omnihub.ops.metrics import Metrics
from omnihub.wiring.worker import ReadyWhenAssigned


@pytest.fixture
def health() -> Health:
    health = Health("worker-0")
    health.expect("partitions")
    return health


@pytest.fixture
def observer(health: Health) -> ReadyWhenAssigned:
    observer = ReadyWhenAssigned(Metrics(), health)
    observer.assigned(4)
    return observer


def test_one_failed_transaction_is_no_outage(observer: ReadyWhenAssigned, health: Health) -> None:
    observer.aborted("TransactionLost")
    assert health.failing() == {}


@pytest.mark.parametrize("back", ["committed", "assigned"])
def test_several_in_a_row_are_until_the_worker_works_again(
    observer: ReadyWhenAssigned, health: Health, back: str
) -> None:
    observer.aborted("TransactionLost")
    observer.aborted("TransactionLost")
    assert health.failing() == {
        "partitions": "transactions fail (TransactionLost); the log says why"
    }
    if back == "committed":
        observer.committed(0.01, 1)
    else:
        observer.assigned(4)
    assert health.failing() == {}
    observer.aborted("TransactionLost")
    assert health.failing() == {}
