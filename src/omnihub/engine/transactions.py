"""Kafka transactions of one worker slot.

Guarantees: outputs, changelogs and the engine's own next offset of every task in the commit become
visible together or not at all. Every transaction carries offsets with the group's generation: one
without is not fenced (a zombie committed one). After any failure the producer is thrown away, never
used again.
Does not: decide what to do after a failure (see `worker`).
"""

import time
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException

from omnihub.broker.batches import Batches
from omnihub.broker.clients import Cluster
from omnihub.broker.errors import ProducerFenced, TransactionFailed
from omnihub.broker.membership import Membership
from omnihub.broker.ports import Offsets
from omnihub.broker.transactional import TransactionalProducer
from omnihub.engine.errors import SlotTaken, TransactionLost
from omnihub.engine.store import Change
from omnihub.engine.task import Task

log = structlog.get_logger(__name__)
RETRY_AFTER_S = 0.2
Stage = Callable[[str], None]


def no_stage(_: str) -> None:
    """Crash nowhere."""


def offsets_of(tasks: Sequence[Task]) -> Offsets:
    """Return where each task reads on once its transaction is committed."""
    return {(task.inbox, task.partition): task.next_offset for task in tasks}


class Transactions:
    """Commits batches of tasks; one transactional id for the life of a slot."""

    def __init__(self, cluster: Cluster, transactional_id: str, stage: Stage = no_stage) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._stage = stage
        self._producer: TransactionalProducer | None = None

    def start(self) -> TransactionalProducer:
        """Fence a predecessor with this id and finish or abort what it left open."""
        producer = TransactionalProducer(self._cluster, self._id)
        try:
            producer.start()
        except (ProducerFenced, TransactionFailed) as error:
            producer.close()
            raise _lost("init", error) from error
        self._producer = producer
        return producer

    def close(self) -> None:
        """Close the connections."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def commit(self, tasks: Sequence[Task], consumer: Consumer) -> float:
        """Commit everything staged in `tasks`; return how long it took, in seconds.

        Raises:
            SlotTaken: another process holds the slot.
            TransactionLost: the outcome is abort or unknown; open the tasks anew.
            RowsUnfit: nothing was begun; drop the batch and run it again.
        """
        changes = [task.changes() for task in tasks]
        producer = self._producer or self.start()
        started = time.monotonic()
        try:
            self._send(producer, tasks, changes, consumer)
        except (ProducerFenced, TransactionFailed, KafkaException) as error:
            producer.abort()
            self.close()
            raise _lost("commit", error) from error
        return time.monotonic() - started

    def _send(
        self,
        producer: TransactionalProducer,
        tasks: Sequence[Task],
        changes: Sequence[list[Change]],
        consumer: Consumer,
    ) -> None:
        self._stage("begun")
        producer.begin()  # Only now does its time run: who was asleep until here is not late.
        producer.write(_batches(tasks, changes))
        self._stage("produced")
        self._send_offsets(producer, tasks, consumer)
        self._stage("offsets sent")
        producer.commit()
        self._stage("committed")

    def _send_offsets(
        self, producer: TransactionalProducer, tasks: Sequence[Task], consumer: Consumer
    ) -> None:
        membership = Membership.of(consumer.consumer_group_metadata())
        producer.send_offsets(offsets_of(tasks), membership)


def _batches(tasks: Sequence[Task], changes: Sequence[Sequence[Change]]) -> Batches:
    """Return outputs and changed rows as records of the log."""
    batches, now_ms = Batches(), time.time_ns() // 1_000_000
    for task, changed in zip(tasks, changes, strict=True):
        for topic, at, key, value, timestamp_ms, headers in task.outputs.staged:
            batches.chain(topic, at).append(key, value, timestamp_ms, headers)
        append = batches.chain(task.changelog, task.partition).append
        for row, value in changed:
            append(row, value, now_ms, [])
    return batches


def _lost(act: str, error: Exception) -> Exception:
    if isinstance(error, ProducerFenced):
        return SlotTaken(
            f"Another process holds this worker's slot ({error}). "
            "Stop it, or give this one another slot."
        )
    told = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    return TransactionLost(f"{act} failed: {told}", RETRY_AFTER_S)
