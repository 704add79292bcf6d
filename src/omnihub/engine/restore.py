"""Brings the rows of task partitions back from their changelogs.

Guarantees: reads read_committed up to the changelog's *read_uncommitted* end as seen after the
group's stable offsets were read: under KIP-447 the offsets' marker may land before the changelog's
(KAFKA-10167), so a read_committed end can lie two records short. Progress is told by position,
since control records and aborted ones are skipped. The caller is asked between batches whether to
go on, so that its membership stays alive.
Does not: trust the broker's offset over the rows' own position (see `assignment`).
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from omnihub.broker.clients import Cluster, admin_client, restore_consumer
from omnihub.engine.errors import TaskRefused, TransactionLost
from omnihub.engine.store import kinds_by_name, row_key
from omnihub.engine.task import Task
from omnihub.model.errors import ParkError
from omnihub.model.records import RECORDS

ASK_TIMEOUT_S = 10.0
POLL_S = 0.2
STALLED_AFTER_S = 30.0
BATCH_RECORDS = 5_000
CURE = (
    "A newer release wrote it: run that one again. Nothing was changed. For a way back to this "
    "release see docs/upgrade.md."
)
KINDS = kinds_by_name(RECORDS)
Place = tuple[str, int]


def changelog_ranges(
    cluster: Cluster, name: str, tasks: Sequence[Task]
) -> dict[Task, tuple[int, int]]:
    """Return the first offset and the read_uncommitted end of each task's changelog.

    Raises:
        TransactionLost: the cluster does not say.
    """
    if not tasks:
        return {}
    asked = {task: TopicPartition(task.changelog, task.partition) for task in tasks}
    admin = AdminClient({**admin_client(cluster), "client.id": name})
    lows, ends = (
        admin.list_offsets(
            dict.fromkeys(asked.values(), spec),
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=ASK_TIMEOUT_S,
        )
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
    )
    return {
        task: (_answer(lows[place], task), _answer(ends[place], task))
        for task, place in asked.items()
    }


def restore(
    cluster: Cluster,
    name: str,
    ranges: Mapping[Task, tuple[int, int]],
    is_wanted: Callable[[], bool],
) -> dict[Task, int]:
    """Read each changelog to its end into the task's store; return the rows read per task.

    Raises:
        TransactionLost: a changelog does not advance, or the assignment changed meanwhile.
        TaskRefused: it holds what this release cannot read.
    """
    read = dict.fromkeys(ranges, 0)
    behind = {
        (task.changelog, task.partition): task for task, (low, end) in ranges.items() if low < end
    }
    if not behind:
        return read
    with _closing(restore_consumer(cluster, name)) as consumer:
        consumer.assign([TopicPartition(*at, ranges[task][0]) for at, task in behind.items()])
        progress_at = time.monotonic()
        while behind:
            first = consumer.poll(POLL_S)
            messages = [] if first is None else [first, *consumer.consume(BATCH_RECORDS, 0)]
            if not is_wanted():
                raise TransactionLost("the assignment changed during a restore")
            if messages:
                progress_at = time.monotonic()
            elif time.monotonic() - progress_at > STALLED_AFTER_S:
                raise TransactionLost(f"changelogs {sorted(behind)} do not advance", 1.0)
            for message in messages:
                _take(message, behind, ranges, read)
    return read


def _take(
    message: Message,
    behind: dict[Place, Task],
    ranges: Mapping[Task, tuple[int, int]],
    read: dict[Task, int],
) -> None:
    at = (message.topic(), message.partition())
    task = behind.get(at)
    if task is None:
        return
    error = message.error()
    reached = message.offset()
    if error is None:
        _take_row(task, message.key(), message.value())
        read[task] += 1
        reached += 1
    elif error.code() != KafkaError._PARTITION_EOF:
        raise TransactionLost(f"changelog {at} cannot be read: {error.str()}", 1.0)
    if reached >= ranges[task][1]:
        del behind[at]


def _take_row(task: Task, key: bytes, value: bytes | None) -> None:
    try:
        task.store.restore(row_key(key, KINDS), value)
    except KeyError as unknown:
        raise TaskRefused(
            f"{task.changelog}[{task.partition}] holds rows of type {unknown}, which this release "
            f"does not know. {CURE}"
        ) from None
    except ParkError as error:
        raise TaskRefused(
            f"{task.changelog}[{task.partition}] holds a row that this release cannot keep whole "
            f"({error}). {CURE}"
        ) from error


def _answer(future: Future[ListOffsetsResultInfo], task: Task) -> int:
    try:
        return int(future.result(ASK_TIMEOUT_S).offset)
    except KafkaException as error:
        raise TransactionLost(f"no end of {task.changelog}: {error.args[0].str()}", 0.2) from error
    except TimeoutError as error:
        raise TransactionLost(f"no end of {task.changelog} in {ASK_TIMEOUT_S:g} s", 0.2) from error


@contextlib.contextmanager
def _closing(settings: dict[str, object]) -> Iterator[Consumer]:
    consumer = Consumer(settings)
    try:
        yield consumer
    finally:
        consumer.close()
