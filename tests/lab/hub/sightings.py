"""Everything a hub leaves behind, as bytes: its topics, its files, its answers.

Guarantees: topics are read by a plain consumer, uncommitted records included; files are read whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

PATIENCE_S = 20.0
NOT_OURS = "__consumer_offsets"
OFFSETS_ONLY = (".index", ".timeindex")
"""Preallocated files of 10 MB each, in which the broker keeps nothing but offsets and times."""


@dataclass(frozen=True)
class Sighting:
    """Bytes that somebody could come by, and where."""

    where: str
    content: bytes


def topics(bootstrap: str) -> Iterator[Sighting]:
    """Yield each topic: keys, values, and headers of all its records."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "canary",
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        found = consumer.list_topics(timeout=PATIENCE_S).topics
        for name in sorted(set(found) - {NOT_OURS}):
            yield Sighting(f"topic {name}", b"\n".join(_records(consumer, name, found[name])))
    finally:
        consumer.close()


def _records(consumer: Consumer, topic: str, metadata: Any) -> Iterator[bytes]:
    open_ends = set(metadata.partitions)
    consumer.assign([TopicPartition(topic, at, OFFSET_BEGINNING) for at in open_ends])
    while open_ends:
        message = consumer.poll(PATIENCE_S)
        assert message is not None, f"{topic} was not read to its end"
        error = message.error()
        if error is None:
            yield _bytes(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            open_ends.discard(message.partition())
        else:
            raise AssertionError(f"{topic}: {error}")


def _bytes(message: Message) -> bytes:
    headers = [part for pair in message.headers() or () for part in pair]
    parts = [message.key(), message.value(), *headers]
    return b"\0".join(each.encode() if isinstance(each, str) else each or b"" for each in parts)


def files(folder: Path) -> Iterator[Sighting]:
    """Yield each file below `folder`."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in OFFSETS_ONLY:
            yield Sighting(f"file {path.relative_to(folder)}", path.read_bytes())


def answer(what: str, told: httpx.Response) -> Sighting:
    """Return an answer as its caller sees it."""
    headers = str(told.headers.multi_items()).encode()
    return Sighting(f"{what}: {told.status_code}", headers + b"\n" + told.content)
