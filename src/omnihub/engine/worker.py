"""The exactly-once loop of one worker process.

Guarantees: per turn, one transaction holds the outputs, changed rows and next offsets of every task
it touched; after a crash the successor continues as if nothing had happened. A transaction begins
after the batch was processed and ends before the next poll, so no rebalance falls inside one. Any
failure rolls back to the last commit and tries again, with growing pauses; a batch that failed
twice is halved, down to one record. Two holders of one slot never fight: the fenced one stops.
Inboxes of the bulk lane are read only while nothing live waits (see `lanes`).
Does not: restart itself (the supervisor does), or speed up one task with several threads.
"""

import contextlib
import gc
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from omnihub.broker.clients import Cluster, worker_consumer
from omnihub.broker.ports import Partition
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.assignment import Assignment
from omnihub.engine.errors import (
    RowsUnfit,
    SlotTaken,
    StoreUnusable,
    TaskRefused,
    TransactionLost,
)
from omnihub.engine.lanes import LIVE_LAG_S, BulkLane
from omnihub.engine.observer import EngineObserver, Unobserved
from omnihub.engine.pacing import pause_after
from omnihub.engine.store import MemoryStores, Stores
from omnihub.engine.task import PARKED_LIMIT, Input, Task
from omnihub.engine.transactions import Stage, Transactions, no_stage
from omnihub.model.errors import RetryableError
from omnihub.rules.rule import Handler

