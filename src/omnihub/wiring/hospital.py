"""The hospital as the log tells it: what is parked, what it holds, what was done; and asking.

Guarantees: a list is the fold of the hospital's state topic at the moment of the call; the content
of a parked record is what its task will replay, read from the task's own changelog.
Does not: wait for workers, except where a caller says for how long.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from omnihub.broker.ports import Offsets
from omnihub.contracts.codec import Codec
from omnihub.engine.hospital import body_key
from omnihub.engine.store import changelog_key
from omnihub.model.records import HospitalActed, ParkedBody, ParkedRecord, ReleaseParked
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import admin_of, appender_of, codec_of, reader_of

STATE_TOPIC, EVENT_TOPIC = "omni.hospital.state.v1", "omni.hospital.event.v1"
AT_ONCE = 200
Request = tuple[ParkedRecord, ReleaseParked]


async def parked_in(install: Installation) -> list[ParkedRecord]:
    """Return what is parked, in queue order."""
    reader = reader_of(install, codec_of(install))
    newest = {entry.key: entry.record for entry in await reader.read_all([STATE_TOPIC])}
    found = [record for record in newest.values() if isinstance(record, ParkedRecord)]
    return sorted(found, key=lambda record: (record.task, record.park_key, record.queue_index))


async def acts_on(install: Installation, task: str, park_key: str) -> list[HospitalActed]:
    """Return what was done about one key, the oldest first."""
    reader = reader_of(install, codec_of(install))
    told = [entry.record for entry in await reader.read_all([EVENT_TOPIC])]
    queue = (task, park_key)
    return [
        one for one in told if isinstance(one, HospitalActed) and (one.task, one.park_key) == queue
    ]


def bodies_of(
    install: Installation, codec: Codec, queue: Sequence[ParkedRecord]
) -> dict[int, ParkedBody]:
    """Return what the records of one queue hold, by their index; one may have left meanwhile."""
    first = queue[0]
    changelog = install.topics.changelog(first.task, first.topic).name
    keys = {
        changelog_key((ParkedBody, body_key(one.park_key, one.queue_index))): one.queue_index
        for one in queue
    }
    rows = admin_of(install).newest(changelog, first.partition, frozenset(keys))
    decoded = {keys[key]: codec.decode(value) for key, value in rows.items()}
    return {index: body for index, body in decoded.items() if isinstance(body, ParkedBody)}


def event_ends(install: Installation) -> Offsets:
    """Return where the next events of the hospital will lie."""
    return admin_of(install).ends([EVENT_TOPIC])


async def ask(
    install: Installation, requests: Sequence[Request], on_sent: Callable[[int], None]
) -> None:
    """Append each request to the partition where its queue is; all are durable on return."""
    async with appender_of(install, codec_of(install)) as appender:
        for start in range(0, len(requests), AT_ONCE):
            chunk = requests[start : start + AT_ONCE]
            await asyncio.gather(
                *(
                    appender.append(head.topic, request, partition=head.partition)
                    for head, request in chunk
                )
            )
            on_sent(len(chunk))


async def outcomes(
    install: Installation,
    requests: Sequence[Request],
    since: Offsets,
    wait_s: float,
    on_done: Callable[[int], None],
) -> list[HospitalActed]:
    """Return what came of requests within `wait_s`."""
    asked = {request.request_id for _, request in requests}
    found: dict[str, HospitalActed] = {}
    reader = reader_of(install, codec_of(install))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            async for entries in reader.follow([EVENT_TOPIC], start=since):
                told = [one.record for one in entries if isinstance(one.record, HospitalActed)]
                new = {one.request_id: one for one in told if one.request_id in asked - set(found)}
                found |= new
                on_done(len(new))
                if len(found) == len(asked):
                    break
    return list(found.values())
