"""Which task partitions this worker has, and how each is opened.

Guarantees: callbacks of the consumer only take notes; work happens between polls, and nothing is
delivered before its task is open. A task is opened in this order: the group's *stable* committed
offset, then the changelog's end, then restore, then the rows' own position is compared with the
committed offset (see `position`). While a restore runs the consumer is polled, so the membership
lives, and a change of assignment ends it. A task that stays with this worker over a quick rebalance
keeps its rows; after a failed transaction, a slow rebalance, or when the membership was lost, it
does not: a commit of timers alone changes rows without moving the offset.
Does not: process records (see `worker`).
"""

import gc
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from omnihub.broker.clients import HEARTBEAT_MS, SESSION_TIMEOUT_MS, Cluster
from omnihub.broker.ports import Offsets, Partition
from omnihub.engine.errors import TaskRefused, TransactionLost
from omnihub.engine.observer import EngineObserver
from omnihub.engine.position import Standing, compare
from omnihub.engine.restore import Restore, changelogs
from omnihub.engine.task import Task

log = structlog.get_logger(__name__)
COMMITTED_TIMEOUT_S = 30.0
LOOKS = 10
"""So often is a changelog that seems short read again, half a second apart."""
KEPT_FOR_S = (SESSION_TIMEOUT_MS - HEARTBEAT_MS) / 1000
"""Nobody else can have owned a partition that was away for less: the group still counted on us."""