log = structlog.get_logger(__name__)
GC_PERIOD_S = 10.0
"""Batches make many objects and no cycles: collecting by count looked at all of them, for 8 %."""
RELEASE_CHECK_S = 0.5
LAG_REPORT_S = 1.0
SLICE_S = 5.0
"""So long may a batch run before what is done of it is committed: a group that hears nothing for
`max.poll.interval.ms` gives the partitions away, and the next owner would do no better."""
LOOK_S = 0.1
UNREAD_ALLOWED = 100
"""Fewer records than this may be none: markers of transactions count in a log's end."""
SAMPLE = 100
RETRY_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
CONNECT_TIMEOUT_S = 5.0
FENCED = (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL)
Resolver = Callable[[str], bool]
MakeTransactions = Callable[[Cluster, str, Stage], Transactions]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker slot. `slot` is the pair of host and process index, stable over restarts."""

    cluster: Cluster
    group: str
    slot: str
    batch_records: int = 10_000
    idle_wait_s: float = 0.05
    commit_pause_s: float = 0.02
    """Least pause after a commit, in which the next one gathers: a commit costs the broker the same
    for one record as for a thousand. See `pacing`."""
    parked_limit: int = PARKED_LIMIT


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
        stores: Stores | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        make_transactions: MakeTransactions = Transactions,
        stage: Stage = no_stage,
        must_bulk_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._handlers = {handler.inbox: handler for handler in handlers}
        self._codec = codec
        self._topics = topics
        self._resolver = resolver
        self._observer = observer or Unobserved()
        self._stores = stores or MemoryStores()
        self._now_us = now_us
        transactional_id = f"{settings.group}.{settings.slot}"
        self._transactions = make_transactions(settings.cluster, transactional_id, stage)
        bulk = {inbox for inbox in self._handlers if topics.spec(inbox).lane == "bulk"}
        self._bulk = BulkLane(bulk, must_bulk_wait)
        self._assignment = Assignment(
            settings.cluster,
            settings.group,
            self._make_task,
            self._observer,
            self._bulk.delivered,
        )
        self._batch_records = settings.batch_records
        self._look_at = 0.0
        self._is_drained = self._is_behind = False
        self._release_at = self._lag_at = self._collect_at = self._commit_at = 0.0
        self._failures = 0
        self._ends: dict[Partition, int] = {}
        self._lost: set[Partition] = set()
        self._run = uuid.uuid4().hex
        self._stop = threading.Event()

    @property
    def partitions(self) -> list[Partition]:
        """Return the input partitions whose tasks are open."""
        return sorted(self._assignment.tasks)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises:
            SlotTaken: another process holds this slot, or its rows on disk.
            TaskRefused: a task cannot be opened safely.
            InvariantBroken: a handler found a promise broken.
        """
        self._stop = stop
        with contextlib.suppress(StoreUnusable):  # Told; opening tasks tries again, for ever.
            self._stores.open()
        gc.disable()
        self._transactions.start()
        settings = self._settings
        reading = worker_consumer(settings.cluster, settings.group, settings.slot)
        # Transaction markers count in a log's end: only this tells that nothing is left to read.
        consumer = Consumer({**reading, "enable.partition.eof": True})
        with contextlib.suppress(KafkaException):  # As for the producer; without, it is slower.
            known = consumer.list_topics(timeout=CONNECT_TIMEOUT_S).topics
            self._refuse_growth({name: len(topic.partitions) for name, topic in known.items()})
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
            gc.enable()
            # A static member that closes stays in the group: its successor takes the slot over.
            consumer.close()
            self._transactions.close()
            self._stores.close()

    def _turn(self, consumer: Consumer) -> None:
        try:
            began_s = time.monotonic()
            worked = self._work_bulk(consumer)
            bulk_s = time.monotonic() - began_s
            messages = self._poll(consumer, is_urgent=worked > 0)
            began_s = time.monotonic()
            if self._assignment.is_noted:
                self._bulk.forget()
                self._assignment.open(consumer)
                return
            live = self._bulk.sort_out(messages)
            if live and self._bulk.partitions:
                newest_ms = max(message.timestamp()[1] for message in live[-SAMPLE:])
                self._bulk.meter.saw(self._now_us() / 1e6 - newest_ms / 1e3, began_s)
            self._process(live, consumer)
            self._wake()
            now_s = time.monotonic()
            self._bulk.meter.turned(bulk_s + now_s - began_s, worked, now_s)
            self._commit(consumer)
            self._go_past_lost(consumer)
            self._look(consumer)
            self._tidy(consumer)
        except RetryableError as error:
            self._recover(consumer, error)

    def _work_bulk(self, consumer: Consumer) -> int:
        """Work on bulk until the next commit is due anyway; return how many records that were."""
        self._bulk.steer(consumer, time.monotonic())

        def process(portion: Sequence[Message]) -> None:
            self._process(portion, consumer)

        return self._bulk.work(process, time.monotonic, self._commit_at)

    def _poll(self, consumer: Consumer, *, is_urgent: bool) -> list[Message]:
        """Wait for a first message, then take what is there; return those that are records.

        With something to commit already (`is_urgent`) nothing is waited for.
        """
        self._stop.wait(max(0.0, self._commit_at - time.monotonic()))
        first = consumer.poll(0.0 if is_urgent else self._settings.idle_wait_s)
        if first is None:
            self._is_drained = True
            return []
        messages = [first]
        if self._batch_records > 1:
            messages += consumer.consume(self._batch_records - 1, 0)
        self._is_drained = len(messages) < self._batch_records
        return [each for each in messages if each.error() is None or self._is_record(each)]

    def _look(self, consumer: Consumer) -> None:
        """Note whether everything live is read; ask for the logs' ends only while bulk waits."""
        now_s = time.monotonic()
        if not self._bulk.waiting:
            self._is_behind = False
        elif now_s >= self._look_at:
            self._look_at = now_s + LOOK_S
            self._is_behind = any(
                unread > UNREAD_ALLOWED
                for (topic, _), unread in self._unread(consumer).items()
                if topic not in self._bulk.inboxes
            )
        if self._is_drained and not self._is_behind:
            self._bulk.meter.drained_at_s = now_s

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            self._ends[message.topic(), message.partition()] = message.offset()
            return False
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._lost.add((message.topic(), message.partition()))
            return False
        if error.code() in FENCED or error.fatal():
            raise SlotTaken(
                f"Another process holds slot {self._settings.slot} ({error.str()}). "
                "Stop it, or give this one another slot."
            )
        log.warning("consumer", error=error.name(), detail=error.str())
        return False

    def _process(self, messages: Sequence[Message], consumer: Consumer) -> None:
        tasks = self._assignment.tasks
        ends = self._first_batches(messages)
        slice_ends_at = time.monotonic() + SLICE_S
        if not ends:
            self._process_all(messages, slice_ends_at, consumer)
            return
        begun = self._begin(messages, ends, consumer)
        for message in messages:
            if time.monotonic() > slice_ends_at:
                self._assignment.deliver(consumer)  # The rest of the batch is fetched again.
                return
            at = (message.topic(), message.partition())
            task = tasks.get(at)
            if task is None or message.offset() < task.next_offset:
                continue
            record = _input(message)
            if at in begun:
                self._go_on(task, begun.pop(at), consumer)
            elif task.attempts.is_pending:
                self._go_on(task, task.attempt(record, ends[at]), consumer)
            else:
                task.process(*record)

    def _process_all(
        self, messages: Sequence[Message], slice_ends_at: float, consumer: Consumer
    ) -> None:
        """Process a batch that is nobody's first: nearly all of them, so with little around it."""
        tasks, now_s = self._assignment.tasks, time.monotonic
        for message in messages:
            if now_s() > slice_ends_at:
                self._assignment.deliver(consumer)  # The rest of the batch is fetched again.
                return
            task = tasks.get((message.topic(), message.partition()))
            offset = message.offset()
            if task is not None and offset >= task.next_offset:
                task.process(offset, message.timestamp()[1], message.key(), message.value())

    def _first_batches(self, messages: Sequence[Message]) -> dict[Partition, int]:
        """Return where the batches end that are their task's first."""
        tasks = self._assignment.tasks
        pending = {at for at, task in tasks.items() if task.attempts.is_pending}
        places = ((m.topic(), m.partition(), m.offset()) for m in messages) if pending else ()
        return {(on, at): offset + 1 for on, at, offset in places if (on, at) in pending}

    def _begin(
        self, messages: Sequence[Message], ends: Mapping[Partition, int], consumer: Consumer
    ) -> dict[Partition, Iterator[None]]:
        """Announce first batches, all in one commit; return how each goes on.

        Should a record kill this process, the next one knows in which batch. Those that have done
        so already are not among them: each of their records is announced by itself.
        """
        tasks = self._assignment.tasks
        first: dict[Partition, Input] = {}
        for message in messages:
            at = (message.topic(), message.partition())
            if at in ends and message.offset() >= tasks[at].next_offset:
                first.setdefault(at, _input(message))
        begun = {
            at: tasks[at].attempt(record, ends[at])
            for at, record in first.items()
            if not tasks[at].attempts.is_suspect
        }
        for steps in begun.values():
            next(steps)
        if begun:
            self._keep([tasks[at] for at in begun], consumer)
        return begun

    def _go_on(self, task: Task, steps: Iterator[None], consumer: Consumer) -> None:
        for _ in steps:
            self._keep([task], consumer)

    def _keep(self, tasks: Sequence[Task], consumer: Consumer) -> float:
        took_s = self._transactions.commit(tasks, consumer)
        for task in tasks:
            task.keep()
        return took_s

    def _wake(self) -> None:
        """Let timers that are due and releases that became possible into the inboxes."""
        now_us = self._now_us()
        is_release_due = time.monotonic() >= self._release_at
        if is_release_due:
            self._release_at = time.monotonic() + RELEASE_CHECK_S
        for task in self._assignment.tasks.values():
            task.wake(now_us)
            if is_release_due and task.hospital.waiting:
                task.tend_parked(self._resolver, now_us)

    def _commit(self, consumer: Consumer) -> None:
        dirty = [task for task in self._assignment.tasks.values() if task.is_dirty]
        if not dirty:
            return
        records = sum(task.next_offset - task.kept_offset for task in dirty)
        took_s = self._keep(dirty, consumer)
        is_full = records >= self._batch_records
        pause_s = pause_after(took_s, is_full=is_full, least_s=self._settings.commit_pause_s)
        self._commit_at = time.monotonic() + pause_s
        self._batch_records = min(self._settings.batch_records, self._batch_records * 2)
        self._failures = 0
        self._observer.committed(took_s, records)

    def _go_past_lost(self, consumer: Consumer) -> None:
        """Deal with partitions whose next record is not in the log, now that nothing is staged."""
        while self._lost:
            self._assignment.go_past_lost(consumer, self._lost.pop())

    def _tidy(self, consumer: Consumer) -> None:
        """Do what is due from time to time."""
        now_s = time.monotonic()
        if now_s >= self._lag_at:
            self._lag_at = now_s + LAG_REPORT_S
            self._report_lag(consumer)
        if now_s >= self._collect_at:
            self._collect_at = now_s + GC_PERIOD_S
            gc.collect()

    def _recover(self, consumer: Consumer, error: RetryableError) -> None:
        """Roll back to the last commit, and try again; from the second failure on, with less."""
        self._bulk.forget()
        log.warning("rolled back", error=type(error).__name__, detail=str(error))
        self._observer.aborted(type(error).__name__)
        self._failures += 1
        if self._failures > 1:
            self._batch_records = max(1, self._batch_records // 2)
        self._stop.wait(self._pause_s(error))
        if isinstance(error, StoreUnusable):
            self._observer.alarmed("worker", "the rows on disk cannot be used")
        if isinstance(error, TransactionLost | StoreUnusable):
            self._assignment.distrust()
            return
        for task in self._assignment.tasks.values():
            task.drop()
        self._assignment.deliver(consumer)

    def _pause_s(self, error: RetryableError) -> float:
        if isinstance(error, RowsUnfit):
            return 0.0
        growing = RETRY_PAUSE_S * min(2 ** (self._failures - 1), 64)
        return min(error.retry_after_s or growing, LONGEST_PAUSE_S)

    def _report_lag(self, consumer: Consumer) -> None:
        unread, bulk = self._unread(consumer), self._bulk
        for task in self._assignment.tasks.values():
            self._observer.parked(task.name, task.partition, task.hospital.parked)
        self._observer.lagging(unread)
        if bulk.partitions:
            waiting = sum(count for at, count in unread.items() if at[0] in bulk.inboxes)
            lag_s = bulk.meter.lag_s(time.monotonic())
            self._observer.laned(lag_s, waiting, 0 if lag_s < LIVE_LAG_S else bulk.partitions)

    def _unread(self, consumer: Consumer) -> dict[Partition, int]:
        """Return the records not yet read by input partition, as of the latest fetch of each."""
        unread: dict[Partition, int] = {}
        for at, task in self._assignment.tasks.items():
            try:
                _, end = consumer.get_watermark_offsets(TopicPartition(*at), cached=True)
            except KafkaException:
                continue
            unread[at] = max(0, end - max(task.next_offset, self._ends.get(at, 0)))
        return unread

    def _refuse_growth(self, counts: Mapping[str, int]) -> None:
        """A static member may get its old partitions back: its assignment alone tells nothing."""
        for inbox in self._handlers:
            refuse_growth(inbox, counts.get(inbox, 0) - 1, self._topics.spec(inbox).partitions)

    def _make_task(self, inbox: str, partition: int) -> Task:
        refuse_growth(inbox, partition, self._topics.spec(inbox).partitions)
        handler = self._handlers[inbox]
        changelog = self._topics.changelog(handler.name, inbox).name
        store = self._stores.store(changelog, partition, self._codec)
        return Task(
            handler,
            partition,
            store,
            self._codec,
            self._topics,
            self._observer,
            self._run,
            self._settings.parked_limit,
        )


def refuse_growth(inbox: str, partition: int, contracted: int) -> None:
    """Refuse a partition that the contract does not know of.

    Raises:
        TaskRefused: the topic has grown.
    """
    if partition >= contracted:
        raise TaskRefused(
            f"{inbox} has partition {partition}, the contract says {contracted} partitions: keys "
            "would move away from their rows. Move to a new version of the topic, with its state."
        )


def _input(message: Message) -> Input:
    return message.offset(), message.timestamp()[1], message.key(), message.value()
