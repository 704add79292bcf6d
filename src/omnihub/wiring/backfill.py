"""Backfills from outside a connector's process: what could be read again, and asking for it.

Guarantees: nothing is asked for twice at once; the live cursors are only looked at.
"""

import json
import time
from dataclasses import dataclass

import httpx

from omnihub.broker.memory import MemoryLog
from omnihub.broker.ports import Appender, Reader
from omnihub.connect.backfills import BACKFILL_TOPIC, Backfills
from omnihub.connect.config import Instance, channels_of, maps_of
from omnihub.connect.cursors import Cursors
from omnihub.connect.pace import Time
from omnihub.connect.refs import CrossReferences
from omnihub.connect.runtime import Ports, http_client
from omnihub.connect.sdk import Context, Offset
from omnihub.contracts.topics import Topics
from omnihub.model.errors import ConfigurationError
from omnihub.model.records import Backfill


@dataclass(frozen=True, slots=True)
class Planned:
    """A stream to read again: from where, and where the live poll stands (it stays there)."""

    stream: str
    start: Offset | None
    live: Offset | None


async def plan_backfill(
    instance: Instance, wanted: str | None, start: Offset | None, reader: Reader, appender: Appender
) -> list[Planned]:
    """Return what asking for `wanted` (or for every stream) would begin.

    Raises:
        ConfigurationError: no such stream, or one of them is being read from its beginning already.
    """
    known = await streams_of(instance)
    if not known:
        raise ConfigurationError(f"{instance.id} polls nothing: there is nothing to read again.")
    if wanted is not None and wanted not in known:
        raise ConfigurationError(f"{instance.id} has no stream '{wanted}'. It has {known}.")
    if wanted is None and start is not None:
        raise ConfigurationError("An offset belongs to one stream. Name the stream, too.")
    clock = Time()
    backfills = await Backfills(instance.id, appender, clock).load(reader)
    cursors = await Cursors.load(instance.id, reader, appender, clock)
    streams = [wanted] if wanted is not None else known
    if running := [name for name in streams if backfills.running(name)]:
        raise ConfigurationError(
            f"{instance.id} is still reading {running}. Wait for its end (omnihub connectors "
            "backfills), or name another stream."
        )
    return [Planned(name, start, cursors.at(name)) for name in streams]


async def ask_backfill(instance: Instance, planned: list[Planned], appender: Appender) -> None:
    """Ask the connector's process to read `planned` again."""
    now_us = time.time_ns() // 1000
    for each in planned:
        offset = json.dumps(each.start, sort_keys=True) if each.start is not None else None
        request = Backfill(
            instance=instance.id,
            stream=each.stream,
            is_asked=True,
            offset=offset,
            begun_at_us=now_us,
            saved_at_us=now_us,
        )
        await appender.append(BACKFILL_TOPIC, request)


async def backfills_of(reader: Reader) -> list[Backfill]:
    """Return the latest backfill of every stream of every instance."""
    newest: dict[str, Backfill] = {}
    for entry in await reader.read_all([BACKFILL_TOPIC]):
        if isinstance(entry.record, Backfill):
            newest[entry.key] = entry.record
    return sorted(newest.values(), key=lambda each: (each.instance, each.stream))


async def streams_of(instance: Instance) -> list[str]:
    """Return the names of what an instance polls; asks no system."""
    known = {instance.id: instance}
    refs = CrossReferences(maps_of(known), channels_of(known))
    nothing = MemoryLog(Topics.load())
    ports = Ports(nothing, nothing, {}, httpx.AsyncHTTPTransport())
    async with http_client(instance, ports) as http:
        context = Context(instance.tenant, instance.id, refs.of(instance.id), http)
        connector = instance.connector(instance.config, context)
        return [stream.name for stream in connector.streams()]
