"""Brings the rows of task partitions back from their changelogs.

Guarantees: reads read_committed up to the changelog's *read_uncommitted* end as seen after the
group's stable offsets were read: under KIP-447 the offsets' marker may land before the changelog's
(KAFKA-10167), so a read_committed end can lie two records short. Progress is told by position,
since control records and aborted ones are skipped.
Does not: trust the broker's offset over the rows' own position (see `assignment`).
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition

from omnihub.broker.clients import Cluster, restore_consumer
from omnihub.engine.errors import TaskRefused, TransactionLost
from omnihub.engine.store import kinds_by_name, row_key
from omnihub.engine.task import Task
from omnihub.model.records import RECORDS

ASK_TIMEOUT_S = 10.0
STALLED_AFTER_S = 30.0
BATCH_RECORDS = 5_000
KINDS = kinds_by_name(RECORDS)


def changelog_ends(cluster: Cluster, name: str, tasks: Sequence[Task]) -> dict[Task, int]:
    """Return the read_uncommitted end of each task's changelog."""
    settings = {**restore_consumer(cluster, name), "isolation.level": "read_uncommitted"}
    with _closing(settings) as consumer:
        ends = {}
        for task in tasks:
            at = TopicPartition(task.changelog, task.partition)
            _, ends[task] = consumer.get_watermark_offsets(at, ASK_TIMEOUT_S)
        return ends


def restore(cluster: Cluster, name: str, ends: Mapping[Task, int]) -> dict[Task, int]:
    """Read each changelog up to its end into the task's store; return rows read per task."""
    todo = {(task.changelog, task.partition): task for task, end in ends.items() if end > 0}
    read = dict.fromkeys(ends, 0)
    if not todo:
        return read
    with _closing(restore_consumer(cluster, name)) as consumer:
        starts = {at: _start(consumer, at) for at in todo}
        behind = {at for at, task in todo.items() if starts[at] < ends[task]}
        consumer.assign([TopicPartition(*at, starts[at]) for at in behind])
        progress_at = time.monotonic()
        while behind:
            messages = consumer.consume(BATCH_RECORDS, 0.2)
            if messages:
                progress_at = time.monotonic()
            elif time.monotonic() - progress_at > STALLED_AFTER_S:
                raise TransactionLost(f"changelogs {sorted(behind)} do not advance", 1.0)
            for message in messages:
                _take(message, todo, ends, read, behind)
    return read


def _take(
    message: object,
    todo: Mapping[tuple[str, int], Task],
    ends: Mapping[Task, int],
    read: dict[Task, int],
    behind: set[tuple[str, int]],
) -> None:
    at = (message.topic(), message.partition())  # type: ignore[attr-defined]
    task = todo[at]
    error = message.error()  # type: ignore[attr-defined]
    reached = message.offset()  # type: ignore[attr-defined]
    if error is None:
        key, value = message.key(), message.value()  # type: ignore[attr-defined]
        try:
            task.store.restore(row_key(key, KINDS), value)
        except KeyError as unknown:
            raise TaskRefused(
                f"{at[0]} holds rows of type {unknown}, which this release does not know. "
                "It was written by a newer one: run that, or delete the changelog to rebuild."
            ) from None
        read[task] += 1
        reached += 1
    elif error.code() != KafkaError._PARTITION_EOF:
        raise TransactionLost(f"changelog {at} cannot be read: {error.str()}", 1.0)
    if reached >= ends[task]:
        behind.discard(at)


def _start(consumer: Consumer, at: tuple[str, int]) -> int:
    low, _ = consumer.get_watermark_offsets(TopicPartition(*at), ASK_TIMEOUT_S)
    return int(low)


@contextlib.contextmanager
def _closing(settings: dict[str, object]) -> Iterator[Consumer]:
    consumer = Consumer(settings)
    try:
        yield consumer
    finally:
        consumer.close()
