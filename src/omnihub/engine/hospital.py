"""The hospital of one task partition: failed records wait by park key, in order.

Guarantees: a failed record and the later ones of its park key keep their order; other keys go on;
bodies live in task state until released or skipped, and each is shown, without its body, on the
hospital's state topic. Their number is bounded: half-way there is an alarm, at the bound the worker
stops rather than lose or overtake one. There is an alarm, too, when one has waited for a day.
Does not: judge what a failure is (see `task`), retry outages (the worker does), or release (see
`release`).
"""

import traceback
from dataclasses import dataclass
from pathlib import PurePath

import msgspec

from omnihub.engine.observer import EngineObserver
from omnihub.engine.outputs import Outputs
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import SEPARATOR, Store
from omnihub.model.errors import InvariantBroken, ParkError
from omnihub.model.ids import InstanceId
from omnihub.model.record import Record
from omnihub.model.records import EventMeta, ParkedBody, ParkedQueue, ParkedRecord
from omnihub.model.time import DAY_US

HOSPITAL_TOPIC = "omni.hospital.state.v1"
ERROR_CHARS = 2_000
OLD_AFTER_US = DAY_US
UNREAD = "unread"
"""Shown as the type of a record that could not be, or was not, looked into."""
BUG_CURE = "mend the code or the data, then: omnihub hospital release"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One input record as it came: what the hospital must keep to replay it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes

    @classmethod
    def of(cls, body: ParkedBody) -> "Arrival":
        """Return a parked record as it once came."""
        return cls(body.topic, body.partition, body.offset, body.timestamp_ms, body.key, body.value)

    @property
    def inbox_key(self) -> str:
        """The record's own key: what waits when its park key cannot be told."""
        return (self.key or b"").decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a record cannot be processed; `error` never holds payload."""

    error_class: str
    error: str
    cure: str
    waits_for: str | None = None

    @classmethod
    def of(cls, error: Exception) -> "Diagnosis":
        """Read the diagnosis off an exception; of a bug only its class and place are told."""
        name = type(error).__name__
        if isinstance(error, ParkError):
            return cls(name, str(error)[:ERROR_CHARS], error.cure, error.waits_for)
        frames = traceback.extract_tb(error.__traceback__)
        place = f" ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        return cls(name, f"{name} in the handler{place}", BUG_CURE)


BEHIND = Diagnosis("Behind", "waits behind an earlier record of its key", "cure the first")
READY = Diagnosis("Ready", "nothing is before it any more", "omnihub hospital release")
_UNTRIED = (BEHIND, READY)


@dataclass(frozen=True, slots=True)
class Head:
    """What is known in memory of the first record of a queue."""

    waits_for: str | None
    since_us: int


class Hospital:
    """Queues behind park keys; `waiting` knows the head of each."""

    def __init__(
        self, task: str, overlay: Overlay, outputs: Outputs, observer: EngineObserver, limit: int
    ) -> None:
        self._task = task
        self._overlay = overlay
        self._outputs = outputs
        self._observer = observer
        self._limit = limit
        self._is_old = False
        self.waiting: dict[str, Head] = {}
        self.parked = 0

    def rebuild(self, store: Store) -> None:
        """Find the queues once, when the task opens."""
        self.waiting = {}
        self.parked = 0
        for park_key, queue in store.of_kind(ParkedQueue):
            head = store.get((ParkedBody, body_key(park_key, queue.first_index)))
            if not isinstance(head, ParkedBody):
                raise self._lost()
            self.waiting[park_key] = Head(head.waits_for, head.parked_at_us)
            self.parked += queue.next_index - queue.first_index

    def park(
        self, park_key: str, arrival: Arrival, record: Record | None, diagnosis: Diagnosis
    ) -> None:
        """Put a record at the end of the queue of its key; `record` is None for one unread."""
        self._admit_one_more()
        queue = self._queue_of(park_key) or ParkedQueue(first_index=0, next_index=0)
        index = queue.next_index
        attempts = 0 if diagnosis in _UNTRIED else 1
        self._write(park_key, index, _body(arrival, record, diagnosis, attempts))
        if index == queue.first_index:
            self.waiting[park_key] = Head(diagnosis.waits_for, arrival.timestamp_ms * 1000)
        self._overlay.put(
            park_key, ParkedQueue(first_index=queue.first_index, next_index=index + 1)
        )

    def head(self, park_key: str) -> ParkedBody | None:
        """Return the first record that waits behind a key."""
        queue = self._queue_of(park_key)
        return None if queue is None else self._body_at(park_key, queue.first_index)

    def count(self, park_key: str) -> int:
        """Return how many records wait behind a key."""
        queue = self._queue_of(park_key)
        return 0 if queue is None else queue.next_index - queue.first_index

    def first_index(self, park_key: str) -> int:
        """Return the place of the head in its queue, counted from the queue's beginning."""
        queue = self._queue_of(park_key)
        return 0 if queue is None else queue.first_index

    def discharge(self, park_key: str) -> None:
        """Remove the first record behind a key: it was processed, moved or skipped."""
        queue = self._queue_of(park_key)
        if queue is None:
            return
        index = queue.first_index
        self.parked -= 1
        self._overlay.delete(ParkedBody, body_key(park_key, index))
        self._outputs.remove(HOSPITAL_TOPIC, _shown_key(self._task, park_key, index))
        if index + 1 == queue.next_index:
            self._overlay.delete(ParkedQueue, park_key)
            self.waiting.pop(park_key, None)
        else:
            rest = ParkedQueue(first_index=index + 1, next_index=queue.next_index)
            self._overlay.put(park_key, rest)
            head = self._body_at(park_key, index + 1)
            self.waiting[park_key] = Head(head.waits_for, head.parked_at_us)

    def failed_again(self, park_key: str, record: Record | None, diagnosis: Diagnosis) -> None:
        """The head of a queue failed once more: keep it, with its new reason."""
        head = self.head(park_key)
        if head is None:
            return
        body = _body(Arrival.of(head), record, diagnosis, head.attempts + 1, head.is_edited)
        self._rewrite_head(park_key, body)

    def make_ready(self, park_key: str) -> None:
        """Tell of a record that only waited that it is the first now."""
        head = self.head(park_key)
        if head is not None and head.error_class == BEHIND.error_class:
            reason = {"error_class": READY.error_class, "error": READY.error, "cure": READY.cure}
            self._rewrite_head(park_key, msgspec.structs.replace(head, **reason))

    def replace_head(self, park_key: str, record: Record, value: bytes) -> None:
        """Put other content in the place of the first record; its reason and order stay."""
        head = self.head(park_key)
        if head is not None:
            about = {"record_type": type(record).__name__, "instance": _instance_of(record)}
            edited = msgspec.structs.replace(head, value=value, is_edited=True, **about)
            self._rewrite_head(park_key, edited)

    def asked(self, park_key: str) -> None:
        """A release was asked for; a new failure sets what the head waits for again."""
        self.waiting[park_key] = Head(None, self.waiting[park_key].since_us)

    @property
    def oldest_at_us(self) -> int | None:
        """Return since when the oldest head waits."""
        return min((head.since_us for head in self.waiting.values()), default=None)

    def watch_age(self, now_us: int) -> None:
        """Raise the alarm, once, when something has waited for too long."""
        oldest_at_us = self.oldest_at_us
        is_old = oldest_at_us is not None and now_us - oldest_at_us > OLD_AFTER_US
        if is_old and not self._is_old:
            self._observer.alarmed(self._task, "a record has been parked for over a day")
        self._is_old = is_old

    def _admit_one_more(self) -> None:
        self.parked += 1
        if self.parked == self._limit // 2:
            self._observer.alarmed(self._task, "the hospital is half full")
        if self.parked > self._limit:
            raise InvariantBroken(
                f"{self._task} has {self._limit} records parked in one partition. Mend what makes "
                "them fail, start with a higher workers.parked_limit, then release them"
            )

    def _queue_of(self, park_key: str) -> ParkedQueue | None:
        return self._overlay.get(ParkedQueue, park_key)

    def _body_at(self, park_key: str, index: int) -> ParkedBody:
        body = self._overlay.get(ParkedBody, body_key(park_key, index))
        if body is None:
            raise self._lost()
        return body

    def _lost(self) -> InvariantBroken:
        return InvariantBroken(f"{self._task} lost the body of a parked record")

    def _rewrite_head(self, park_key: str, body: ParkedBody) -> None:
        self.waiting[park_key] = Head(body.waits_for, body.parked_at_us)
        self._write(park_key, self.first_index(park_key), body)

    def _write(self, park_key: str, index: int, body: ParkedBody) -> None:
        self._overlay.put(body_key(park_key, index), body)
        shown = ParkedRecord(
            task=self._task,
            park_key=park_key,
            queue_index=index,
            topic=body.topic,
            partition=body.partition,
            offset=body.offset,
            record_type=body.record_type,
            error_class=body.error_class,
            error=body.error,
            cure=body.cure,
            attempts=body.attempts,
            parked_at_us=body.parked_at_us,
            accepted_at_us=body.timestamp_ms * 1000,
            instance=body.instance,
            waits_for=body.waits_for,
            is_edited=body.is_edited,
        )
        self._outputs.emit(HOSPITAL_TOPIC, shown)


