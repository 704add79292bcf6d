"""Reads streams again that somebody asked for, beside the live polls.

Guarantees: everything it accepts travels in the bulk lane; a crash repeats at most the last page,
under the same delivery ids; the live cursors stay as they are. Between two pages it pauses as long
as a page took, so that live polls and writes keep at least half of the system's time.
Does not: acknowledge upstream (what it reads was acknowledged long ago), or run two at once.
"""

import asyncio
import json
from typing import Any

import structlog

from omnihub.broker.ports import Appender, Reader
from omnihub.connect.backfills import Backfills
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.lanes import Lane
from omnihub.connect.observer import Observer
from omnihub.connect.pace import Backoff, Time
from omnihub.connect.sdk import Connector
from omnihub.model.errors import OmniHubError, RetryableError
from omnihub.model.records import Backfill

LOOK_S = 1.0
POLL_LIMIT = 200
_log = structlog.get_logger()


class Rereading:
    """Runs the backfills of one instance that were asked for, one after the other."""

    def __init__(
        self,
        connector: Connector[Any],
        acceptance: Acceptance,
        appender: Appender,
        backfills: Backfills,
        observer: Observer,
        time: Time,
    ) -> None:
        self.fault: str | None = None
        self._connector = connector
        self._acceptance = acceptance
        self._appender = appender
        self._backfills = backfills
        self._observer = observer
        self._time = time
        self._backoff = Backoff(time)

    async def follow(self, reader: Reader) -> None:
        """Take requests for ever; a log that is away must not end the instance."""
        backoff, never = Backoff(self._time), asyncio.Event()
        while True:
            try:
                await self._backfills.follow(reader)
            except RetryableError as error:
                await self._time.pause(never, backoff.after(error))

    async def run(self, stop: asyncio.Event) -> None:
        """Read what is asked for until `stop`."""
        while not stop.is_set():
            await self._time.pause(stop, await self._round())

    async def _round(self) -> float:
        """Accept one page, if one is asked for; return the pause before the next."""
        if not (asked := self._backfills.asked()):
            return LOOK_S
        began_s = self._time.monotonic_s()
        try:
            await self.step(asked[0])
        except OmniHubError as error:
            return self._failed(asked[0], error)
        except Exception as error:  # noqa: BLE001 (a connector's bug must not end its neighbours)
            _log.exception("backfill_failed", instance=self._acceptance.instance)
            return self._failed(asked[0], error)
        self._backoff.reset()
        self.fault = None
        return self._time.monotonic_s() - began_s

    async def step(self, backfill: Backfill) -> None:
        """Accept one page of a backfill."""
        stream = next((s for s in self._connector.streams() if s.name == backfill.stream), None)
        if stream is None:  # Gone from the configuration meanwhile.
            await self._backfills.note(backfill, backfill.offset, 0, is_over=True)
            return
        at = json.loads(backfill.offset) if backfill.offset else None
        batch = await self._connector.poll(stream, at, POLL_LIMIT)
        # A place of its own: what is read again is sealed with keys of its own, too.
        place = f"backfill:{backfill.begun_at_us}:{json.dumps(at, sort_keys=True)}"
        raw = [self._acceptance.polled(stream.name, place, each) for each in batch.deliveries]
        if raw:
            await self._appender.append_many(self._acceptance.topic_of(Lane.BULK), raw)
        offset = json.dumps(batch.next, sort_keys=True) if batch.next is not None else None
        is_over = not batch.more
        await self._backfills.note(backfill, offset, len(raw), is_over=is_over)
        self._observer.listed(
            self._acceptance.instance, stream.name, len(raw), is_running=not is_over
        )

    def _failed(self, backfill: Backfill, error: Exception) -> float:
        part = f"backfill:{backfill.stream}"
        self.fault = f"{part}: {error}"
        self._observer.failed(self._acceptance.instance, part, type(error).__name__)
        return self._backoff.after(error)
