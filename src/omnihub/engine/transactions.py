"""Kafka transactions of one worker slot.

Guarantees: outputs, changelogs and the engine's own next offset of every task in the commit become
visible together or not at all. Every transaction carries offsets with the group's generation: one
without is not fenced (a zombie committed one). After any failure, a slow commit or a lost
connection the producer is thrown away, never reused (librdkafka lacks KIP-890 and retries EndTxn
silently); a call that never returns ends the process.
Does not: decide what to do after a failure (see `worker`).
"""

import contextlib
import faulthandler
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from omnihub.broker.clients import Cluster, transactional_producer
from omnihub.engine.errors import SlotTaken, TransactionLost
from omnihub.engine.store import Change
from omnihub.engine.task import Task

log = structlog.get_logger(__name__)
INIT_TIMEOUT_S = 30.0
COMMIT_TIMEOUT_S = 10.0
SLOW_COMMIT_S = 1.0
STUCK_AFTER_S = 20.0
"""Twice the time-out of one call: librdkafka was seen to wait without end for a coordinator."""
FENCED = {
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
}
Stage = Callable[[str], None]


def no_stage(_: str) -> None:
    """Crash nowhere."""


@contextlib.contextmanager
def ending_the_process_after(limit_s: float) -> Iterator[None]:
    """End the process, with a trace of every thread on stderr, if the block takes longer.

    A call into librdkafka that never returns cannot be left in any other way; the supervisor has
    the slot back within a second, and the transaction is aborted by its successor.
    """
    faulthandler.dump_traceback_later(limit_s, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def offsets_of(tasks: Sequence[Task]) -> list[TopicPartition]:
    """Return where each task reads on once its transaction is committed."""
    return [TopicPartition(task.inbox, task.partition, task.next_offset) for task in tasks]


class Transactions:
    """Commits batches of tasks; one transactional id for the life of a slot."""

    def __init__(self, cluster: Cluster, transactional_id: str, stage: Stage = no_stage) -> None:
        self._settings = transactional_producer(cluster, transactional_id)
        self._stage = stage
        self._producer: Producer | None = None
        self._failure: KafkaError | None = None
        self._is_suspect = False

    def start(self) -> Producer:
        """Fence a predecessor with this id and finish or abort what it left open."""
        self._failure, self._is_suspect = None, False
        producer = Producer(
            {
                **self._settings,
                "on_delivery": self._delivered,
                "delivery.report.only.error": True,
                "error_cb": self._troubled,
            }
        )
        try:
            # Without a connection librdkafka looks for the coordinator again after half a second.
            producer.list_topics(timeout=INIT_TIMEOUT_S)
            producer.init_transactions(INIT_TIMEOUT_S)
        except KafkaException as error:
            raise _lost("init", error) from error
        self._producer = producer
        return producer

    def commit(self, tasks: Sequence[Task], consumer: Consumer) -> float:
        """Commit everything staged in `tasks`; return how long it took, in seconds.

        Raises:
            SlotTaken: another process holds the slot.
            TransactionLost: the outcome is abort or unknown; open the tasks anew.
            RowsUnfit: nothing was begun; drop the batch and run it again.
        """
        changes = [task.changes() for task in tasks]
        producer = self._sound() or self.start()
        started = time.monotonic()
        try:
            with ending_the_process_after(STUCK_AFTER_S):
                self._send(producer, tasks, changes, consumer)
        except (KafkaException, BufferError, SystemError) as error:
            self._abandon(producer)
            raise _lost("commit", _cause_of(error)) from error
        took_s = time.monotonic() - started
        if took_s > SLOW_COMMIT_S or self._is_suspect:
            self._producer = None
        return took_s

    def _sound(self) -> Producer | None:
        """Return the producer, unless it lost a connection since its last commit.

        While idle nobody else asks it. With a stale coordinator, send_offsets_to_transaction has
        been seen to wait far beyond its time-out after the broker was restarted.
        """
        if self._producer is not None:
            self._producer.poll(0)
            if self._is_suspect:
                self._producer = None
        return self._producer

    def _send(
        self,
        producer: Producer,
        tasks: Sequence[Task],
        changes: Sequence[list[Change]],
        consumer: Consumer,
    ) -> None:
        producer.begin_transaction()
        self._stage("begun")
        for task, changed in zip(tasks, changes, strict=True):
            _produce(producer, task, changed)
        self._stage("produced")
        self._send_offsets(producer, tasks, consumer)
        self._stage("offsets sent")
        producer.flush(COMMIT_TIMEOUT_S)
        if self._failure is not None:
            raise KafkaException(self._failure)
        self._stage("flushed")
        producer.commit_transaction(COMMIT_TIMEOUT_S)
        self._stage("committed")

    def _send_offsets(self, producer: Producer, tasks: Sequence[Task], consumer: Consumer) -> None:
        producer.send_offsets_to_transaction(
            offsets_of(tasks), consumer.consumer_group_metadata(), COMMIT_TIMEOUT_S
        )

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _troubled(self, error: KafkaError) -> None:
        """Note that a connection was lost: what became of an EndTxn on it is not certain."""
        self._is_suspect = True
        log.warning("producer", error=error.name(), detail=error.str())

    def _abandon(self, producer: Producer) -> None:
        """Abort as far as the producer still can, and never use it again."""
        self._producer = None
        try:
            producer.abort_transaction(COMMIT_TIMEOUT_S)
        except KafkaException as error:
            # The next producer's init_transactions aborts what this one could not.
            log.warning("abort", error=error.args[0].name())
            producer.purge()


def _produce(producer: Producer, task: Task, changes: Sequence[Change]) -> None:
    produce, changelog, partition = producer.produce, task.changelog, task.partition
    for topic, at, key, value, timestamp_ms, headers in task.outputs.staged:
        # No callbacks here: errors alone are reported, to the producer's own.
        produce(topic, value, key, at, None, None, timestamp_ms, headers)
    for row, value in changes:
        produce(changelog, value, row, partition)


def _cause_of(error: Exception) -> Exception:
    """Return what a failure is about.

    A producer that is fenced while it flushes raises inside the client's callbacks, where it comes
    out as a SystemError around the KafkaException.
    """
    if not isinstance(error, SystemError):
        return error
    cause: BaseException | None = error.__cause__
    if not isinstance(cause, Exception) or not isinstance(cause, KafkaException):
        raise error
    return cause


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
