"""Brings the rows of task partitions back from their changelogs.

Guarantees: reads read_committed up to the changelog's *read_uncommitted* end as seen after the
group's stable offsets were read: under KIP-447 the offsets' marker may land before the changelog's
(KAFKA-10167), so a read_committed end can lie two records short. Each store says from where it
needs the changelog. Progress is told by position, since control records and aborted ones are
skipped. The caller is asked between batches whether to go on, so that its membership stays alive.
Does not: trust the broker's offset over the rows' own position (see `assignment`).
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

import structlog
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from omnihub.broker.clients import Cluster, admin_client, restore_consumer
from omnihub.broker.ports import Partition
from omnihub.engine.errors import TaskRefused, TransactionLost
from omnihub.engine.store import Change, Changelog
from omnihub.engine.task import Task
from omnihub.model.errors import ParkError

A = TypeVar("A")
log = structlog.get_logger(__name__)
ASK_TIMEOUT_S = 10.0
POLL_S = 0.2
STALLED_AFTER_S = 30.0
REPORT_S = 1.0
BATCH_RECORDS = 10_000
CURE = (
    "A newer release wrote it: run that one again. Nothing was changed. For a way back to this "
    "release see docs/upgrade.md."
)


def changelogs(cluster: Cluster, name: str, tasks: Sequence[Task]) -> dict[Task, Changelog]:
    """Return the id, first offset and read_uncommitted end of each task's changelog partition.

    Raises:
        TransactionLost: the cluster does not say.
    """
    if not tasks:
        return {}
    asked = {task: TopicPartition(task.changelog, task.partition) for task in tasks}
    names = {task.changelog for task in tasks}
    admin = AdminClient({**admin_client(cluster), "client.id": name})
    about = admin.describe_topics(TopicCollection(sorted(names)), request_timeout=ASK_TIMEOUT_S)
    lows, ends = (
        admin.list_offsets(
            dict.fromkeys(asked.values(), spec),
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=ASK_TIMEOUT_S,
        )
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
    )
    ids = {topic: str(_answer(about[topic], topic).topic_id) for topic in names}
    return {
        task: Changelog(
            ids[task.changelog],
            int(_answer(lows[place], task.changelog).offset),
            int(_answer(ends[place], task.changelog).offset),
        )
        for task, place in asked.items()
    }


class Restore:
    """One restore of several task partitions; `remaining` records are still to be read."""

    def __init__(self, known: Mapping[Task, Changelog]) -> None:
        self._reached = {task: _resume(task, changelog) for task, changelog in known.items()}
        self._ends = {task: changelog.end for task, changelog in known.items()}
        self._behind: dict[Partition, Task] = {
            (task.changelog, task.partition): task
            for task, reached in self._reached.items()
            if reached < self._ends[task]
        }
        self.read = dict.fromkeys(known, 0)

    @property
    def remaining(self) -> int:
        """Return how many offsets are still to be read."""
        return sum(self._ends[task] - self._reached[task] for task in self._behind.values())

    def run(
        self,
        cluster: Cluster,
        name: str,
        is_wanted: Callable[[], bool],
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Read each changelog to its end into the task's store; `tell` how much remains.

        Raises:
            TransactionLost: a changelog does not advance, or the assignment changed meanwhile.
            TaskRefused: it holds what this release cannot read.
            StoreUnusable: the rows cannot be kept.
        """
        if not self._behind:
            return
        with _closing(restore_consumer(cluster, name)) as consumer:
            starts = [TopicPartition(*at, self._reached[t]) for at, t in self._behind.items()]
            consumer.assign(starts)
            progress_at = report_at = time.monotonic()
            while self._behind:
                first = consumer.poll(POLL_S)
                messages = [] if first is None else [first, *consumer.consume(BATCH_RECORDS, 0)]
                if not is_wanted():
                    raise TransactionLost("the assignment changed during a restore")
                if messages:
                    progress_at = time.monotonic()
                elif time.monotonic() - progress_at > STALLED_AFTER_S:
                    behind = sorted(self._behind)
                    raise TransactionLost(f"changelogs {behind} do not advance", 1.0)
                self._take(messages)
                if time.monotonic() - report_at > REPORT_S:
                    report_at = time.monotonic()
                    tell(self.remaining)
                    log.info("restoring", read=sum(self.read.values()), remaining=self.remaining)
        tell(0)

    def _take(self, messages: Sequence[Message]) -> None:
        found: defaultdict[Task, list[Change]] = defaultdict(list)
        for message in messages:
            task = self._behind.get((message.topic(), message.partition()))
            if task is None:
                continue
            error, reached = message.error(), message.offset()
            if error is None:
                found[task].append((message.key(), message.value()))
                reached += 1
            elif error.code() != KafkaError._PARTITION_EOF:
                at = (message.topic(), message.partition())
                raise TransactionLost(f"changelog {at} cannot be read: {error.str()}", 1.0)
            self._reached[task] = reached
        for at, task in list(self._behind.items()):
            is_complete = self._reached[task] >= self._ends[task]
            if found[task] or is_complete:
                _keep(task, found[task], self._reached[task])
                self.read[task] += len(found[task])
            if is_complete:
                del self._behind[at]


def _resume(task: Task, changelog: Changelog) -> int:
    try:
        return task.store.resume(changelog)
    except ParkError as error:
        raise _unreadable(task, error) from error


def _keep(task: Task, changes: Sequence[Change], next_offset: int) -> None:
    try:
        task.store.restore(changes, next_offset)
    except KeyError as unknown:
        raise TaskRefused(
            f"{task.changelog}[{task.partition}] holds rows of type {unknown}, which this release "
            f"does not know. {CURE}"
        ) from None
    except ParkError as error:
        raise _unreadable(task, error) from error


def _unreadable(task: Task, error: ParkError) -> TaskRefused:
    return TaskRefused(
        f"{task.changelog}[{task.partition}] holds a row that this release cannot keep whole "
        f"({error}). {CURE}"
    )


def _answer(future: Future[A], topic: str) -> A:
    try:
        return future.result(ASK_TIMEOUT_S)
    except KafkaException as error:
        raise TransactionLost(f"{topic}: {error.args[0].str()}", 0.2) from error
    except TimeoutError as error:
        raise TransactionLost(f"{topic}: no answer in {ASK_TIMEOUT_S:g} s", 0.2) from error


@contextlib.contextmanager
def _closing(settings: dict[str, object]) -> Iterator[Consumer]:
    consumer = Consumer(settings)
    try:
        yield consumer
    finally:
        consumer.close()
