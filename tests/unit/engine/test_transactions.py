"""What a transaction can be tested for without a broker; the rest is in the lab."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from omnihub.broker.errors import ProducerFenced, TransactionFailed
from omnihub.engine import transactions
from omnihub.engine.errors import SlotTaken, TransactionLost
from omnihub.engine.transactions import Transactions, _batches, _lost


def test_a_fenced_producer_says_whose_slot_it_is():
    found = _lost("commit", ProducerFenced("PRODUCER_FENCED"))
    assert isinstance(found, SlotTaken)
    assert "PRODUCER_FENCED" in str(found)


@pytest.mark.parametrize(
    "error",
    [
        TransactionFailed("ILLEGAL_GENERATION"),
        KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION, "ILLEGAL_GENERATION")),
    ],
)
def test_any_other_failure_is_a_lost_transaction(error):
    found = _lost("commit", error)
    assert isinstance(found, TransactionLost)
    assert "ILLEGAL_GENERATION" in str(found)


def task(number: int, *outputs: tuple[Any, ...]) -> Any:
    return SimpleNamespace(
        inbox="in",
        changelog="changes",
        partition=number,
        next_offset=1,
        outputs=SimpleNamespace(staged=list(outputs)),
        changes=list,
    )


def test_outputs_and_rows_become_records_by_partition():
    tasks = [
        task(0, ("out", 1, b"a", b"1", 5, [("h", b"x")]), ("out", 0, b"b", None, 6, [])),
        task(1, ("out", 1, b"c", b"2", 7, [])),
    ]
    made = _batches(tasks, [[(b"row", b"r"), (b"gone", None)], []])
    counts = {at: batch.count for at, batch in next(made.rounds()).items()}
    assert counts == {("out", 1): 2, ("out", 0): 1, ("changes", 0): 2}


class Producer:
    """Fails where it is told to, and notes what is asked of it."""

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def act(*_: object) -> None:
            self.asked.append(name)
            if name == self.fails_at:
                raise TransactionFailed(name)

        return act


@pytest.fixture
def producers(monkeypatch):
    """Return the producers that are made next, one after another; no consumer is needed."""
    given: list[Producer] = []
    made = iter(given)
    monkeypatch.setattr(transactions, "TransactionalProducer", lambda *_: next(made))
    monkeypatch.setattr(Transactions, "_send_offsets", lambda *_: None)
    return given


def test_a_producer_that_failed_is_aborted_and_never_used_again(producers):
    producers += [Producer("write"), Producer()]
    its = Transactions(None, "slot")
    with pytest.raises(TransactionLost, match="commit failed: write"):
        its.commit([task(0)], None)
    its.commit([task(0)], None)
    its.commit([task(0)], None)
    its.close()
    failed, sound = producers
    assert failed.asked == ["start", "begin", "write", "abort", "close"]
    assert sound.asked == ["start", *["begin", "write", "commit"] * 2, "close"]


def test_a_producer_that_cannot_start_is_closed(producers):
    producers.append(Producer("start"))
    with pytest.raises(TransactionLost, match="init failed: start"):
        Transactions(None, "slot").start()
    assert producers[0].asked == ["start", "close"]
