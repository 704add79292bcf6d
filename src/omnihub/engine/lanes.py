"""The bulk lane of one worker: backfill is read only while nothing live waits, and in portions.

Guarantees: bulk work is begun only while the live lag (how long ago this worker last had nothing
live left to read) is under a second, uses first the pause between two commits, and is cut so that a
turn stays short: whatever goes live meets at most one portion at each hop. Where no fresh record
was read for half a minute, turns may be long: an idle hub works at full speed.
Whoever runs the worker may make bulk wait for other reasons (`must_wait`: busy sinks).
Does not: know the lag of other workers, or order records differently within one partition.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, Message, TopicPartition

from omnihub.broker.ports import Partition

LIVE_LAG_S = 1.0
"""Above this, bulk waits."""
WORK_S = 0.03
"""Bulk may make the work of a turn so long (its commit apart, whose time is the broker's): a live
record waits for one turn at every hop."""
IDLE_WORK_S = 0.2
IDLE_AFTER_S = 30.0
FRESH_S = 5.0
"""What was accepted so recently is live; backfill with a backlog is older wherever it is read."""
SHARE_S = 0.01
"""So long bulk is worked on in a turn at least; the whole pause between two commits, if longer.
On an idle hub ten times as long."""
PORTION_LEAST, PORTION_MOST = 10, 2_000
GROWTH, CUT = 1.1, 0.7
HELD_RECORDS, HELD_BYTES = 2_000, 16 * 1024 * 1024
CHUNK_RECORDS, CHUNK_BYTES = 32, 16 * 1024


@dataclass(slots=True)
class Meter:
    """Decides from turn to turn whether bulk may be worked on, and how many records of it."""

    portion: int = PORTION_LEAST
    drained_at_s: float = float("-inf")
    fresh_at_s: float = float("-inf")

    def lag_s(self, now_s: float) -> float:
        """Return how long ago nothing live was left to read."""
        return now_s - self.drained_at_s

    def is_open(self, now_s: float) -> bool:
        """Tell whether bulk may be read."""
        return self.lag_s(now_s) < LIVE_LAG_S

    def saw(self, newest_age_s: float, now_s: float) -> None:
        """Note how old the newest live record of a turn is; after idle times start small."""
        if newest_age_s > FRESH_S:
            return
        if self.is_idle(now_s):
            self.portion = PORTION_LEAST
        self.fresh_at_s = now_s

    def is_idle(self, now_s: float) -> bool:
        """Tell whether nothing but backfill was read for a while."""
        return now_s - self.fresh_at_s > IDLE_AFTER_S

    def turned(self, took_s: float, worked: int, now_s: float) -> None:
        """A turn with `worked` bulk records was work for so long; the next has what they cause."""
        if took_s > (IDLE_WORK_S if self.is_idle(now_s) else WORK_S):
            self.portion = max(PORTION_LEAST, int(self.portion * CUT))
        elif worked >= self.portion:
            self.portion = min(PORTION_MOST, int(self.portion * GROWTH) + 1)


@dataclass(slots=True)
class BulkLane:
    """Bulk records that were fetched and wait for their portion."""

    inboxes: Collection[str]
    must_wait: Callable[[], bool] = lambda: False
    meter: Meter = field(default_factory=Meter)
    _held: deque[Message] = field(default_factory=deque)
    _held_bytes: int = 0
    _places: list[TopicPartition] = field(default_factory=list)
    _is_fetching: bool = True

    @property
    def waiting(self) -> int:
        """Return how many records are held here."""
        return len(self._held)

    @property
    def partitions(self) -> int:
        """Return how many bulk partitions this worker owns."""
        return len(self._places)

    def sort_out(self, messages: Sequence[Message]) -> list[Message]:
        """Hold what is bulk, return what is live."""
        if not self._places:
            return list(messages)
        live: list[Message] = []
        for message in messages:
            if message.topic() in self.inboxes:
                self._held.append(message)
                self._held_bytes += len(message.value() or b"")
            else:
                live.append(message)
        return live

    def work(
        self,
        process: Callable[[Sequence[Message]], None],
        now_s: Callable[[], float],
        commit_at_s: float,
    ) -> int:
        """Process this turn's portion; return how many records it had.

        Until `commit_at_s` nothing live could be done anyway.
        """
        began_s, worked = now_s(), 0
        if not self._held or not self._is_open(began_s):
            return 0
        share_s = SHARE_S * 10 if self.meter.is_idle(began_s) else SHARE_S
        until_s = max(commit_at_s, began_s + share_s)
        while self._held and worked < self.meter.portion:
            chunk = self._chunk(self.meter.portion - worked)
            process(chunk)
            worked += len(chunk)
            if now_s() >= until_s:
                break
        return worked

    def steer(self, consumer: Consumer, now_s: float) -> None:
        """Fetch while bulk may run and little is held; what librdkafka has queued is read again."""
        if not self._places:
            return
        is_open = self._is_open(now_s) if self._held else self.meter.is_open(now_s)
        if self._is_fetching and (not is_open or self._is_full):
            consumer.pause(self._places)
            self._is_fetching = False
        elif not self._is_fetching and is_open and not self._held:
            consumer.resume(self._places)
            self._is_fetching = True

    def forget(self) -> None:
        """Tasks were rolled back or lost: what is held will be delivered again."""
        self._held.clear()
        self._held_bytes = 0
        self._places = []

    def delivered(self, consumer: Consumer, places: Collection[Partition]) -> None:
        """Partitions are read from their tasks' next offsets: what is held would leave a gap."""
        self.forget()
        self._places = [TopicPartition(*at) for at in places if at[0] in self.inboxes]
        if self._places:
            consumer.pause(self._places)
        self._is_fetching = False

    def _is_open(self, now_s: float) -> bool:
        return self.meter.is_open(now_s) and not self.must_wait()

    @property
    def _is_full(self) -> bool:
        return len(self._held) >= HELD_RECORDS or self._held_bytes >= HELD_BYTES

    def _chunk(self, most: int) -> list[Message]:
        chunk: list[Message] = []
        size = 0
        while self._held and len(chunk) < min(most, CHUNK_RECORDS) and size < CHUNK_BYTES:
            message = self._held.popleft()
            size += len(message.value() or b"")
            chunk.append(message)
        self._held_bytes -= size
        return chunk
