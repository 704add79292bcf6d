"""Reads canonical records from Kafka, from asyncio.

Guarantees: committed records only, each partition in order; caught up means that the position
reached the end, also where the log ends with a transaction's marker. Does not: commit offsets on
its own, or read inside the engine's transactions.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    UnknownMemberIdError,
)

from omnihub.broker.clients import Cluster, aio_group_reader, aio_reader
from omnihub.broker.logerrors import LogUnavailable
from omnihub.broker.ports import Entry, Partition, Position
from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.contracts.topics import Topics

POLL_MS = 200
GATHER_S = 0.03
"""Pause of a follower that is caught up: on a busy log each answer else holds a record or two."""
OnUndecodable = Callable[[Position, Undecodable], None]


def refuse(position: Position, error: Undecodable) -> None:
    """Stop at a value that cannot be decoded, naming its place."""
    place = f"{position.topic}/{position.partition}@{position.offset}"
    raise Undecodable(f"{place}: {error}", cure=error.cure) from error


class KafkaReader:
    """`Reader` on Kafka: every call has a consumer of its own, outside any group.

    `on_undecodable` is told of a value that cannot be decoded; when it returns, the value is
    passed over.
    """

    def __init__(
        self,
        cluster: Cluster,
        topics: Topics,
        codec: Codec,
        on_undecodable: OnUndecodable = refuse,
    ) -> None:
        self._cluster = cluster
        self._topics = topics
        self._decode = _Entries(codec, on_undecodable)

    async def follow(
        self, topics: Sequence[str], *, start: Mapping[Partition, int] | None = None
    ) -> AsyncGenerator[list[Entry], None]:
        """Yield batches for ever; an empty one whenever every partition is read to its end."""
        async with self._assigned(topics, start or {}) as (consumer, ends):
            unread: dict[TopicPartition, int] | None = ends
            while True:
                polled = await consumer.getmany(timeout_ms=POLL_MS)
                if batch := self._decode.all(polled):
                    yield batch
                if polled:
                    # Each answer tells its partitions' ends: asking for all of them costs more.
                    known = {place: consumer.last_stable_offset(place) or 0 for place in polled}
                    unread = {**(unread or {}), **known}
                if unread is not None:
                    unread = await _unread(consumer, unread) or None
                    if unread is None:
                        yield []
                if polled and unread is None:
                    await asyncio.sleep(GATHER_S)

    async def read_all(self, topics: Sequence[str]) -> list[Entry]:
        """Return everything up to the ends found at the call, each partition in order."""
        found: list[Entry] = []
        async with self._assigned(topics, {}) as (consumer, ends):
            unread = await _unread(consumer, ends)
            while unread:
                found += self._decode.all(await consumer.getmany(timeout_ms=POLL_MS))
                unread = await _unread(consumer, unread)
        until = {(place.topic, place.partition): end for place, end in ends.items()}
        return [one for one in found if one.at.offset < until[one.at.topic, one.at.partition]]

    @asynccontextmanager
    async def _assigned(
        self, topics: Sequence[str], start: Mapping[Partition, int]
    ) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
        consumer = AIOKafkaConsumer(**aio_reader(self._cluster))
        try:
            places = [
                TopicPartition(topic, partition)
                for topic in topics
                for partition in range(self._topics.spec(topic).partitions)
            ]
            async with _reachable(self._cluster):
                await consumer.start()
                # Before the first fetch: a question waits behind one that waits for records.
                ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
                consumer.assign(places)
                await consumer.seek_to_beginning()
            for place in places:
                if (place.topic, place.partition) in start:
                    consumer.seek(place, start[place.topic, place.partition])
            yield consumer, ends
        finally:
            await consumer.stop()


class KafkaGroupReader:
    """`GroupReader` on Kafka: at least once, offsets committed by the caller."""

    def __init__(self, cluster: Cluster, consumer: AIOKafkaConsumer, entries: "_Entries") -> None:
        self._cluster = cluster
        self._consumer = consumer
        self._entries = entries

    @classmethod
    async def join(
        cls,
        cluster: Cluster,
        topics: Sequence[str],
        codec: Codec,
        group: str,
        instance: str | None = None,
        on_undecodable: OnUndecodable = refuse,
    ) -> Self:
        """Join `group`; `instance` makes the membership static.

        Raises:
            LogUnavailable: no broker answers.
        """
        consumer = AIOKafkaConsumer(*topics, **aio_group_reader(cluster, group, instance))
        try:
            async with _reachable(cluster):
                await consumer.start()
        except LogUnavailable:
            await consumer.stop()
            raise
        return cls(cluster, consumer, _Entries(codec, on_undecodable))

    async def batch(self, limit: int, wait_s: float) -> list[Entry]:
        """Return up to `limit` entries, waiting at most `wait_s` for the first."""
        async with _reachable(self._cluster):
            polled = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=limit)
        return self._entries.all(polled)

    async def commit(self, entries: Sequence[Entry]) -> None:
        """Commit the offsets after `entries`.

        Raises:
            LogUnavailable: refused or unanswered; the entries will be delivered again.
        """
        after: dict[TopicPartition, int] = {}
        for entry in entries:
            place = TopicPartition(entry.at.topic, entry.at.partition)
            after[place] = max(after.get(place, 0), entry.at.offset + 1)
        if after:
            async with _reachable(self._cluster):
                await self._consumer.commit(after)

    async def close(self) -> None:
        """Leave the group."""
        await self._consumer.stop()


class _Entries:
    def __init__(self, codec: Codec, on_undecodable: OnUndecodable) -> None:
        self._codec = codec
        self._on_undecodable = on_undecodable

    def all(self, polled: Mapping[TopicPartition, Sequence[Any]]) -> list[Entry]:
        found = (self.one(message) for messages in polled.values() for message in messages)
        return [entry for entry in found if entry is not None]

    def one(self, message: Any) -> Entry | None:
        at = Position(message.topic, message.partition, message.offset)
        try:
            record = None if message.value is None else self._codec.decode(message.value)
        except Undecodable as error:
            self._on_undecodable(at, error)
            return None
        return Entry(at, message.timestamp, (message.key or b"").decode(), record)


async def _unread(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return those of `ends` that the consumer has not reached yet."""
    return {
        place: end
        for place, end in ends.items()
        if end > 0 and await consumer.position(place) < end
    }


@asynccontextmanager
async def _reachable(cluster: Cluster) -> AsyncIterator[None]:
    try:
        yield
    except (CommitFailedError, UnknownMemberIdError, IllegalStateError) as error:
        raise LogUnavailable(
            f"The consumer group moved on ({type(error).__name__}). Read again: what was not "
            "committed is delivered again."
        ) from error
    except (KafkaError, OSError) as error:
        raise LogUnavailable(
            f"Kafka at {cluster.bootstrap} does not answer ({type(error).__name__}). "
            "Start it (omnihub kafka start) or correct kafka.bootstrap.",
            retry_after_s=1.0,
        ) from error
