"""The subscriber kit: a Faust app that hands typed canonical records to plain coroutines.

Guarantees: records of committed transactions only, in the order of their partition; an event id is
handled once while it is remembered (`seen`); while a handler fails, its record is tried again and
its offset stays where it is, also over a restart; all topics exist before the app starts (a topic
that is missing at its start is ignored by Faust for good).
Does not: promise exactly-once for the handler's own effects (a process that dies between effect and
commit repeats), or open sealed fields unless it is given `open_record`.
"""

import asyncio
import logging
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import faust
from faust.types import EventT

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster
from omnihub.broker.reader import KafkaReader
from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.contracts.registry_client import RegistryClient
from omnihub.contracts.topics import Topics
from omnihub.insight.driver import Transport, mark_handled
from omnihub.insight.seen import Seen
from omnihub.insight.table import StateTable
from omnihub.model.errors import ConfigurationError, RetryableError
from omnihub.model.record import Record

E = TypeVar("E", bound=Record)
Handle = Callable[[Any], Awaitable[None]]
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 30.0
_POLL_INTERVAL_S = 24 * 3600.0
_log = logging.getLogger("omnihub.insight")


class Subscriber:
    """A downstream service.

    `name` is its consumer group: keep it, and it reads on where it left. With
    `from_beginning=True` it reads everything at each start and commits nothing that lasts, which
    is right for figures that are kept in memory only. `partitions` are the counts of topics that do
    not exist yet (omnihub.yaml, partitions); of those that do, it takes what it finds.
    """

    def __init__(
        self,
        name: str,
        *,
        bootstrap: str,
        registry: str,
        partitions: dict[str, int] | None = None,
        from_beginning: bool = False,
        open_record: Callable[[Record], Record] = lambda record: record,
        web_port: int | None = None,
    ) -> None:
        self._cluster = Cluster(bootstrap)
        self._registry = registry
        self._topics = Topics.load(counts=partitions)
        self._open_record = open_record
        self._handlers: dict[str, dict[type[Record], Handle]] = {}
        self._tables: list[StateTable[Any]] = []
        self._seen = Seen()
        self._codec: Codec | None = None
        group = f"{name}-{uuid.uuid4()}" if from_beginning else name
        self.app = _app(group, bootstrap, web_port)

    def on(self, *kinds: type[E]) -> Callable[[Callable[[E], Awaitable[None]]], Handle]:
        """Hand every record of `kinds` to the decorated coroutine, event and state topics alike."""

        def register(handle: Callable[[E], Awaitable[None]]) -> Handle:
            for kind in kinds:
                for topic in self._topics_of(kind):
                    self._handlers.setdefault(topic, {})[kind] = handle
            return handle

        return register

    def table(self, kind: type[E]) -> StateTable[E]:
        """Return the state topic of `kind` as a mapping, filled once the subscriber runs."""
        states = [topic for topic in self._topics_of(kind) if ".state." in topic]
        if len(states) != 1:
            raise ConfigurationError(
                f"{kind.__name__} has {len(states)} state topics. Use a record of a state topic, "
                "see schemas/topics.yaml."
            )
        table: StateTable[E] = StateTable(kind, states[0])
        self._tables.append(table)
        return table

    def prepare(self) -> None:
        """Make sure that every topic exists and fetch the schema ids; `run` does it."""
        wanted = [*self._handlers, *(table.topic for table in self._tables)]
        admin = TopicAdmin(self._cluster)
        missing = sorted(set(wanted) - set(admin.names()))
        admin.ensure_topics([self._topics.spec(name) for name in missing])
        # How many partitions there are is the hub's choice; a reader takes what it finds.
        found = admin.partitions()
        self._topics = self._topics.as_found(
            {name: found[name] for name in wanted if name in found}
        )
        self._codec = Codec(RegistryClient(self._registry).ids())
        for topic, handlers in self._handlers.items():
            self._serve(topic, handlers)
        if self._tables:
            self.app.task(self._follow_tables)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        self.prepare()
        worker = faust.Worker(self.app, loglevel="WARN", redirect_stdouts=False)
        worker.execute_from_commandline()

    def _topics_of(self, kind: type[Record]) -> list[str]:
        found = [
            pattern.name
            for pattern in self._topics.patterns
            if kind.__name__ in pattern.records
            and pattern.placeholder is None
            and (".event." in pattern.name or ".state." in pattern.name)
        ]
        if not found:
            raise ConfigurationError(
                f"{kind.__name__} is on no event or state topic, so nobody can subscribe to it. "
                "See schemas/topics.yaml."
            )
        return found

    def _serve(self, topic: str, handlers: dict[type[Record], Handle]) -> None:
        channel = self.app.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes)

        async def consume(stream: Any) -> None:
            # Faust acknowledges a record also when its handler failed: here the kit does it.
            # Not by `noack()`: that makes a second stream, and the first one holds every record.
            stream.enable_acks = False
            async for event in stream.events():
                await self._handle(event, handlers)

        self.app.agent(channel, name=topic)(consume)

    async def _handle(self, event: EventT[Any], handlers: dict[type[Record], Handle]) -> None:
        message = event.message
        record = await self._decoded(message.topic, message.partition, message.offset, event.value)
        handle = handlers.get(type(record)) if record is not None else None
        at = (message.topic, message.partition)
        if record is not None and handle is not None and not self._seen.knows(*at, record):
            await self._until_it_succeeds(handle, self._open_record(record))
            self._seen.add(*at, record)
        mark_handled(self.app.consumer, message.topic, message.partition, message.offset)
        event.ack()

    async def _decoded(
        self, topic: str, partition: int, offset: int, value: bytes | None
    ) -> Record | None:
        """Return the record; None for a tombstone and for what no schema of ours can read."""
        pause_s = FIRST_RETRY_S
        while value:
            try:
                return cast(Codec, self._codec).decode(value)
            except Undecodable as error:
                _log.error("%s[%d]@%d passed over: %s", topic, partition, offset, error)
                return None
            except RetryableError as error:
                _log.warning("%s[%d]@%d waits: %s", topic, partition, offset, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)
        return None

    async def _until_it_succeeds(self, handle: Handle, record: Record) -> None:
        pause_s = FIRST_RETRY_S
        while True:
            try:
                await handle(record)
            except Exception:  # noqa: BLE001 (logged and tried again; the offset stays)
                # The trace names code, never the record: it may be about a person.
                _log.exception("%s failed; tried again in %gs", handle.__name__, pause_s)
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    async def _follow_tables(self) -> None:
        reader = KafkaReader(self._cluster, self._topics, cast(Codec, self._codec))
        await asyncio.gather(*(table.follow(reader) for table in self._tables))


def _app(group: str, bootstrap: str, web_port: int | None) -> faust.App:
    app = faust.App(
        group,
        broker=[f"kafka://{each}" for each in bootstrap.split(",")],
        store="memory://",
        # Faust makes a folder at each start, by default where the service was started; a store in
        # memory puts nothing into it.
        datadir=Path(tempfile.gettempdir()) / "omnihub-insight",
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        # A handler may wait out an outage for hours without losing its partitions.
        broker_max_poll_interval=_POLL_INTERVAL_S,
        stream_wait_empty=False,
        stream_processing_timeout=_POLL_INTERVAL_S,
        broker_commit_livelock_soft_timeout=_POLL_INTERVAL_S,
        # A service that was killed has its partitions back after 10 s; Faust's own value is 60.
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        web_enabled=web_port is not None,
        web_bind="127.0.0.1",
        web_port=web_port or 6066,
        web_host="127.0.0.1",
    )
    app.transport = Transport(app.conf.broker, app, loop=app.loop)
    return app
