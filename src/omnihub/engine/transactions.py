"""Kafka transactions of one worker slot.

Guarantees: outputs, changelogs and the engine's own next offset of every task in the commit become
visible together or not at all. Every transaction carries offsets with the group's generation: one
without is not fenced (a zombie committed one). After any failure the producer is thrown away, never
reused (librdkafka lacks KIP-890 and retries EndTxn silently).
Does not: decide what to do after a failure (see `worker`).
"""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from omnihub.broker.clients import Cluster, transactional_producer
from omnihub.engine.errors import SlotTaken, TransactionLost
from omnihub.engine.task import Task

INIT_TIMEOUT_S = 30.0
COMMIT_TIMEOUT_S = 10.0
SLOW_COMMIT_S = 1.0
FENCED = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
}
Stage = Callable[[str], None]


def no_stage(_: str) -> None:
    """Crash nowhere."""


class Transactions:
    """Commits batches of tasks; one transactional id for the life of a slot."""

    def __init__(self, cluster: Cluster, transactional_id: str, stage: Stage = no_stage) -> None:
        self._settings = transactional_producer(cluster, transactional_id)
        self._stage = stage
        self._producer: Producer | None = None
        self._failure: KafkaError | None = None

    def start(self) -> None:
        """Fence a predecessor with this id and finish or abort what it left open."""
        self._failure = None
        settings = {**self._settings, "on_delivery": self._delivered}
        producer = Producer({**settings, "delivery.report.only.error": True})
        try:
            producer.init_transactions(INIT_TIMEOUT_S)
        except KafkaException as error:
            raise _lost("init", error) from error
        self._producer = producer

    def commit(self, tasks: Sequence[Task], consumer: Consumer) -> float:
        """Commit everything staged in `tasks`; return how long it took, in seconds.

        Raises:
            SlotTaken: another process holds the slot.
            TransactionLost: the outcome is abort or unknown; open the tasks anew.
        """
        if self._producer is None:
            self.start()
        started = time.monotonic()
        try:
            self._send(tasks, consumer)
        except (KafkaException, BufferError, TransactionLost) as error:
            self._abandon()
            raise _lost("commit", error) from error
        took_s = time.monotonic() - started
        if took_s > SLOW_COMMIT_S:
            self._producer = None
        return took_s

    def _send(self, tasks: Sequence[Task], consumer: Consumer) -> None:
        producer = self._producer
        assert producer is not None
        producer.begin_transaction()
        self._stage("begun")
        for task in tasks:
            self._produce(producer, task)
        self._stage("produced")
        offsets = [TopicPartition(t.inbox, t.partition, t.next_offset) for t in tasks]
        producer.send_offsets_to_transaction(
            offsets, consumer.consumer_group_metadata(), COMMIT_TIMEOUT_S
        )
        self._stage("offsets sent")
        producer.flush(COMMIT_TIMEOUT_S)
        if self._failure is not None:
            raise KafkaException(self._failure)
        producer.commit_transaction(COMMIT_TIMEOUT_S)
        self._stage("committed")

    def _produce(self, producer: Producer, task: Task) -> None:
        produce, changelog, partition = producer.produce, task.changelog, task.partition
        for output in task.outputs.staged:
            produce(
                output.topic,
                output.value,
                output.key,
                output.partition,
                None,  # callback and on_delivery: errors alone are reported, to the producer's
                None,
                output.timestamp_ms,
                output.headers,
            )
        for key, value in task.changelog_records():
            produce(changelog, value, key, partition)

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _abandon(self) -> None:
        """Abort as far as the producer still can, and never use it again."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.abort_transaction(COMMIT_TIMEOUT_S)
        except KafkaException:
            # The next producer's init_transactions aborts what this one could not.
            producer.purge()


def _lost(act: str, error: Exception) -> Exception:
    if isinstance(error, KafkaException):
        cause = error.args[0]
        if cause.code() in FENCED:
            return SlotTaken(
                f"Another process holds this worker's slot ({cause.name()}). "
                "Stop it, or give this one another slot."
            )
        return TransactionLost(f"{act} failed: {cause.name()}: {cause.str()}", 0.2)
    return TransactionLost(f"{act} failed: {type(error).__name__}", 0.2)
