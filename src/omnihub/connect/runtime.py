"""The process of one connector instance: opens it, polls, writes, tends, closes.

Guarantees: `run` returns after `stop` with everything closed; a failing part waits and tries again
beside the others, and `faults` names it for /ready. Does not: supervise itself (the supervisor
restarts the process).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import structlog

from omnihub.broker.ports import Appender, GroupReader, Reader
from omnihub.connect.backfills import Backfills
from omnihub.connect.config import Instance
from omnihub.connect.cursors import Cursors
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.http import PatientTransport
from omnihub.connect.observer import Observer, Unobserved
from omnihub.connect.pace import Backoff, Time
from omnihub.connect.personal import Digest, unkeyed
from omnihub.connect.refs import CrossReferences
from omnihub.connect.rereading import Rereading
from omnihub.connect.sdk import Connector, Context
from omnihub.connect.sink import Sink
from omnihub.connect.source import Source
from omnihub.model.errors import OmniHubError, RetryableError

TIMEOUT_S = 20.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ports:
    """What the process is given: the log, and the network (a simulator mounts here)."""

    reader: Reader
    appender: Appender
    commands: Mapping[str, GroupReader]
    """A reader for each lane of the connector, see `commands_groups`."""
    network: httpx.AsyncBaseTransport
    observer: Observer = field(default_factory=Unobserved)
    time: Time = field(default_factory=Time)
    open_record: Callable[[Any], Any] = lambda record: record
    """Opens what is sealed in a command, right before it is written."""
    digest: Digest = unkeyed
    """Names a delivery by its body, see `Acceptance`."""


def commands_topic(instance: Instance) -> str:
    """Return the topic that every reader of `Ports.commands` reads."""
    return f"omni.command.{instance.id}.v1"


def commands_groups(instance: Instance) -> dict[str, str]:
    """Return the consumer group of each lane of an instance: a lane has a position of its own."""
    named = sorted(set(instance.connector.lanes.values()))
    return {
        "": f"omnihub.{instance.id}",
        **{lane: f"omnihub.{instance.id}.{lane}" for lane in named},
    }


def http_client(instance: Instance, ports: Ports) -> httpx.AsyncClient:
    """Return the client that a connector of `instance` is given."""
    transport = PatientTransport(
        ports.network, instance.id, time=ports.time, observer=ports.observer
    )
    return httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S)


class ConnectorRuntime:
    """Runs one instance."""

    def __init__(self, instance: Instance, ports: Ports, refs: CrossReferences) -> None:
        self._instance = instance
        self._ports = ports
        self._refs = refs
        self._parts: list[Source | Sink | Rereading | Tending] = []

    def faults(self) -> list[str]:
        """Return what does not work right now, in words; empty when all is well."""
        return [part.fault for part in self._parts if part.fault]

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`."""
        try:
            await self._refs.load(self._ports.reader)
            await self._run(stop)
        finally:
            for group in self._ports.commands.values():
                await group.close()

    async def _run(self, stop: asyncio.Event) -> None:
        async with http_client(self._instance, self._ports) as http:
            context = Context(
                self._instance.tenant, self._instance.id, self._refs.of(self._instance.id), http
            )
            connector = self._instance.connector(self._instance.config, context)
            if not await self._opened(connector, stop):
                return
            try:
                await self._work(connector, stop)
            finally:
                await connector.close()

    async def _opened(self, connector: Connector[Any], stop: asyncio.Event) -> bool:
        opening = Tending(self._instance, connector.open, self._ports)
        self._parts = [opening]
        while not stop.is_set():
            wait = await opening.once()
            if opening.fault is None:
                return True
            await self._ports.time.pause(stop, wait)
        return False

    async def _work(self, connector: Connector[Any], stop: asyncio.Event) -> None:
        ports, time = self._ports, self._ports.time
        instance = self._instance
        acceptance = Acceptance(
            instance.tenant, connector.name, instance.id, time, digest=ports.digest
        )
        cursors = await Cursors.load(instance.id, ports.reader, ports.appender, time)
        backfills = await Backfills(instance.id, ports.appender, time).load(ports.reader)
        observer = ports.observer
        parts: list[Source | Sink | Rereading | Tending] = [
            Source(
                connector, stream, acceptance, ports.appender, cursors, backfills, observer, time
            )
            for stream in connector.streams()
        ]
        rereading = Rereading(connector, acceptance, ports.appender, backfills, observer, time)
        parts.append(rereading)
        parts += [
            Sink(
                connector,
                group,
                acceptance,
                ports.appender,
                ports.observer,
                time,
                ports.open_record,
                lane,
            )
            for lane, group in ports.commands.items()
        ]
        parts.append(Tending(instance, connector.tend, ports, connector.tend_interval_s))
        self._parts = parts
        following = [self._follow(), rereading.follow(ports.reader)]
        await _until_stop([part.run(stop) for part in parts], following, stop)

    async def _follow(self) -> None:
        """Follow the cross-references for ever; a log that is away must not end the instance."""
        backoff = Backoff(self._ports.time)
        never = asyncio.Event()
        while True:
            try:
                await self._refs.follow(self._ports.reader)
            except RetryableError as error:
                await self._ports.time.pause(never, backoff.after(error))


class Tending:
    """Calls one method of a connector from time to time."""

    def __init__(
        self,
        instance: Instance,
        act: Callable[[], Awaitable[None]],
        ports: Ports,
        interval_s: float = 0.0,
    ) -> None:
        self.fault: str | None = None
        self._instance = instance
        self._act = act
        self._name = getattr(act, "__name__", "act")
        self._ports = ports
        self._interval_s = interval_s
        self._backoff = Backoff(ports.time)

    async def run(self, stop: asyncio.Event) -> None:
        """Call it until `stop`."""
        while not stop.is_set():
            await self._ports.time.pause(stop, await self.once())

    async def once(self) -> float:
        """Call it once; return the pause before the next call."""
        try:
            await self._act()
        except OmniHubError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 (logged; a connector's bug must not end the rest)
            _log.exception("tending_failed", instance=self._instance.id, act=self._name)
            return self._failed(error)
        self.fault = None
        self._backoff.reset()
        return self._interval_s

    def _failed(self, error: Exception) -> float:
        self.fault = f"{self._name}: {error}"
        self._ports.observer.failed(self._instance.id, self._name, type(error).__name__)
        return self._backoff.after(error)


async def _until_stop(
    loops: list[Coroutine[Any, Any, None]],
    background: list[Coroutine[Any, Any, None]],
    stop: asyncio.Event,
) -> None:
    """Run all until `stop`; one that ends with an error ends the rest and is raised."""
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(each) for each in background]
        for loop in loops:
            group.create_task(loop)
        await stop.wait()
        for follower in followers:
            follower.cancel()
