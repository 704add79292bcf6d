"""Faust's Kafka driver, made safe for topics that are written in transactions.

Guarantees: only committed records are read (stock Faust reads uncommitted ones unless it writes in
transactions itself), and an offset is committed only when its record, and everything before it in
its partition, was handled. Stock Faust counts the gap that each transaction marker leaves as
handled together with the record after it (`_add_gap` includes its end), which would commit past a
record in hand; here the kit alone says what is done.
Does not: support Faust tables, or several streams on one topic.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

ISOLATION = "read_committed"


class ReadCommittedThread(stock.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_isolation_level"):
            raise RuntimeError(
                "this aiokafka keeps its isolation level elsewhere: reading only what is "
                "committed cannot be promised. Use the aiokafka release that OmniHub asks for."
            )
        consumer._isolation_level = ISOLATION
        return consumer


class HandledConsumer(stock.Consumer):
    """Commits what the kit handled, nothing else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handled: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ReadCommittedThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: a gap needs no handling, and noting each transaction's marker took a tenth."""

    def _new_offset(self, tp: TP) -> int | None:
        done = self.handled.get(tp)
        committed = self._committed_offset[tp]
        return done if done is not None and (committed is None or done > committed) else None

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Forget what was handled: another member reads on from what was committed."""
        gone = set(revoked)
        await super().on_partitions_revoked(gone)
        for tp in gone:
            self.handled.pop(tp, None)


class Transport(stock.Transport):
    """Faust's transport with the consumer above."""

    Consumer: ClassVar[type[Any]] = HandledConsumer


def mark_handled(consumer: Any, topic: str, partition: int, offset: int) -> None:
    """Note that the record at `offset` and all before it in its partition are done."""
    cast(HandledConsumer, consumer).handled[TP(topic, partition)] = offset + 1