class Assignment:
    """The tasks of this worker by input partition."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        make_task: Callable[[str, int], Task],
        observer: EngineObserver,
        delivered: Callable[[Consumer, Collection[Partition]], None] = lambda _, __: None,
    ) -> None:
        self._cluster = cluster
        self._delivered = delivered
        self._name = name
        self._make_task = make_task
        self._observer = observer
        self._wanted: set[Partition] = set()
        self._kept: dict[Partition, Task] = {}
        self._kept_since_s = 0.0
        self._changes = 0
        self._looks: Counter[Partition] = Counter()
        self._had_tasks = False
        self.tasks: dict[Partition, Task] = {}
        self.is_noted = False

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Note what was assigned; nothing is fetched until its tasks are open."""
        consumer.assign([])
        self._changes += 1
        self._wanted = {(p.topic, p.partition) for p in partitions}
        if time.monotonic() - self._kept_since_s > KEPT_FOR_S:
            self._kept = {}
        self._kept = {at: task for at, task in self._kept.items() if at in self._wanted}
        self.is_noted = True

    def on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        """Note that nothing is owned for now; rows are kept in case their partition stays."""
        for task in self.tasks.values():
            task.drop()
        self._kept = self.tasks
        self._kept_since_s = time.monotonic()
        self._note_nothing()

    def on_lost(self, _: Consumer, __: list[TopicPartition]) -> None:
        """Note that others may have worked on our partitions: no row can be trusted."""
        self._kept = {}
        self._note_nothing()

    def distrust(self) -> None:
        """A transaction's outcome is unknown: open every task anew, from its changelog."""
        self._kept = {}
        self.tasks = {}
        self.is_noted = True

    def open(self, consumer: Consumer) -> None:
        """Open every wanted task, then let the consumer deliver.

        Raises:
            TransactionLost: it cannot be done now, or is overtaken by another change: try again.
            TaskRefused: a task must not run.
        """
        wanted, change = sorted(self._wanted), self._changes

        def is_wanted() -> bool:
            consumer.poll(0)  # Nothing is assigned: this only serves the group's callbacks.
            return change == self._changes

        if wanted:
            committed = self._committed(consumer, wanted)
            tasks = self._restored(wanted, committed, is_wanted)
            for at, task in tasks.items():
                task.open(self._start(consumer, task, committed[at]))
            self.tasks = tasks
            _freeze(is_first=not self._had_tasks)
            self._had_tasks = True
            self.deliver(consumer)
        self._kept = {}
        self.is_noted = False
        self._observer.assigned(len(self.tasks))

    def deliver(self, consumer: Consumer) -> None:
        """Fetch from each task's next offset; what was fetched before is forgotten."""
        at = self.tasks.items()
        consumer.assign([TopicPartition(*where, task.next_offset) for where, task in at])
        self._delivered(consumer, self.tasks)

    def go_past_lost(self, consumer: Consumer, at: Partition) -> None:
        """Read on at the log's start where retention has passed a task's next record.

        What lay between is gone, and stopping brings nothing back: it is told and alarmed.

        Raises:
            TransactionLost: the log's ends are not known now.
            TaskRefused: the log ends before what was already read.
        """
        task = self.tasks.get(at)
        if task is None:
            return
        low, end = _log_range(consumer, task)
        if task.next_offset > end:
            raise TaskRefused(
                f"{task.name}[{task.partition}] has read {task.inbox} up to {task.next_offset}, "
                f"but it ends at {end}: the topic lost its tail or was recreated. Restore it, or "
                f"delete {task.changelog} and the group's offsets to start anew."
            )
        if task.next_offset < low:
            self._observer.alarmed(task.name, "retention passed records that were not yet read")
            log.error(
                "records lost to retention",
                task=task.name,
                partition=task.partition,
                first=task.next_offset,
                next=low,
            )
            task.next_offset = low
        self.deliver(consumer)

    def _note_nothing(self) -> None:
        self._changes += 1
        self.tasks = {}
        self._wanted = set()
        self.is_noted = True

    def _committed(self, consumer: Consumer, wanted: Iterable[Partition]) -> Offsets:
        """Return stable offsets: librdkafka waits out a predecessor's open transaction."""
        asked = [TopicPartition(*at) for at in wanted]
        try:
            answer = consumer.committed(asked, COMMITTED_TIMEOUT_S)
        except KafkaException as error:
            raise TransactionLost(f"no committed offsets: {error.args[0].str()}", 0.2) from error
        for place in answer:
            if place.error is not None:
                raise TransactionLost(f"no committed offset: {place.error.str()}", 0.2)
        return {(place.topic, place.partition): place.offset for place in answer}

    def _restored(
        self,
        wanted: Iterable[Partition],
        committed: dict[Partition, int],
        is_wanted: Callable[[], bool],
    ) -> dict[Partition, Task]:
        started = time.monotonic()
        kept = {at: task for at, task in self._kept.items() if task.kept_offset == committed[at]}
        tasks = {at: kept.get(at) or self._make_task(*at) for at in wanted}
        fresh = [task for at, task in tasks.items() if at not in kept]
        restore = Restore(changelogs(self._cluster, self._name, fresh))
        restore.run(self._cluster, self._name, is_wanted, self._observer.restoring)
        rows_by_name: Counter[str] = Counter()
        for task, rows in restore.read.items():
            rows_by_name[task.name] += rows
        for name, rows in rows_by_name.items():
            self._observer.restored(name, rows, time.monotonic() - started)
        return tasks

    def _start(self, consumer: Consumer, task: Task, committed: int) -> int:
        """Return where `task` reads on, having compared its rows with the group's offset."""
        position = task.position
        standing = compare(position, committed)
        if position is None or standing is Standing.BEHIND:
            if standing is Standing.NEW:
                return _log_range(consumer, task)[0]
            raise self._behind(task, position, committed)
        if standing is Standing.AHEAD:
            self._observer.alarmed(task.name, "committed offset lost, the rows' position wins")
            log.warning("offsets lost", task=task.name, position=position, committed=committed)
        self._looks.pop((task.inbox, task.partition), None)
        return position

    def _behind(self, task: Task, position: int | None, committed: int) -> Exception:
        self._looks[task.inbox, task.partition] += 1
        if self._looks[task.inbox, task.partition] < LOOKS:
            return TransactionLost(
                f"{task.changelog}[{task.partition}] reaches {position}, the group {committed}: "
                "not complete yet",
                0.5,
            )
        return TaskRefused(
            f"{task.name}[{task.partition}]: the group has committed {committed}, but the rows in "
            f"{task.changelog} reach only {position}: the topic lost its tail or was recreated. "
            "Restore it, or reset the group's offsets of this task to rebuild from its inbox."
        )


def _log_range(consumer: Consumer, task: Task) -> tuple[int, int]:
    """Return the first and the next offset of the task's inbox partition."""
    at = TopicPartition(task.inbox, task.partition)
    try:
        low, end = consumer.get_watermark_offsets(at, COMMITTED_TIMEOUT_S)
    except KafkaException as error:
        raise TransactionLost(f"no ends of {task.inbox}: {error.args[0].str()}", 0.2) from error
    return int(low), int(end)


def _freeze(is_first: bool) -> None:
    """Rows live long: collecting must not look at them again, but those of lost tasks must go."""
    if not is_first:
        gc.unfreeze()
        gc.collect()
    gc.freeze()
