"""Live changes of states for any number of clients from one reading of the state topics.

Guarantees: a client that comes back with the id of the last event it saw misses no change: it is
told the newest value of each row that changed since, then goes on live; the values of one row
come in order. Ids are opaque (they hold one offset a partition). Compacted like the topics: values
that were overwritten while a client was away are not told.
Does not: decide what of a record is told (see `sse`); records are handed on as they lie in the log.
Reads nothing while nobody has listened for a while: who comes then waits until it reads again.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from omnihub.broker.ports import Entry, Offsets, Position, Reader
from omnihub.model.record import Record
from omnihub.views.queries import Views

QUEUE_LIMIT = 5_000
VIEW_POLL_S = 0.05
LINGER_S = 30.0
"""So long it reads on after the last client left; who comes back soon finds it reading."""
LETTERS: Mapping[str, str] = {
    "s": "omni.stock.state.v1",
    "c": "omni.stock.channel.state.v1",
    "o": "omni.order.state.v1",
    "f": "omni.fulfilment.state.v1",
    "p": "omni.profile.state.v1",
    "r": "omni.customer.redirect.state.v1",
    "k": "omni.cart.state.v1",
}
_TOPICS = {topic: letter for letter, topic in LETTERS.items()}
_PART = re.compile(rf"([{''.join(LETTERS)}])([0-9]{{1,6}})-([0-9]{{1,18}})")
_MAX_ID = 64 * 1024
Change = tuple[Position, Record]


class BadEventId(ValueError):
    """A Last-Event-ID that is not one of ours."""


class Behind(Exception):
    """The client does not keep up, or the views lag; it should come back with its last id."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a client wants: of these topics, those whose fields have these values."""

    topics: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)

    def takes(self, record: Record) -> bool:
        """Tell whether the client wants this change; a record without a field has no value."""
        return all(getattr(record, name, None) == value for name, value in self.values.items())


@dataclass(slots=True, eq=False)
class _Client:
    topics: tuple[str, ...]
    begun: Offsets
    """From here on it is handed everything."""
    queue: asyncio.Queue[Change | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_LIMIT))
    overrun: bool = False


class ChangeFeed:
    """Reads the state topics once and hands each change to every client."""

    def __init__(
        self, reader: Reader, views: Views, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._views = views
        self._now_s = now_s
        self._clients: set[_Client] = set()
        self._left_at_s = now_s()
        self._is_wanted, self._is_reading = asyncio.Event(), asyncio.Event()
        self.positions: Offsets = {}
        self.is_caught_up = asyncio.Event()

    async def run(self) -> None:
        """Follow the topics for ever, whenever somebody listens."""
        while True:
            await self._follow()
            await self._is_wanted.wait()

    async def _follow(self) -> None:
        """Follow from where the views are, after a failure from where it was, until it is idle."""
        if not self._is_reading.is_set():
            known = self._views.positions()
            self.positions = {at: offset for at, offset in known.items() if at[0] in _TOPICS}
            for client in self._clients:
                client.begun = dict(self.positions)
            self._is_reading.set()
        start = dict(self.positions)
        async with aclosing(self._reader.follow(tuple(_TOPICS), start=start)) as batches:
            async for entries in batches:
                self._hand_on(entries)
                if not self._clients and self._now_s() - self._left_at_s > LINGER_S:
                    self._is_wanted.clear()
                    self._is_reading.clear()
                    return

    def _hand_on(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.positions[entry.at.topic, entry.at.partition] = entry.at.offset + 1
            if entry.record is not None:
                self._tell((entry.at, entry.record))
        if not entries:
            self.is_caught_up.set()

    async def changes(
        self, wanted: Wanted, seen: Offsets | None, idle_s: float
    ) -> AsyncIterator[tuple[Offsets, Change | None]]:
        """Yield changes with the positions after each; None when nothing came for `idle_s`.

        Raises:
            Behind: the client must reconnect.
        """
        with self._subscribed(wanted.topics) as client:
            self._is_wanted.set()
            await self._is_reading.wait()
            begun = {at: offset for at, offset in client.begun.items() if at[0] in wanted.topics}
            told = begun if seen is None else dict(seen)
            yield dict(told), None
            if seen is not None:
                async for change in self._missed(wanted.topics, begun, told):
                    if wanted.takes(change[1]):
                        yield dict(told), change
            while True:
                live = await self._next(client, idle_s)
                if live is None:
                    yield dict(told), None
                elif _advance(told, live[0]) and wanted.takes(live[1]):
                    yield dict(told), live

    async def _missed(
        self, topics: Sequence[str], begun: Offsets, told: Offsets
    ) -> AsyncIterator[Change]:
        """Yield what changed after `told`, once the views hold everything before `begun`."""
        await self._views_reach(begun)
        since = dict(told)
        for change in await asyncio.to_thread(self._views.changes_since, since, topics):
            _advance(told, change[0])
            yield change

    async def _views_reach(self, wanted: Offsets) -> None:
        # Another process folds the views; nothing but looking tells how far it is.
        try:
            async with asyncio.timeout(5.0):
                while not _covers(await asyncio.to_thread(self._views.positions), wanted):  # noqa: ASYNC110
                    await asyncio.sleep(VIEW_POLL_S)
        except TimeoutError:
            raise Behind("the views lag behind the log") from None

    async def _next(self, client: _Client, idle_s: float) -> Change | None:
        if client.overrun and client.queue.empty():
            raise Behind("the client reads too slowly")
        try:
            async with asyncio.timeout(idle_s):
                return await client.queue.get()
        except TimeoutError:
            return None

    @contextmanager
    def _subscribed(self, topics: tuple[str, ...]) -> Iterator[_Client]:
        client = _Client(topics, dict(self.positions))
        self._clients.add(client)
        try:
            yield client
        finally:
            self._clients.discard(client)
            self._left_at_s = self._now_s()

    def _tell(self, change: Change) -> None:
        for client in self._clients:
            if change[0].topic not in client.topics:
                continue
            if client.queue.full():
                client.overrun = True
            if not client.overrun:
                client.queue.put_nowait(change)


def id_pattern(topics: Sequence[str]) -> str:
    """Return what ids of a stream of `topics` look like, as a regular expression."""
    part = f"[{''.join(_TOPICS[topic] for topic in topics)}][0-9]{{1,6}}-[0-9]{{1,18}}"
    return rf"^({part}(\.{part})*)?$"


def encode_id(positions: Offsets) -> str:
    """Return positions as an event id."""
    parts = sorted((_TOPICS[topic], partition, at) for (topic, partition), at in positions.items())
    return ".".join(f"{letter}{partition}-{offset}" for letter, partition, offset in parts)


def decode_id(text: str) -> Offsets:
    """Return the positions in an event id that a client sent back.

    Raises:
        BadEventId: it is not one of ours.
    """
    found: Offsets = {}
    if len(text) > _MAX_ID:
        raise BadEventId("too long")
    for part in text.split(".") if text else []:
        match = _PART.fullmatch(part)
        if match is None:
            raise BadEventId("not an id of this stream")
        letter, partition, offset = match.groups()
        found[LETTERS[letter], int(partition)] = int(offset)
    return found


def _advance(told: Offsets, at: Position) -> bool:
    """Move `told` past `at`; False if the client has seen it."""
    key = (at.topic, at.partition)
    if at.offset < told.get(key, 0):
        return False
    told[key] = at.offset + 1
    return True


def _covers(have: Offsets, wanted: Offsets) -> bool:
    return all(have.get(at, 0) >= offset for at, offset in wanted.items())
