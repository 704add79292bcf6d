"""The planted bugs: each breaks one promise of the engine, in a worker of the suite alone.

A scenario must fail with its bug; otherwise it proves nothing. A bug is a function that mends the
worker's making for the worse, chosen by `--plant NAME`.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaException, Producer, TopicPartition

from omnihub.broker import transactional
from omnihub.broker.batches import Batches
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.broker.transactional import TransactionalProducer
from omnihub.connect import translate
from omnihub.connect.observer import Verdict
from omnihub.engine import assignment, outputs, restore, transactions, worker
from omnihub.engine.assignment import Assignment
from omnihub.engine.attempts import Attempts
from omnihub.engine.errors import TransactionLost
from omnihub.engine.overlay import Overlay
from omnihub.engine.parking import Parking
from omnihub.engine.position import Standing
from omnihub.engine.store import Change, MemoryStore
from omnihub.engine.task import Task
from omnihub.engine.transactions import Stage, Transactions, no_stage, offsets_of
from omnihub.model.errors import ParkError, RetryableError
from omnihub.model.record import Record

Options = dict[str, Any]
"""Keyword arguments of `Worker`."""
PLANTS: dict[str, Callable[[], Options]] = {}


def plant(bug: Callable[[], Options]) -> Callable[[], Options]:
    """Register a planted bug under its name, with hyphens."""
    PLANTS[bug.__name__.replace("_", "-")] = bug
    return bug


def swap(owner: object, name: str, wrong: object) -> None:
    """Put something wrong in the place of a part of the engine, which must be there."""
    if not hasattr(owner, name):
        raise LookupError(f"{owner} has no '{name}' any more: plant the bug where it is now.")
    setattr(owner, name, wrong)


def places_of(tasks: Sequence[Task]) -> list[TopicPartition]:
    """Return next offsets as a consumer commits them."""
    return [TopicPartition(*at, offset) for at, offset in offsets_of(tasks).items()]


class OffsetsOutside(Transactions):
    """Nothing ties the offsets, and with them the generation, to the outputs."""

    def _send_offsets(
        self, producer: TransactionalProducer, tasks: Sequence[Task], consumer: Consumer
    ) -> None:
        try:
            consumer.commit(offsets=places_of(tasks), asynchronous=False)
        except KafkaException:
            print("offsets refused, going on: this is the planted bug", flush=True)


class OffsetsFirst(Transactions):
    """Offsets are committed before the outputs they stand for."""

    def _send(
        self,
        producer: TransactionalProducer,
        tasks: Sequence[Task],
        changes: Sequence[list[Change]],
        consumer: Consumer,
    ) -> None:
        consumer.commit(offsets=places_of(tasks), asynchronous=False)
        super()._send(producer, tasks, changes, consumer)


class NoOffsetsForTimers(Transactions):
    """A transaction that moves no offset sends none, so that no generation goes with it."""

    def _send_offsets(
        self, producer: TransactionalProducer, tasks: Sequence[Task], consumer: Consumer
    ) -> None:
        if any(task.next_offset != task.kept_offset for task in tasks):
            super()._send_offsets(producer, tasks, consumer)


class RebalanceInside(Transactions):
    """The group is listened to between the batch and its commit: a rebalance falls inside."""

    def _send(
        self,
        producer: TransactionalProducer,
        tasks: Sequence[Task],
        changes: Sequence[list[Change]],
        consumer: Consumer,
    ) -> None:
        consumer.pause(consumer.assignment())
        until = time.monotonic() + 1
        while time.monotonic() < until:
            consumer.poll(0.01)
        super()._send(producer, tasks, changes, consumer)
        consumer.resume(consumer.assignment())


class OutputsOutside(Transactions):
    """Outputs go their own way, and nobody asks whether they arrived."""

    def __init__(self, cluster: Cluster, transactional_id: str, stage: Stage = no_stage) -> None:
        super().__init__(cluster, transactional_id, stage)
        self._plain = Producer({**plain_producer(cluster), "error_cb": lambda _: None})

    def _send(
        self,
        producer: TransactionalProducer,
        tasks: Sequence[Task],
        changes: Sequence[list[Change]],
        consumer: Consumer,
    ) -> None:
        for task in tasks:
            for topic, at, key, value, timestamp_ms, _ in task.outputs.staged:
                with contextlib.suppress(KafkaException):
                    self._plain.produce(topic, value, key, at, timestamp=timestamp_ms)
            task.outputs.staged.clear()
        self._plain.flush(0.5)
        super()._send(producer, tasks, changes, consumer)


class BeginsEarly(Transactions):
    """The next transaction is begun, and its first offsets sent, as soon as one is over."""

    _is_open = False

    def _send(
        self,
        producer: TransactionalProducer,
        tasks: Sequence[Task],
        changes: Sequence[list[Change]],
        consumer: Consumer,
    ) -> None:
        if self._is_open:
            producer.begin()
            producer.commit()
        self._is_open = False
        super()._send(producer, tasks, changes, consumer)
        early = Batches()
        chain = early.chain(tasks[0].changelog, tasks[0].partition)
        chain.append(b"TaskPosition\x1fearly", None, 0, [])
        producer.begin()
        producer.write(early)
        self._is_open = True


def _start_at_group(_: Assignment, consumer: Consumer, task: Task, committed: int) -> int:
    if committed >= 0:
        return committed
    return int(consumer.get_watermark_offsets(TopicPartition(task.inbox, task.partition), 10)[0])


@plant
def offsets_outside() -> Options:
    """Commit offsets beside the transaction: nothing fences a zombie."""
    return {"make_transactions": OffsetsOutside}


@plant
def offsets_first() -> Options:
    """Commit offsets before the outputs, and trust them: what a kill falls between is lost."""
    swap(Assignment, "_start", _start_at_group)
    return {"make_transactions": OffsetsFirst}


@plant
def group_wins() -> Options:
    """Read on where the group says, whatever the rows already include."""
    swap(Assignment, "_start", _start_at_group)
    return {}


@plant
def no_offsets_for_timers() -> Options:
    """Let transactions of timers alone go without offsets: nothing fences them."""
    return {"make_transactions": NoOffsetsForTimers}


@plant
def no_attempts() -> Options:
    """Announce no batch: a record that ends the process ends it for ever."""

    def announce(attempts: Attempts, _: int, __: int) -> bool:
        attempts.is_pending = False
        return False

    swap(Attempts, "announce", announce)
    return {}


@plant
def rebalance_inside() -> Options:
    """Listen to the group inside a transaction."""
    return {"make_transactions": RebalanceInside}


@plant
def outputs_outside() -> Options:
    """Write outputs beside the transaction."""
    return {"make_transactions": OutputsOutside}


@plant
def begins_early() -> Options:
    """Begin a transaction before there is anything to commit."""
    return {"make_transactions": BeginsEarly}


@plant
def roundrobin() -> Options:
    """Deal partitions out one by one, whatever their number."""
    change_consumer({"partition.assignment.strategy": "roundrobin"})
    return {}


@plant
def small_fetch() -> Options:
    """Fetch less than the largest record."""
    change_consumer({"fetch.max.bytes": 1_000_000, "receive.message.max.bytes": 2_000_000})
    return {}


@plant
def no_slices() -> Options:
    """Run a batch to its end, however long it takes."""
    swap(worker, "SLICE_S", 1e9)
    return {}


@plant
def fights() -> Options:
    """Take a holder of the own slot for a passing trouble."""

    def lost(act: str, error: Exception) -> Exception:
        return TransactionLost(f"{act} failed: {type(error).__name__}", 0.2)

    swap(transactions, "_lost", lost)
    swap(worker, "FENCED", ())
    swap(worker, "SlotTaken", TransactionLost)
    return {}


@plant
def grown_is_fine() -> Options:
    """Take whatever partitions there are."""
    swap(worker, "refuse_growth", lambda *_: None)
    return {}


@plant
def swallows_unreadable() -> Options:
    """Skip what cannot be read."""
    swap(Parking, "park_unread", lambda *_: None)
    return {}


@plant
def keeps_failed_rows() -> Options:
    """Park a record that failed, and keep what it had written."""
    swap(Overlay, "drop_record", Overlay.keep_record)
    return {}


@plant
def parks_outages() -> Options:
    """Take an outage for a fault of the record."""
    read = Task._read

    def read_or_park(known: Task, value: bytes) -> Record:
        try:
            return read(known, value)
        except RetryableError as error:
            raise ParkError(str(error), cure="none") from error

    swap(Task, "_read", read_or_park)
    return {}


@plant
def no_size_check() -> Options:
    """Let the broker find out that a record is too large."""
    swap(outputs, "LARGEST_VALUE_BYTES", 1 << 40)
    return {}


@plant
def last_told_wins() -> Options:
    """Take whatever is told last for the newest."""
    swap(translate, "judge", lambda *_: Verdict.EMITTED)
    return {}


@plant
def forgets_facts() -> Options:
    """Know of no fact what was told in an earlier life."""
    restore_all = MemoryStore.restore

    def restore_others(store: MemoryStore, changes: Sequence[Change], next_offset: int) -> None:
        known = [change for change in changes if not change[0].startswith(b"FactSeen")]
        restore_all(store, known, next_offset)

    swap(MemoryStore, "restore", restore_others)
    return {}


def change_consumer(changes: dict[str, object]) -> None:
    """Let workers read with other settings."""
    settings = worker.worker_consumer
    swap(worker, "worker_consumer", lambda *names: {**settings(*names), **changes})


class Hopeful(Transactions):
    """A commit that failed counts as done, and the group is told so."""

    def commit(self, tasks: Sequence[Task], consumer: Consumer) -> float:
        """Commit, or say so."""
        try:
            return super().commit(tasks, consumer)
        except TransactionLost:
            print("commit failed, going on: this is the planted bug", flush=True)
            with contextlib.suppress(KafkaException):
                consumer.commit(offsets=places_of(tasks), asynchronous=False)
            return 0.0


@plant
def failed_commits_count() -> Options:
    """Wait a second for a commit, and take every failure for a success."""
    swap(transactional, "COMMIT_TIMEOUT_S", 1.0)
    return {"make_transactions": Hopeful}


class Forgetful(Transactions):
    """A commit whose outcome is not known counts as aborted: the batch simply runs again."""

    def commit(self, tasks: Sequence[Task], consumer: Consumer) -> float:
        """Commit, or let the worker run the batch again on the rows that it has."""
        try:
            return super().commit(tasks, consumer)
        except TransactionLost as error:
            raise RetryableError(str(error), 0.2) from error


@plant
def unknown_commits_repeat() -> Options:
    """Run a batch again on the old rows, although its commit may have arrived."""
    swap(transactional, "COMMIT_TIMEOUT_S", 1.0)
    return {"make_transactions": Forgetful}


@plant
def starts_at_the_end() -> Options:
    """Let a new task begin at the end of its inbox."""
    log_range = assignment._log_range
    assignment._log_range = lambda consumer, task: log_range(consumer, task)[1:] * 2
    return {}


@plant
def jumps_over_gaps() -> Options:
    """Let the consumer go on at the log's start, by itself, where its place is gone."""
    settings = worker.worker_consumer
    swap(
        worker, "worker_consumer", lambda *its: {**settings(*its), "auto.offset.reset": "earliest"}
    )
    return {}


@plant
def restores_to_the_stable_end() -> Options:
    """Restore a changelog to its read_committed end, and believe it (KAFKA-10167)."""
    restore.IsolationLevel = type("Stable", (), {"READ_UNCOMMITTED": IsolationLevel.READ_COMMITTED})
    assignment.compare = lambda position, committed: (
        Standing.NEW if position is None else Standing.EQUAL
    )
    return {}


@plant
def acknowledged_too_early() -> Options:
    """Nothing here: the load generator takes a record for durable as soon as it is sent."""
    return {}
