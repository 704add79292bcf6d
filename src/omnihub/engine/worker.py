"""The exactly-once loop of one worker process.

Guarantees: per turn, one transaction holds the outputs, changed rows and next offsets of every task
it touched; after a crash the successor continues as if nothing had happened. A transaction begins
after the batch was processed and ends before the next poll, so no rebalance falls inside one. Any
failure rolls back to the last commit and tries again; a batch that failed twice is halved, down to
one record. Two holders of one slot never fight: the one that is fenced stops.
Does not: restart itself (the supervisor does), or speed up one task with several threads.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from omnihub.broker.clients import Cluster, worker_consumer
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.assignment import Assignment
from omnihub.engine.errors import SlotTaken, TransactionLost
from omnihub.engine.observer import EngineObserver, Unobserved
from omnihub.engine.store import MemoryStore, Store
from omnihub.engine.task import Task
from omnihub.engine.transactions import Stage, Transactions, no_stage
from omnihub.model.errors import RetryableError
from omnihub.rules.rule import Handler

log = structlog.get_logger(__name__)
RELEASE_CHECK_S = 0.5
LAG_REPORT_S = 1.0
RETRY_PAUSE_S = 0.2
Resolver = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker slot. `slot` is the pair of host and process index, stable over restarts."""

    cluster: Cluster
    group: str
    slot: str
    batch_records: int = 5_000
    idle_wait_s: float = 0.05


class Worker:
    """Runs handlers over the partitions that the group gives this slot."""

    def __init__(
        self,
        settings: WorkerSettings,
        handlers: Sequence[Handler],
        codec: Codec,
        topics: Topics,
        *,
        resolver: Resolver = lambda _: False,
        observer: EngineObserver | None = None,
        make_store: Callable[[Codec], Store] = MemoryStore,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        stage: Stage = no_stage,
    ) -> None:
        self._settings = settings
        self._handlers = {handler.inbox: handler for handler in handlers}
        self._codec = codec
        self._topics = topics
        self._resolver = resolver
        self._observer = observer or Unobserved()
        self._make_store = make_store
        self._now_us = now_us
        self._transactions = Transactions(
            settings.cluster, f"{settings.group}.{settings.slot}", stage
        )
        self._assignment = Assignment(
            settings.cluster, settings.group, self._make_task, self._observer
        )
        self._batch_records = settings.batch_records
        self._release_at = self._lag_at = 0.0

    @property
    def partitions(self) -> list[tuple[str, int]]:
        """Return the input partitions whose tasks are open."""
        return sorted(self._assignment.tasks)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises:
            SlotTaken: another process holds this slot.
            TaskRefused: a task cannot be opened safely.
            InvariantBroken: a handler found a promise broken.
        """
        self._transactions.start()
        consumer = Consumer(
            worker_consumer(self._settings.cluster, self._settings.group, self._settings.slot)
        )
        assignment = self._assignment
        consumer.subscribe(
            list(self._handlers),
            on_assign=assignment.on_assign,
            on_revoke=assignment.on_revoke,
            on_lost=assignment.on_lost,
        )
        try:
            while not stop.is_set():
                self._turn(consumer)
        finally:
            # A static member that closes stays in the group: its successor takes the slot over.
            consumer.close()

    def _turn(self, consumer: Consumer) -> None:
        try:
            messages = self._poll(consumer)
            if self._assignment.is_noted:
                self._assignment.open(consumer)
                return
            self._process(messages)
            self._wake()
            self._commit(consumer)
        except RetryableError as error:
            self._recover(consumer, error)

    def _poll(self, consumer: Consumer) -> list[Message]:
        first = consumer.poll(self._settings.idle_wait_s)
        if first is None:
            return []
        messages = [first]
        if self._batch_records > 1:
            messages += consumer.consume(self._batch_records - 1, 0)
        return messages

    def _process(self, messages: Sequence[Message]) -> None:
        tasks = self._assignment.tasks
        for message in messages:
            error = message.error()
            if error is not None:
                self._judge(error)
                continue
            task = tasks.get((message.topic(), message.partition()))
            if task is None or message.offset() < task.next_offset:
                continue
            task.process(message.offset(), message.timestamp()[1], message.key(), message.value())

    def _judge(self, error: KafkaError) -> None:
        if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL):
            raise SlotTaken(
                f"Another process holds slot {self._settings.slot} ({error.str()}). "
                "Stop it, or give this one another slot."
            )
        log.warning("consumer", error=error.name(), detail=error.str())

    def _wake(self) -> None:
        """Let timers that are due and releases that became possible into the inboxes."""
        now_us = self._now_us()
        for task in self._assignment.tasks.values():
            due_at_us = task.timers.next_due_at_us()
            if due_at_us is not None and due_at_us <= now_us:
                task.fire_timers(now_us)
        if time.monotonic() >= self._release_at:
            self._release_at = time.monotonic() + RELEASE_CHECK_S
            self._ask_releases(now_us)

    def _ask_releases(self, now_us: int) -> None:
        for task in self._assignment.tasks.values():
            curable = [
                park_key
                for park_key, waits_for in task.hospital.waiting.items()
                if waits_for is not None and self._resolver(waits_for)
            ]
            for park_key in curable:
                task.ask_release(park_key, now_us)

    def _commit(self, consumer: Consumer) -> None:
        dirty = [task for task in self._assignment.tasks.values() if task.is_dirty]
        if not dirty:
            self._report_lag(consumer)
            return
        records = sum(task.next_offset - task.kept_offset for task in dirty)
        took_s = self._transactions.commit(dirty, consumer)
        for task in dirty:
            task.keep()
        self._batch_records = min(self._settings.batch_records, self._batch_records * 2)
        self._observer.committed(took_s, records)
        self._report_lag(consumer)

    def _recover(self, consumer: Consumer, error: RetryableError) -> None:
        """Roll back to the last commit; halve the next batch, and open the tasks anew."""
        log.warning("rolled back", error=type(error).__name__, detail=str(error))
        self._observer.aborted(type(error).__name__)
        self._batch_records = max(1, self._batch_records // 2)
        time.sleep(error.retry_after_s or RETRY_PAUSE_S)
        if isinstance(error, TransactionLost):
            self._assignment.distrust()
            return
        for task in self._assignment.tasks.values():
            task.drop()
        self._assignment.deliver(consumer)

    def _report_lag(self, consumer: Consumer) -> None:
        if time.monotonic() < self._lag_at:
            return
        self._lag_at = time.monotonic() + LAG_REPORT_S
        lags = {}
        for at, task in self._assignment.tasks.items():
            try:
                _, end = consumer.get_watermark_offsets(TopicPartition(*at), cached=True)
            except KafkaException:
                continue
            lags[at] = max(0, end - task.next_offset)
            self._observer.parked(task.name, task.partition, len(task.hospital.waiting))
        self._observer.lagging(lags)

    def _make_task(self, inbox: str, partition: int) -> Task:
        store = self._make_store(self._codec)
        handler = self._handlers[inbox]
        return Task(handler, partition, store, self._codec, self._topics, self._observer)