def _body(
    arrival: Arrival,
    record: Record | None,
    diagnosis: Diagnosis,
    attempts: int,
    is_edited: bool = False,
) -> ParkedBody:
    return ParkedBody(
        topic=arrival.topic,
        partition=arrival.partition,
        offset=arrival.offset,
        key=arrival.key,
        value=arrival.value,
        timestamp_ms=arrival.timestamp_ms,
        error_class=diagnosis.error_class,
        error=diagnosis.error,
        cure=diagnosis.cure,
        waits_for=diagnosis.waits_for,
        attempts=attempts,
        parked_at_us=arrival.timestamp_ms * 1000,
        is_edited=is_edited,
        record_type=UNREAD if record is None else type(record).__name__,
        instance=_instance_of(record),
    )


def _instance_of(record: Record | None) -> InstanceId:
    """Return which connected system a record comes from or is for, as far as it says so."""
    meta = getattr(record, "meta", None)
    found = meta.source if isinstance(meta, EventMeta) else getattr(record, "instance", "")
    return InstanceId(found)


def body_key(park_key: str, index: int) -> str:
    """Return the key of the row that holds a parked record."""
    return f"{park_key}{SEPARATOR}{index:012d}"


def _shown_key(task: str, park_key: str, index: int) -> str:
    return f"{task}:{park_key}:{index}"
