"""The poll loop of one stream: read, make durable, remember how far, and only then acknowledge.

Guarantees: a crash at any point loses nothing; at worst the last batch is accepted again and its
facts and states are recognised later. Errors wait and try again; an offset that upstream no longer
has is never skipped. What a stream lists from its beginning (a first load, a sweep) travels in the
bulk lane until the poll has caught up; changes and files travel live.
Does not: understand what it carries.
"""

import asyncio
import json
from typing import Any

import structlog

from omnihub.broker.ports import Appender
from omnihub.connect.backfills import Backfills
from omnihub.connect.cursors import Cursors
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.lanes import Lane
from omnihub.connect.observer import Observer
from omnihub.connect.pace import Backoff, Time
from omnihub.connect.sdk import Batch, Connector, Delivery, Offset, Stream
from omnihub.model.errors import OmniHubError
from omnihub.model.records import DeliveryKind

POLL_LIMIT = 200
_log = structlog.get_logger()


class Source:
    """Polls one stream of one connector."""

    def __init__(
        self,
        connector: Connector[Any],
        stream: Stream,
        acceptance: Acceptance,
        appender: Appender,
        cursors: Cursors,
        backfills: Backfills,
        observer: Observer,
        time: Time,
    ) -> None:
        self.fault: str | None = None
        self._connector = connector
        self._stream = stream
        self._acceptance = acceptance
        self._appender = appender
        self._cursors = cursors
        self._backfills = backfills
        self._observer = observer
        self._time = time
        self._backoff = Backoff(time)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop`."""
        while not stop.is_set():
            pause_s = await self._round()
            if pause_s:
                await self._time.pause(stop, pause_s)

    async def _round(self) -> float:
        """Poll once and return the pause before the next poll."""
        try:
            more = await self.step()
        except OmniHubError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 (a connector's bug must not end its neighbours)
            _log.exception("poll_failed", instance=self._acceptance.instance)
            return self._failed(error)
        self._backoff.reset()
        self.fault = None
        return 0.0 if more else self._stream.interval_s

    async def step(self) -> bool:
        """Accept one batch; return whether more is waiting now."""
        name = self._stream.name
        at = self._cursors.at(name)
        batch = await self._connector.poll(self._stream, at, POLL_LIMIT)
        is_listing = await self._is_listing(at, batch)
        if batch.deliveries:
            await self._accept(at, batch, is_listing=is_listing)
        await self._cursors.save(name, batch.next)
        if is_listing:
            await self._note_listing(batch)
        if batch.deliveries:
            await self._connector.ack(self._stream, batch)
        self._observer.polled(
            self._acceptance.instance, name, len(batch.deliveries), self._time.now_us()
        )
        return batch.more

    async def _is_listing(self, at: Offset | None, batch: Batch) -> bool:
        """Tell whether `batch` belongs to a listing from the beginning of the stream.

        One begins where nothing was read before and there is more than this page.
        """
        running = self._backfills.running(self._stream.name)
        if at is None and batch.next is not None and batch.deliveries:
            if running is None or running.is_asked:
                await self._backfills.begin_listing(self._stream.name)
            return True
        return running is not None and not running.is_asked

    async def _note_listing(self, batch: Batch) -> None:
        name, count = self._stream.name, len(batch.deliveries)
        running = self._backfills.running(name)
        if running is None:
            return
        if batch.more:
            self._backfills.count(name, count)
        else:
            await self._backfills.note(running, None, count, is_over=True)
        self._observer.listed(self._acceptance.instance, name, count, is_running=batch.more)

    async def _accept(self, at: Offset | None, batch: Batch, *, is_listing: bool) -> None:
        place = json.dumps(at, sort_keys=True)
        by_lane: dict[Lane, list[Delivery]] = {}
        for delivery in batch.deliveries:
            is_bulk = is_listing and delivery.kind is DeliveryKind.POLL
            by_lane.setdefault(Lane.BULK if is_bulk else Lane.LIVE, []).append(delivery)
        for lane, deliveries in by_lane.items():
            raw = [self._acceptance.polled(self._stream.name, place, each) for each in deliveries]
            await self._appender.append_many(self._acceptance.topic_of(lane), raw)

    def _failed(self, error: Exception) -> float:
        self.fault = f"{self._stream.name}: {error}"
        self._observer.failed(
            self._acceptance.instance, f"poll:{self._stream.name}", type(error).__name__
        )
        return self._backoff.after(error)
