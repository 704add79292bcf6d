"""What is asked of the hospital: retry, release, skip, edit. Each is done once, and is on record.

- RETRY tries the first record of a queue alone; RELEASE replays the queue in order and stops at the
  next failure; SKIP gives up the first and releases the rest; EDIT puts another in its place.

Guarantees: a request is acted on once (the latest 10,000 of a partition are remembered), and only
on the record it was meant for, if it names one. What was done, by whom and why is told on the
hospital's event topic, in the transaction of the act itself, without payload in the clear. A long
queue is released in several transactions, so that none outlives its timeout.
Does not: judge who may ask (the API and the command line do).
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from omnihub.contracts.topics import TopicSpec
from omnihub.engine.hospital import BEHIND, Arrival, Diagnosis, Hospital
from omnihub.engine.outputs import Outputs
from omnihub.engine.overlay import Overlay
from omnihub.engine.parking import Parking
from omnihub.engine.store import Store
from omnihub.model.errors import ParkError
from omnihub.model.ids import EventId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    ActOutcome,
    HospitalActed,
    ParkedBody,
    ReleaseAction,
    ReleaseParked,
    ReleaseSeen,
)

EVENT_TOPIC = "omni.hospital.event.v1"
REPLAYS_PER_TURN = 1000
REMEMBERED = 10_000
_SEND_ANEW = "skip the record, and send what is right anew"
_TOO_NEW = Diagnosis(
    "UnknownAct", "this release does not know what was asked", "ask again after the upgrade"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an act; `fault` says why no more."""

    outcome: ActOutcome
    fault: Diagnosis | None = None
    original: bytes = b""


