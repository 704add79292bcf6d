"""Counts what arrives at a sink, read_committed: the only place where throughput is measured."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, Message, TopicPartition

from bench.lab import PARTITIONS, Child, SideFailed, check_alive

TIMEOUT_S = 240.0


@contextlib.contextmanager
def reading(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> Iterator[Consumer]:
    """Read a topic from its beginning, committed records only."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"count-{topic}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.min.bytes": 1,
            "fetch.wait.max.ms": 20,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(topic, at, 0) for at in range(partitions)])
    try:
        yield consumer
    finally:
        consumer.close()


def records(consumer: Consumer, wait_s: float = 0.05) -> list[Message]:
    """Return the records that arrived."""
    return [message for message in consumer.consume(20_000, wait_s) if message.error() is None]


def rate(
    bootstrap: str,
    topic: str,
    expected: int,
    children: Sequence[Child],
    *,
    is_exact: bool = True,
    timeout_s: float = TIMEOUT_S,
) -> float:
    """Return events/s between the moment a tenth has arrived and the moment all have.

    `is_exact` tells whether more than expected is a fault (exactly-once sides) or not.

    Raises:
        SideFailed: the side ended, was too slow, or wrote duplicates.
    """
    seen, first, started = 0, expected // 10, 0.0
    deadline = time.monotonic() + timeout_s
    with reading(bootstrap, topic) as consumer:
        while seen < expected:
            check_alive(children)
            if time.monotonic() > deadline:
                raise SideFailed(f"{seen} of {expected} records after {timeout_s:g} s")
            seen += len(records(consumer))
            if not started and seen >= first:
                started, first = time.monotonic(), seen
        took_s = time.monotonic() - started
        if is_exact and (seen + len(records(consumer, 0.3))) > expected:
            raise SideFailed(f"more than {expected} records: duplicates")
    return (expected - first) / took_s
