"""A transactional producer that sends at once what belongs together.

Guarantees: the records and offsets of a transaction become visible together or not at all; offsets
carry the generation of the group, so a zombie's transaction is refused; who starts with a
transactional id fences whoever had it before and ends what that one left open; no call takes
longer than its time-out. On clusters with `transaction.version` 2 (KIP-890) a step whose answer was
lost is repeated; on older ones it fails, because a late copy could reach into the next transaction.
Does not: go on after a failure. Its owner makes a new one, which learns what became of it.

Why not librdkafka's: that sends a request for each partition, and a broker answers the requests of
a connection one after another (decision 15).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from aiokafka.client import CoordinationType

from omnihub.broker.batches import Batches
from omnihub.broker.clients import TRANSACTION_TIMEOUT_MS, Cluster
from omnihub.broker.errors import ProducerFenced, TransactionFailed
from omnihub.broker.membership import Membership
from omnihub.broker.messages import NO_TAGS, AddOffsetsToTxn, AddPartitionsToTxn, InitProducerId
from omnihub.broker.ports import Offsets, Partition
from omnihub.broker.session import LOST, NO_LEADER, Attempt, Session

ALL_IN_SYNC = -1
NONE_YET = -1
NO_EPOCH = -1
START_TIMEOUT_S = 30.0
COMMIT_TIMEOUT_S = 4.5
"""Less than the coordinator's own time-out: who gives up first knows that it did."""
ABORT_TIMEOUT_S = 1.0
ByTopic = list[tuple[str, list[Any], dict[int, bytes]]]


