"""How a transactional producer speaks with brokers: who leads, who coordinates, what to repeat.

Guarantees: a step that may be repeated without harm is repeated until it is answered for good or
its time is over, on a new connection and after a new look at the cluster where that may help; an
answer that nothing mends is raised by its Kafka name.
Does not: know of transactions (see `transactional`).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import structlog
from aiokafka import __version__
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.protocol.api import RequestStruct
from aiokafka.structs import TopicPartition
from confluent_kafka import KafkaError as Code

from omnihub.broker.clients import Cluster, session_client
from omnihub.broker.errors import ProducerFenced, TransactionFailed
from omnihub.broker.messages import FIRST, NO_TAGS, ApiVersions, Dialect, Fixed, dialect_of
from omnihub.broker.ports import Partition

log = structlog.get_logger(__name__)
PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
RETRY_AFTER_S = 0.2
CLOSE_TIMEOUT_S = 1.0
LOST = int(Code.NETWORK_EXCEPTION)
"""No answer came: the message may have arrived or not."""
NO_LEADER = int(Code.LEADER_NOT_AVAILABLE)
ASK_AGAIN = frozenset(
    {
        Code.CONCURRENT_TRANSACTIONS,
        Code.COORDINATOR_LOAD_IN_PROGRESS,
        Code.NOT_ENOUGH_REPLICAS,
        Code.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        Code.REQUEST_TIMED_OUT,
    }
)
"""Passes by itself."""
LOOK_AGAIN = frozenset(
    {
        LOST,
        NO_LEADER,
        Code.UNKNOWN_TOPIC_OR_PART,
        Code.NOT_LEADER_FOR_PARTITION,
        Code.REPLICA_NOT_AVAILABLE,
        Code.COORDINATOR_NOT_AVAILABLE,
        Code.NOT_COORDINATOR,
        Code.KAFKA_STORAGE_ERROR,
        Code.FENCED_LEADER_EPOCH,
        Code.UNKNOWN_LEADER_EPOCH,
    }
)
"""Somebody else leads or coordinates by now."""
FENCED = frozenset({Code.INVALID_PRODUCER_EPOCH, Code.PRODUCER_FENCED, Code.FENCED_INSTANCE_ID})
Attempt = Callable[[], Awaitable[Collection[int]]]
"""One try of a step; returns error codes, 0 for what succeeded."""


class Session:
    """The connections of one producer's life."""

    def __init__(self, cluster: Cluster) -> None:
        self._settings = session_client(cluster)
        self._client: AIOKafkaClient | None = None
        self._coordinators: dict[tuple[CoordinationType, str], int] = {}
        self._topics: frozenset[str] = frozenset()
        self._trouble = ""
        self.dialect: Dialect = FIRST

    async def open(self) -> Collection[int]:
        """Connect, and find out how this cluster is to be spoken to; an attempt."""
        client = AIOKafkaClient(**self._settings)
        try:
            await client.bootstrap()
            asked = Fixed(ApiVersions("omnihub-aiokafka", __version__, NO_TAGS))
            answer = await client.send(client.get_random_node(), asked)
        except (KafkaError, OSError) as error:
            await client.close()
            return [self._lost(error)]
        self._client, self.dialect = client, dialect_of(answer.tags)
        log.info("transactions", version=2 if self.dialect.is_second else 1)
        return [answer.error_code]

    async def close(self) -> None:
        """Close every connection; one that takes no more bytes is left behind."""
        if self._client is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._client.close()

    @contextlib.asynccontextmanager
    async def within(self, limit_s: float) -> AsyncIterator[None]:
        """Give what is done inside so much time.

        Raises:
            TransactionFailed: it took longer, and the message tells the last trouble; or there was
                none left, then nothing was done.
        """
        self._trouble = "no answer"
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.sleep(0)  # Where the time is over, this is as far as it goes.
                yield
        except TimeoutError as error:
            told = f"not done in {limit_s:.1f} s: {self._trouble}"
            raise TransactionFailed(told, RETRY_AFTER_S) from error

    async def settle(self, attempt: Attempt, *, is_repeatable: bool = True) -> None:
        """Make an attempt until all its codes are zero.

        With `is_repeatable` False one whose answer was lost is not made again.

        Raises:
            ProducerFenced, TransactionFailed: an answer that nothing mends, or a lost one.
        """
        pause_s = PAUSE_S
        while codes := {code for code in await attempt() if code}:
            self._refuse(codes, is_repeatable=is_repeatable)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            if codes & LOOK_AGAIN:
                await self._look_again()

    def _refuse(self, codes: set[int], *, is_repeatable: bool) -> None:
        """Raise for codes that another attempt does not mend."""
        lasting = codes - ASK_AGAIN - LOOK_AGAIN | (set() if is_repeatable else codes & {LOST})
        if lasting & FENCED:
            raise ProducerFenced(_names(lasting & FENCED))
        if LOST not in codes:  # There the exception tells more.
            self._trouble = _names(lasting or codes)
        if lasting:
            raise TransactionFailed(self._trouble, RETRY_AFTER_S)

    async def _look_again(self) -> None:
        self._coordinators.clear()
        if self._client is not None and self._client.cluster.brokers():
            await self._client.force_metadata_update()

    async def ask(self, node: int, message: RequestStruct) -> Any:
        """Send to a broker and return its answer, or None if none came.

        Raises:
            TransactionFailed: the broker is too old.
        """
        if self._client is None:
            return None
        try:
            return await self._client.send(node, Fixed(message))
        except IncompatibleBrokerVersion as error:
            raise TransactionFailed(str(error), RETRY_AFTER_S) from error
        except (KafkaError, OSError) as error:
            self._lost(error)
            return None

    async def ask_coordinator(self, kind: CoordinationType, of: str, message: RequestStruct) -> Any:
        """Send to the coordinator of a transactional id or a group; as `ask`."""
        node = self._coordinators.get((kind, of))
        if node is None:
            if self._client is None:
                return None
            try:
                node = await self._client.coordinator_lookup(kind, of)
            except (KafkaError, OSError) as error:
                self._lost(error)
                return None
            self._coordinators[kind, of] = node
        return await self.ask(node, message)

    async def leaders(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return who leads each partition, without those that nobody leads."""
        client = self._client
        if client is None:
            return {}
        topics = self._topics | {topic for topic, _ in partitions}
        if topics != self._topics:
            self._topics = topics
            await client.set_topics(topics)
        known = (
            (at, client.cluster.leader_for_partition(TopicPartition(*at))) for at in partitions
        )
        return {at: node for at, node in known if node is not None and node >= 0}

    def _lost(self, error: BaseException) -> int:
        told = f"{type(error).__name__}: {error}"
        if told != self._trouble:
            log.warning("producer", trouble=told)
            self._trouble = told
        return LOST


def _names(codes: Collection[int]) -> str:
    return ", ".join(sorted(Code(code).name() for code in codes))
