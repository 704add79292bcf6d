"""The hospital of one task partition: failed records wait by park key, in order.

Guarantees: a failed record and the later ones of its park key keep their order; other keys go on;
bodies live in task state until released or skipped, and each is shown, without its body, on the
hospital's state topic. A release replays the queue in order and stops at the next failure.
Does not: judge what a failure is (see `task`), or retry outages (the worker does).
"""

from dataclasses import dataclass

from omnihub.engine.outputs import Outputs
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import SEPARATOR, Store
from omnihub.model.errors import InvariantBroken, ParkError
from omnihub.model.records import ParkedBody, ParkedQueue, ParkedRecord

HOSPITAL_TOPIC = "omni.hospital.state.v1"
QUEUE_LIMIT = 100_000
"""Records behind one park key; more is an outage that somebody must see, not a queue."""
BUG_CURE = "mend the code or the data, then: omnihub hospital retry"
BEHIND = "waits behind an earlier record of its key"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One input record as it came: what the hospital must keep to replay it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a record cannot be processed; `error` never holds payload."""

    error_class: str
    error: str
    cure: str
    waits_for: str | None = None

    @classmethod
    def of(cls, error: Exception) -> "Diagnosis":
        """Read the diagnosis off an exception; of a bug only its class is told."""
        if isinstance(error, ParkError):
            return cls(type(error).__name__, str(error), error.cure, error.waits_for)
        return cls(type(error).__name__, f"{type(error).__name__} in the handler", BUG_CURE)


class Hospital:
    """Queues behind park keys; `waiting` says for each what its head waits for, if for anything."""

    def __init__(self, task: str, overlay: Overlay, outputs: Outputs) -> None:
        self._task = task
        self._overlay = overlay
        self._outputs = outputs
        self.waiting: dict[str, str | None] = {}

    def rebuild(self, store: Store) -> None:
        """Find the queues once, when the task opens."""
        self.waiting = {}
        for park_key, queue in store.of_kind(ParkedQueue):
            if isinstance(queue, ParkedQueue):
                head = store.get((ParkedBody, _body_key(park_key, queue.first_index)))
                self.waiting[park_key] = head.waits_for if isinstance(head, ParkedBody) else None

    def queue_of(self, park_key: str) -> ParkedQueue | None:
        """Return the queue behind a key, if records wait there."""
        return self._overlay.get(ParkedQueue, park_key)

    def park(self, park_key: str, arrival: Arrival, record_type: str, diagnosis: Diagnosis) -> None:
        """Put a record at the end of the queue of its key."""
        queue = self.queue_of(park_key) or ParkedQueue(first_index=0, next_index=0)
        if queue.next_index - queue.first_index >= QUEUE_LIMIT:
            raise InvariantBroken(
                f"{self._task} has {QUEUE_LIMIT} records parked behind one key. "
                "Cure the first: omnihub hospital list"
            )
        index = queue.next_index
        if index == queue.first_index:
            self.waiting[park_key] = diagnosis.waits_for
        self._write(park_key, index, _body(arrival, diagnosis, attempts=1), record_type)
        self._overlay.put(
            park_key, ParkedQueue(first_index=queue.first_index, next_index=index + 1)
        )

    def park_behind(self, park_key: str, arrival: Arrival, record_type: str) -> None:
        """Queue a healthy record behind the failed one of its key."""
        self.park(park_key, arrival, record_type, Diagnosis("Behind", BEHIND, "cure the first"))

    def head(self, park_key: str) -> tuple[int, ParkedBody] | None:
        """Return index and body of the first record that waits behind a key."""
        queue = self.queue_of(park_key)
        if queue is None:
            return None
        body = self._overlay.get(ParkedBody, _body_key(park_key, queue.first_index))
        if body is None:
            raise InvariantBroken(f"{self._task} lost the body of a parked record")
        return queue.first_index, body

    def discharge(self, park_key: str) -> None:
        """Remove the first record behind a key: it was processed or skipped."""
        queue = self.queue_of(park_key)
        if queue is None:
            return
        index = queue.first_index
        self._overlay.delete(ParkedBody, _body_key(park_key, index))
        self._outputs.remove(HOSPITAL_TOPIC, f"{self._task}:{park_key}:{index}")
        if index + 1 == queue.next_index:
            self._overlay.delete(ParkedQueue, park_key)
            self.waiting.pop(park_key, None)
        else:
            rest = ParkedQueue(first_index=index + 1, next_index=queue.next_index)
            self._overlay.put(park_key, rest)

    def failed_again(self, park_key: str, record_type: str, diagnosis: Diagnosis) -> None:
        """The head of a queue failed once more: keep it, with its new reason."""
        head = self.head(park_key)
        if head is None:
            return
        index, body = head
        arrival = Arrival(
            body.topic, body.partition, body.offset, body.timestamp_ms, body.key, body.value
        )
        renewed = _body(arrival, diagnosis, attempts=body.attempts + 1)
        self.waiting[park_key] = diagnosis.waits_for
        self._write(park_key, index, renewed, record_type)

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
