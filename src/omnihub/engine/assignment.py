"""Which task partitions this worker has, and how each is opened.

Guarantees: callbacks of the consumer only take notes; work happens between polls, and nothing is
delivered before its task is open. A task is opened in this order: the group's *stable* committed
offset, then the changelog's end, then restore, then the rows' own position is compared with the
committed offset. Equal: go. Lower: the changelog is not complete yet, look again. Higher: the
group's offsets were lost; the rows win and an alarm is raised. A task that stays with this worker
over a rebalance keeps its rows; after a failed transaction, or when the membership was lost, it
does not: a commit of timers alone changes rows without moving the offset.
Does not: process records (see `worker`).
"""

import time
from collections.abc import Callable, Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from omnihub.broker.clients import Cluster
from omnihub.engine.errors import TaskRefused, TransactionLost
from omnihub.engine.observer import EngineObserver
from omnihub.engine.restore import changelog_ends, restore
from omnihub.engine.task import Task

COMMITTED_TIMEOUT_S = 30.0
LOOKS = 10
"""So often is a changelog that seems short read again, half a second apart."""
At = tuple[str, int]


class Assignment:
    """The tasks of this worker by input partition."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        make_task: Callable[[str, int], Task],
        observer: EngineObserver,
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._make_task = make_task
        self._observer = observer
        self._wanted: set[At] = set()
        self._kept: dict[At, Task] = {}
        self.tasks: dict[At, Task] = {}
        self.is_noted = False
        self._looks = 0

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Note what was assigned; nothing is fetched until its tasks are open."""
        consumer.assign([])
        self._wanted = {(p.topic, p.partition) for p in partitions}
        self._kept = {at: task for at, task in self._kept.items() if at in self._wanted}
        self.is_noted = True

    def on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        """Note that nothing is owned for now; rows are kept in case their partition stays."""
        for at, task in self.tasks.items():
            task.drop()
            self._kept[at] = task
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
        """Open every wanted task, then let the consumer deliver."""
        wanted = sorted(self._wanted)
        if wanted:
            committed = self._committed(consumer, wanted)
            tasks = self._restored(wanted, committed)
            for at, task in tasks.items():
                task.open(self._start(consumer, task, committed[at]))
            self.tasks = tasks
            self.deliver(consumer)
        self._kept = {}
        self.is_noted = False
        self._observer.assigned(len(self.tasks))

    def deliver(self, consumer: Consumer) -> None:
        """Fetch from each task's next offset; what was fetched before is forgotten."""
        at = self.tasks.items()
        consumer.assign([TopicPartition(*where, task.next_offset) for where, task in at])

    def _note_nothing(self) -> None:
        self.tasks = {}
        self._wanted = set()
        self.is_noted = True

    def _committed(self, consumer: Consumer, wanted: Iterable[At]) -> dict[At, int]:
        """Return stable offsets: librdkafka waits out a predecessor's open transaction."""
        asked = [TopicPartition(*at) for at in wanted]
        try:
            answer = consumer.committed(asked, COMMITTED_TIMEOUT_S)
        except KafkaException as error:
            raise TransactionLost(f"no committed offsets: {error.args[0].str()}", 0.2) from error
        return {(p.topic, p.partition): p.offset for p in answer}

    def _restored(self, wanted: Iterable[At], committed: dict[At, int]) -> dict[At, Task]:
        tasks: dict[At, Task] = {}
        for at in wanted:
            kept = self._kept.get(at)
            is_current = kept is not None and kept.kept_offset == committed[at]
            tasks[at] = kept if kept is not None and is_current else self._make_task(*at)
        fresh = [task for at, task in tasks.items() if task is not self._kept.get(at)]
        started = time.monotonic()
        read = restore(self._cluster, self._name, changelog_ends(self._cluster, self._name, fresh))
        for task, rows in read.items():
            if rows:
                self._observer.restored(task.name, rows, time.monotonic() - started)
        return tasks

    def _start(self, consumer: Consumer, task: Task, committed: int) -> int:
        """Return where `task` reads on, having compared its rows with the group's offset."""
        at = TopicPartition(task.inbox, task.partition)
        position = task.position
        if position is None and committed < 0:
            low, _ = consumer.get_watermark_offsets(at, COMMITTED_TIMEOUT_S)
            return int(low)
        if position is None or position < committed:
            return self._behind(task, position, committed)
        if position > committed:
            self._observer.alarmed(task.name, "committed offset lost, the rows' position wins")
        self._looks = 0
        return position

    def _behind(self, task: Task, position: int | None, committed: int) -> int:
        self._looks += 1
        if self._looks < LOOKS:
            raise TransactionLost(f"{task.changelog} is not complete yet", 0.5)
        raise TaskRefused(
            f"{task.name}[{task.partition}]: the group has committed {committed}, but the rows in "
            f"{task.changelog} reach only {position}: the topic lost its tail or was recreated. "
            "Restore it, or reset the group's offsets of this task to rebuild from its inbox."
        )
