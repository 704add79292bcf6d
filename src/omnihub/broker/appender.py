"""Appends canonical records to Kafka, durably, from asyncio.

Guarantees: `append` returns only after all in-sync replicas have the record; key, partition and
headers come from the contract; a producer that does not answer within 5 s is replaced, so one lost
connection never blocks the next delivery. Does not: promise that what failed was not written (a
retry may repeat it; readers drop repeats by id), nor that `append_many` is all or nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from omnihub.broker.clients import APPEND_TIMEOUT_S, MAX_MESSAGE_BYTES, Cluster, aio_producer
from omnihub.broker.logerrors import LogUnavailable, RecordTooLarge
from omnihub.broker.ports import Position
from omnihub.contracts.codec import Codec
from omnihub.contracts.headers import Headers, headers_of
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.record import Record


def _now_us() -> int:
    return time.time_ns() // 1000


class KafkaAppender:
    """`Appender` on Kafka. Use as `async with KafkaAppender(...) as appender`."""

    def __init__(
        self,
        cluster: Cluster,
        topics: Topics,
        codec: Codec,
        *,
        timeout_s: float = APPEND_TIMEOUT_S,
        clock: Callable[[], int] = _now_us,
    ) -> None:
        self._cluster = cluster
        self._topics = topics
        self._codec = codec
        self._timeout_s = timeout_s
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            LogUnavailable: no broker answers.
        """
        await self._connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send what is left, for at most the time-out, and disconnect."""
        await self.close()

    async def close(self) -> None:
        """Send what is left, for at most the time-out, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer, self._timeout_s)
        await asyncio.gather(*self._leaving)

    async def append(
        self,
        topic: str,
        record: Record,
        *,
        timestamp_us: int | None = None,
        partition: int | None = None,
    ) -> Position:
        """Append `record`; `partition` overrides the contract's choice (hospital releases).

        Raises:
            LogUnavailable: not acknowledged within the time-out; may still be written.
            RecordTooLarge: over 12 MiB; nothing was written.
        """
        spec = self._topics.spec(topic)
        key = spec.key_of(record)
        if partition is None:
            partition = partition_for(spec.partition_key_of(record).encode(), spec.partitions)
        value, headers = self._codec.encode(record), headers_of(record, key)
        message = _Message(topic, partition, key.encode(), value, headers)
        return (await self._deliver([message], timestamp_us))[0]

    async def append_many(self, topic: str, records: Sequence[Record]) -> list[Position]:
        """Append `records`, in order per partition; returns when all are durable."""
        spec = self._topics.spec(topic)
        messages = []
        for record in records:
            key = spec.key_of(record)
            partition = partition_for(spec.partition_key_of(record).encode(), spec.partitions)
            value, headers = self._codec.encode(record), headers_of(record, key)
            messages.append(_Message(topic, partition, key.encode(), value, headers))
        return await self._deliver(messages, None)

    async def remove(self, topic: str, key: str) -> Position:
        """Append a tombstone for `key`."""
        spec = self._topics.spec(topic)
        partition = partition_for(spec.partition_key_of_key(key).encode(), spec.partitions)
        return (await self._deliver([_Message(topic, partition, key.encode(), None, [])], None))[0]

    async def _deliver(
        self, messages: Sequence["_Message"], timestamp_us: int | None
    ) -> list[Position]:
        stamp_ms = (self._clock() if timestamp_us is None else timestamp_us) // 1000
        for message in messages:
            message.check_size()
        producer = await self._connected()
        try:
            async with asyncio.timeout(self._timeout_s):
                sent = [await message.send(producer, stamp_ms) for message in messages]
                return [_position(await future) for future in sent]
        except (TimeoutError, KafkaError) as error:
            self._replace(producer)
            raise LogUnavailable(
                f"'{messages[0].topic}' did not acknowledge within {self._timeout_s} s "
                f"({type(error).__name__}). Check that Kafka at {self._cluster.bootstrap} runs.",
                retry_after_s=1.0,
            ) from error

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**aio_producer(self._cluster))
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except (TimeoutError, KafkaError, OSError) as error:
            await _stop(producer, 0.0)
            raise LogUnavailable(
                f"Kafka at {self._cluster.bootstrap} does not answer ({type(error).__name__}). "
                "Start it (omnihub kafka start) or correct kafka.bootstrap.",
                retry_after_s=1.0,
            ) from error
        return producer

    def _replace(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(_stop(producer, 0.0))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)


class _Message:
    __slots__ = ("headers", "key", "partition", "topic", "value")

    def __init__(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers

    def check_size(self) -> None:
        size = len(self.value or b"")
        if size > MAX_MESSAGE_BYTES:
            raise RecordTooLarge(self.topic, size, MAX_MESSAGE_BYTES)

    async def send(self, producer: AIOKafkaProducer, stamp_ms: int) -> "asyncio.Future[Any]":
        try:
            future: asyncio.Future[Any] = await producer.send(
                self.topic,
                self.value,
                key=self.key,
                partition=self.partition,
                timestamp_ms=stamp_ms,
                headers=self.headers,
            )
        except MessageSizeTooLargeError as error:
            size = len(self.value or b"")
            raise RecordTooLarge(self.topic, size, MAX_MESSAGE_BYTES) from error
        return future


def _position(metadata: Any) -> Position:
    return Position(metadata.topic, metadata.partition, metadata.offset)


async def _stop(producer: AIOKafkaProducer, patience_s: float) -> None:
    """Stop `producer`; what it could not send within `patience_s` is given up.

    aiokafka's own stop waits for ever for a broker that is away, so its queue is failed and its
    sender cancelled (no public call does that; tests/lab/test_log_ports.py watches it).
    """
    stopping = asyncio.create_task(producer.stop())
    await asyncio.wait([stopping], timeout=patience_s)
    sender = producer._sender.sender_task
    if not stopping.done() and sender is not None:
        producer._message_accumulator.fail_all(ProducerClosed())
        sender.cancel()
    await asyncio.wait([stopping])
    await producer.client.close()  # A stop that was cancelled with its sender leaves it open.
    if not stopping.cancelled():
        stopping.result()