class TransactionalProducer:
    """One producer from its start to its first failure; all calls come from one thread."""

    def __init__(self, cluster: Cluster, transactional_id: str) -> None:
        self._id = transactional_id
        self._runner = asyncio.Runner()
        self._session = Session(cluster)
        self._producer = (NONE_YET, NONE_YET)
        self._sequences: dict[Partition, int] = {}
        self._ends_at = 0.0

    def start(self) -> None:
        """Connect, and become the only producer with this id.

        Raises:
            ProducerFenced: somebody else became it meanwhile.
            TransactionFailed: not done in `START_TIMEOUT_S`.
        """
        self._ends_at = time.monotonic() + START_TIMEOUT_S
        self._run(self._start)

    def begin(self) -> None:
        """Begin a transaction; its time runs, nothing is sent."""
        self._ends_at = time.monotonic() + COMMIT_TIMEOUT_S

    def write(self, batches: Batches) -> None:
        """Write records; returns when all of them are on every in-sync replica.

        Raises:
            ProducerFenced: another producer took over.
            TransactionFailed: this transaction cannot be committed any more.
        """
        self._run(partial(self._write, batches))

    def send_offsets(self, offsets: Offsets, membership: Membership) -> None:
        """Add the next offsets of a group; raises as `write` does."""
        self._run(partial(self._send_offsets, offsets, membership))

    def commit(self) -> None:
        """Make everything visible; raises as `write` does, and then nobody knows yet."""
        self._run(partial(self._end, is_commit=True))

    def abort(self) -> None:
        """Give the transaction up, as far as that is still possible."""
        self._ends_at = time.monotonic() + ABORT_TIMEOUT_S
        try:
            self._run(partial(self._end, is_commit=False))
        except (ProducerFenced, TransactionFailed):
            return  # Whoever starts next ends what this one could not.

    def close(self) -> None:
        """Close the connections; a transaction that is open stays so until its time-out."""
        try:
            self._runner.run(self._session.close())
        finally:
            self._runner.close()

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        async def limited() -> None:
            async with self._session.within(self._ends_at - time.monotonic()):
                await work()

        self._runner.run(limited())

    async def _settle(self, step: Attempt) -> None:
        await self._session.settle(step, is_repeatable=self._session.dialect.is_second)

    async def _start(self) -> None:
        message = InitProducerId(self._id, TRANSACTION_TIMEOUT_MS, NONE_YET, NONE_YET, NO_TAGS)

        async def initialise() -> Collection[int]:
            answer = await self._ask_coordinator(message)
            if answer is None:
                return [LOST]
            self._producer = (answer.producer_id, answer.producer_epoch)
            return [answer.error_code]

        await self._session.settle(self._session.open)
        await self._session.settle(initialise)

    async def _write(self, batches: Batches) -> None:
        if not self._session.dialect.is_second:
            await self._join(batches.partitions)
        for together in batches.rounds():
            left = {}
            for at, batch in together.items():
                sequence = self._sequences.get(at, 0)
                left[at] = batch.sealed(*self._producer, sequence)
                self._sequences[at] = sequence + batch.count
            await self._settle(partial(self._produce, left))

    async def _produce(self, left: dict[Partition, bytes]) -> Collection[int]:
        """Send batches to their leaders; what is written is taken out of `left`."""
        leaders = await self._session.leaders(left)
        by_leader: dict[int, dict[Partition, bytes]] = defaultdict(dict)
        for at, node in leaders.items():
            by_leader[node][at] = left[at]
        asked = (self._produce_at(node, batches) for node, batches in by_leader.items())
        codes = dict.fromkeys(left, NO_LEADER)
        for answered in await asyncio.gather(*asked):
            codes |= answered
        for at, code in codes.items():
            if not code:
                del left[at]
        return codes.values()

    async def _produce_at(
        self, node: int, batches: Mapping[Partition, bytes]
    ) -> dict[Partition, int]:
        topics = _by_topic((at, (at[1], batch, NO_TAGS)) for at, batch in batches.items())
        message = self._session.dialect.produce(
            self._id, ALL_IN_SYNC, TRANSACTION_TIMEOUT_MS, topics, NO_TAGS
        )
        return _codes(await self._session.ask(node, message)) or dict.fromkeys(batches, LOST)

    async def _join(self, partitions: Collection[Partition]) -> None:
        """Tell the coordinator which partitions take part, as older clusters want it."""
        topics = _by_topic((at, at[1]) for at in partitions)
        message = AddPartitionsToTxn(self._id, *self._producer, topics, NO_TAGS)

        async def join() -> Collection[int]:
            return _codes(await self._ask_coordinator(message)).values() or [LOST]

        if topics:
            await self._settle(join)

    async def _send_offsets(self, offsets: Offsets, its: Membership) -> None:
        if not self._session.dialect.is_second:
            await self._settle(partial(self._join_group, its.group))
        topics = _by_topic(
            (at, (at[1], offset, NO_EPOCH, "", NO_TAGS)) for at, offset in offsets.items()
        )
        message = self._session.dialect.txn_offset_commit(
            *(self._id, its.group, *self._producer),
            *(its.generation, its.member, its.instance, topics, NO_TAGS),
        )

        async def send() -> Collection[int]:
            answer = await self._session.ask_coordinator(CoordinationType.GROUP, its.group, message)
            return _codes(answer).values() or [LOST]

        await self._settle(send)

    async def _join_group(self, group: str) -> Collection[int]:
        message = AddOffsetsToTxn(self._id, *self._producer, group, NO_TAGS)
        answer = await self._ask_coordinator(message)
        return [LOST if answer is None else answer.error_code]

    async def _end(self, *, is_commit: bool) -> None:
        is_second = self._session.dialect.is_second
        message = self._session.dialect.end_txn(self._id, *self._producer, is_commit, NO_TAGS)

        async def end() -> Collection[int]:
            answer = await self._ask_coordinator(message)
            if answer is None:
                return [LOST]
            if is_second and not answer.error_code:
                self._producer = (answer.producer_id, answer.producer_epoch)
                self._sequences.clear()  # They begin anew with each epoch.
            return [answer.error_code]

        await self._settle(end)

    async def _ask_coordinator(self, message: Any) -> Any:
        return await self._session.ask_coordinator(CoordinationType.TRANSACTION, self._id, message)


def _by_topic(partitions: Iterable[tuple[Partition, Any]]) -> ByTopic:
    """Return what is said of partitions, in the order that messages want."""
    topics: dict[str, list[Any]] = defaultdict(list)
    for (topic, _), said in partitions:
        topics[topic].append(said)
    return [(topic, said, NO_TAGS) for topic, said in topics.items()]


def _codes(answer: Any) -> dict[Partition, int]:
    """Return the error code of each partition in an answer; none without one."""
    if answer is None:
        return {}
    return {
        (topic, partition[0]): partition[1]
        for topic, partitions, _ in answer.topics
        for partition in partitions
    }
