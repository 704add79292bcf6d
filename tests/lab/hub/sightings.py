"""Everything a hub leaves behind, as bytes: its topics, its files, its answers.

Guarantees: topics are read by a plain consumer, uncommitted records included; files are read whole.
Does not: unpack the broker's files: lz4 leaves most texts as they are, but not all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


def topics(bootstrap: str) -> list[Sighting]:
    """Return each topic: keys, values, and headers of all its records."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "canary",
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        known = consumer.list_topics(timeout=PATIENCE_S).topics
        found: dict[str, list[bytes]] = {name: [] for name in known if name != NOT_OURS}
        ends = [(name, at) for name in found for at in known[name].partitions]
        for message in _all(consumer, ends):
            found[str(message.topic())].append(_bytes(message))
    finally:
        consumer.close()
    return [Sighting(f"topic {name}", b"\n".join(told)) for name, told in sorted(found.items())]


def _all(consumer: Consumer, partitions: list[tuple[str, int]]) -> Iterator[Message]:
    open_ends = set(partitions)
    consumer.assign([TopicPartition(*one, OFFSET_BEGINNING) for one in partitions])
    while open_ends:
        message = consumer.poll(PATIENCE_S)
        assert message is not None, f"not read to the end: {open_ends}"
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            open_ends.discard((str(message.topic()), int(message.partition() or 0)))
        else:
            raise AssertionError(f"{message.topic()}: {error}")


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
