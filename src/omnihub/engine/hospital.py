"""The hospital of one task partition: failed records wait by park key, in order.

Guarantees: a failed record and the later ones of its park key keep their order; other keys go on;
bodies live in task state until released or skipped, and each is shown, without its body, on the
hospital's state topic. Their number is bounded: half-way there is an alarm, at the bound the worker
stops rather than lose or overtake one.
Does not: judge what a failure is (see `task`), or retry outages (the worker does).
"""

import traceback
from dataclasses import dataclass
from pathlib import PurePath

from omnihub.engine.observer import EngineObserver
from omnihub.engine.outputs import Outputs
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import SEPARATOR, Store
from omnihub.model.errors import InvariantBroken, ParkError
from omnihub.model.records import ParkedBody, ParkedQueue, ParkedRecord

HOSPITAL_TOPIC = "omni.hospital.state.v1"
ERROR_CHARS = 2_000
BUG_CURE = "mend the code or the data, then: omnihub hospital retry"


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


class Hospital:
    """Queues behind park keys; `waiting` says for each what its head waits for, if for anything."""

    def __init__(
        self, task: str, overlay: Overlay, outputs: Outputs, observer: EngineObserver, limit: int
    ) -> None:
        self._task = task
        self._overlay = overlay
        self._outputs = outputs
        self._observer = observer
        self._limit = limit
        self.waiting: dict[str, str | None] = {}
        self.parked = 0

    def rebuild(self, store: Store) -> None:
        """Find the queues once, when the task opens."""
        self.waiting = {}
        self.parked = 0
        for park_key, queue in store.of_kind(ParkedQueue):
            head = store.get((ParkedBody, _body_key(park_key, queue.first_index)))
            self.waiting[park_key] = head.waits_for if isinstance(head, ParkedBody) else None
            self.parked += queue.next_index - queue.first_index

    def park(self, park_key: str, arrival: Arrival, record_type: str, diagnosis: Diagnosis) -> None:
        """Put a record at the end of the queue of its key."""
        self._admit_one_more()
        queue = self._queue_of(park_key) or ParkedQueue(first_index=0, next_index=0)
        index = queue.next_index
        if index == queue.first_index:
            self.waiting[park_key] = diagnosis.waits_for
        self._write(park_key, index, _body(arrival, diagnosis, attempts=1), record_type)
        self._overlay.put(
            park_key, ParkedQueue(first_index=queue.first_index, next_index=index + 1)
        )

    def head(self, park_key: str) -> ParkedBody | None:
        """Return the first record that waits behind a key."""
        queue = self._queue_of(park_key)
        if queue is None:
            return None
        body = self._overlay.get(ParkedBody, _body_key(park_key, queue.first_index))
        if body is None:
            raise InvariantBroken(f"{self._task} lost the body of a parked record")
        return body

    def discharge(self, park_key: str) -> None:
        """Remove the first record behind a key: it was processed, moved or skipped."""
        queue = self._queue_of(park_key)
        if queue is None:
            return
        index = queue.first_index
        self.parked -= 1
        self._overlay.delete(ParkedBody, _body_key(park_key, index))
        self._outputs.remove(HOSPITAL_TOPIC, _shown_key(self._task, park_key, index))
        if index + 1 == queue.next_index:
            self._overlay.delete(ParkedQueue, park_key)
            self.waiting.pop(park_key, None)
        else:
            rest = ParkedQueue(first_index=index + 1, next_index=queue.next_index)
            self._overlay.put(park_key, rest)

    def failed_again(self, park_key: str, record_type: str, diagnosis: Diagnosis) -> None:
        """The head of a queue failed once more: keep it, with its new reason."""
        queue, head = self._queue_of(park_key), self.head(park_key)
        if queue is None or head is None:
            return
        renewed = _body(Arrival.of(head), diagnosis, attempts=head.attempts + 1)
        self.waiting[park_key] = diagnosis.waits_for
        self._write(park_key, queue.first_index, renewed, record_type)

    def _admit_one_more(self) -> None:
        self.parked += 1
        if self.parked == self._limit // 2:
            self._observer.alarmed(self._task, "the hospital is half full")
        if self.parked > self._limit:
            raise InvariantBroken(
                f"{self._task} has {self._limit} records parked in one partition. Mend what makes "
                "them fail, start with a higher parked_limit, then: omnihub hospital retry"
            )

    def _queue_of(self, park_key: str) -> ParkedQueue | None:
        return self._overlay.get(ParkedQueue, park_key)

    def _write(self, park_key: str, index: int, body: ParkedBody, record_type: str) -> None:
        self._overlay.put(_body_key(park_key, index), body)
        shown = ParkedRecord(
            task=self._task,
            park_key=park_key,
            queue_index=index,
            topic=body.topic,
            partition=body.partition,
            offset=body.offset,
            record_type=record_type,
            error_class=body.error_class,
            error=body.error,
            cure=body.cure,
            attempts=body.attempts,
            parked_at_us=body.parked_at_us,
            accepted_at_us=body.timestamp_ms * 1000,
        )
        self._outputs.emit(HOSPITAL_TOPIC, shown)


def _body(arrival: Arrival, diagnosis: Diagnosis, attempts: int) -> ParkedBody:
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
    )


def _body_key(park_key: str, index: int) -> str:
    return f"{park_key}{SEPARATOR}{index:012d}"


def _shown_key(task: str, park_key: str, index: int) -> str:
    return f"{task}:{park_key}:{index}"