class Releases:
    """Acts for one task partition; `read` decodes a record, `run` runs the handler on it."""

    def __init__(
        self,
        parking: Parking,
        hospital: Hospital,
        overlay: Overlay,
        outputs: Outputs,
        outcomes: Counter[str],
        *,
        inbox: TopicSpec,
        task: str,
        read: Callable[[bytes], Record],
        run: Callable[[Record, int], Exception | None],
    ) -> None:
        self._parking = parking
        self._hospital = hospital
        self._overlay = overlay
        self._outputs = outputs
        self._outcomes = outcomes
        self._inbox = inbox
        self._task = task
        self._read = read
        self._run = run
        self._seen: deque[str] = deque()

    def rebuild(self, store: Store) -> None:
        """Read which requests were acted on, the oldest first."""
        seen = sorted((row.offset, request_id) for request_id, row in store.of_kind(ReleaseSeen))
        self._seen = deque(request_id for _, request_id in seen)

    def act(self, request: ReleaseParked, arrival: Arrival) -> None:
        """Do what is asked, once; `arrival` is the request's own."""
        if request.task != self._task or not self._is_new(request.request_id, arrival.offset):
            return
        accepted_ms, park_key = self._outputs.timestamp_ms, request.park_key
        head, before = self._hospital.head(park_key), self._hospital.count(park_key)
        if head is None:
            done = Done(ActOutcome.NOTHING_PARKED)
        elif request.head_offset not in (None, head.offset):
            done = Done(ActOutcome.MOVED_ON)
        else:
            done = self._do(request, head)
        self._outputs.begin(accepted_ms)
        self._outputs.emit(EVENT_TOPIC, self._told(request, arrival, head, before, done))
        if done.outcome is ActOutcome.CONTINUES:
            self._outputs.emit(self._inbox.name, _continued(request), arrival.partition)

    def _do(self, request: ReleaseParked, head: ParkedBody) -> Done:
        park_key = request.park_key
        match request.action:
            case ReleaseAction.RETRY if request.request_id:
                return self._retry(park_key)
            case ReleaseAction.RELEASE | ReleaseAction.RETRY:
                # Before requests had ids, a retry was a release.
                return self._release(park_key)
            case ReleaseAction.SKIP:
                self._hospital.discharge(park_key)
                self._keep("skipped")
                return self._release(park_key)
            case ReleaseAction.EDIT:
                return self._edit(request, head)
            case _:
                return Done(ActOutcome.REFUSED, _TOO_NEW)

    def _retry(self, park_key: str) -> Done:
        """Try the first record alone: what is behind it waits until it is released."""
        if (fault := self._replay_head(park_key)) is not None:
            return Done(ActOutcome.STOPPED, fault)
        self._hospital.make_ready(park_key)
        self._overlay.keep_record()
        return Done(ActOutcome.DONE)

    def _release(self, park_key: str) -> Done:
        """Replay a queue in order, as far as it goes."""
        for _ in range(REPLAYS_PER_TURN):
            if park_key not in self._hospital.waiting:
                return Done(ActOutcome.DONE)
            if (fault := self._replay_head(park_key)) is not None:
                return Done(ActOutcome.STOPPED, fault)
        is_over = park_key not in self._hospital.waiting
        return Done(ActOutcome.DONE if is_over else ActOutcome.CONTINUES)

    def _edit(self, request: ReleaseParked, head: ParkedBody) -> Done:
        """Put the record that the request carries in the place of the first."""
        try:
            record = self._read(request.value or b"")
        except ParkError as error:
            return Done(ActOutcome.REFUSED, Diagnosis.of(error))
        if (fault := self._misfit(record, head)) is not None:
            return Done(ActOutcome.REFUSED, fault)
        self._hospital.replace_head(request.park_key, record, request.value or b"")
        self._keep("edited")
        return Done(ActOutcome.DONE, original=head.value)

    def _misfit(self, record: Record, head: ParkedBody) -> Diagnosis | None:
        """Say why `record` cannot stand where `head` does: others of its key count on the order."""
        if self._inbox.key_of(record).encode() != (head.key or b""):
            return Diagnosis("OtherKey", "the new record belongs to another key", _SEND_ANEW)
        try:
            known = self._read(head.value)
        except ParkError:
            return None  # Nobody could read it, so nobody knows what else it was about.
        if type(record) is not type(known):
            return Diagnosis("OtherType", "the new record is of another type", _SEND_ANEW)
        inbox_key = Arrival.of(head).inbox_key
        own, was = (self._parking.key_of(each, inbox_key) for each in (record, known))
        if own != was:
            return Diagnosis("OtherKey", "the new record has another park key", _SEND_ANEW)
        return None

    def _replay_head(self, park_key: str) -> Diagnosis | None:
        """Try the first record behind a key again; return why it stays, if it does."""
        head = self._hospital.head(park_key)
        if head is None:
            return None
        arrival = Arrival.of(head)
        self._outputs.begin(arrival.timestamp_ms, is_retry=True)
        record, failure = self._replay(arrival, park_key)
        self._outputs.begin(arrival.timestamp_ms)
        if failure is None:
            self._hospital.discharge(park_key)
            self._keep("released")
            return None
        fault = Diagnosis.of(failure)
        self._hospital.failed_again(park_key, record, fault)
        self._keep("parked")
        return fault

    def _replay(self, arrival: Arrival, park_key: str) -> tuple[Record | None, Exception | None]:
        """Run a parked record again; return it, if it can be read, and why it must stay."""
        try:
            record = self._read(arrival.value)
        except ParkError as error:
            return None, error
        # A request for release is only ever parked for having killed its process: it is done with.
        if type(record) is ReleaseParked or self._move(record, arrival, park_key):
            return record, None
        return record, self._run(record, arrival.offset)

    def _move(self, record: Record, arrival: Arrival, park_key: str) -> bool:
        """Let a record that waited behind an unread one join the queue of its own park key."""
        own = self._parking.key_of(record, arrival.inbox_key)
        if own == park_key or own not in self._hospital.waiting:
            return False
        self._hospital.park(own, arrival, record, BEHIND)
        return True

    def _is_new(self, request_id: str, offset: int) -> bool:
        """Tell whether this is the first time that this is asked, and remember it."""
        if not request_id:
            return True
        if self._overlay.get(ReleaseSeen, request_id) is not None:
            return False
        self._overlay.put(request_id, ReleaseSeen(offset=offset))
        self._seen.append(request_id)
        if len(self._seen) > REMEMBERED:
            self._overlay.delete(ReleaseSeen, self._seen.popleft())
        self._overlay.keep_record()
        return True

    def _told(
        self,
        request: ReleaseParked,
        arrival: Arrival,
        head: ParkedBody | None,
        before: int,
        done: Done,
    ) -> HospitalActed:
        place = f"{arrival.topic}/{arrival.partition}/{arrival.offset}"
        remaining = self._hospital.count(request.park_key)
        fault = done.fault
        return HospitalActed(
            event_id=EventId(derive_id(place, "hospital")),
            request_id=request.request_id,
            task=request.task,
            park_key=request.park_key,
            action=request.action,
            outcome=done.outcome,
            requested_by=request.requested_by,
            reason=request.reason,
            requested_at_us=request.requested_at_us,
            accepted_at_us=self._outputs.accepted_at_us,
            topic=arrival.topic,
            partition=arrival.partition,
            offset=head.offset if head else None,
            record_type=head.record_type if head else "",
            records=before - remaining,
            remaining=remaining,
            error_class=fault.error_class if fault else None,
            error=fault.error if fault else None,
            cure=fault.cure if fault else None,
            original=done.original,
        )

    def _keep(self, outcome: str) -> None:
        self._overlay.keep_record()
        self._outcomes[outcome] += 1


def _continued(request: ReleaseParked) -> ReleaseParked:
    """Return what the next transaction is asked: whatever is first by then."""
    return ReleaseParked(
        task=request.task,
        park_key=request.park_key,
        action=ReleaseAction.RELEASE,
        requested_by=request.requested_by,
        reason=request.reason,
        requested_at_us=request.requested_at_us,
        request_id=derive_id(request.request_id, "continued") if request.request_id else "",
    )
