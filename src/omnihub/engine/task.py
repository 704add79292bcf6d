"""One task partition: a handler, its rows, and what a batch of input did to them.

Guarantees: `process` is a function of the input record and the rows; a record that fails leaves
only its place in the hospital (or a `Rejected` event); nothing is visible before `keep`.
Does not: talk to Kafka (see `worker`), or know the time except for timers.
"""

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.contracts.topics import Topics
from omnihub.engine.hospital import Arrival, Diagnosis, Hospital
from omnihub.engine.observer import EngineObserver
from omnihub.engine.outputs import Output, Outputs
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import RowKey, Store, changelog_key
from omnihub.engine.timers import Timers
from omnihub.model.errors import InvariantBroken, RejectedError, RetryableError
from omnihub.model.ids import EventId, InstanceId, TenantId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    EventMeta,
    Rejected,
    ReleaseAction,
    ReleaseParked,
    TaskPosition,
    TimerDue,
)
from omnihub.rules.rule import Handler

POSITION_KEY = ""
TIMERS_PER_TURN = 1000


class Task:
    """Runs one handler over one partition of its inbox."""

    def __init__(
        self,
        handler: Handler,
        partition: int,
        store: Store,
        codec: Codec,
        topics: Topics,
        observer: EngineObserver,
    ) -> None:
        self.handler = handler
        self.name = handler.name
        self.inbox = handler.inbox
        self.partition = partition
        self.changelog = topics.changelog(handler.name, handler.inbox).name
        self.store = store
        self.overlay = Overlay(store)
        self.timers = Timers(self.overlay)
        self.outputs = Outputs(topics, codec, self.timers.put, self.timers.drop)
        self.hospital = Hospital(self.name, self.overlay, self.outputs)
        self.next_offset = 0
        self.kept_offset = 0
        self._codec = codec
        self._observer = observer
        self._outcomes: dict[str, int] = {}

    def open(self, next_offset: int) -> None:
        """Start on restored rows at `next_offset`."""
        self.next_offset = self.kept_offset = next_offset
        self.timers.rebuild(self.store)
        self.hospital.rebuild(self.store)

    @property
    def position(self) -> int | None:
        """Return the next offset that the restored rows already include."""
        row = self.store.get((TaskPosition, POSITION_KEY))
        return row.next_offset if isinstance(row, TaskPosition) else None

    @property
    def is_dirty(self) -> bool:
        """Tell whether there is anything to commit."""
        return bool(
            self.next_offset != self.kept_offset or self.outputs.staged or self.overlay.staged
        )

    def process(
        self, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None
    ) -> None:
        """Process one input record; every failure but an outage is dealt with here.

        Raises:
            RetryableError: an outage; the batch must be rolled back and tried again.
            InvariantBroken: the worker must stop.
        """
        self.outputs.begin(timestamp_ms)
        if value is not None:
            arrival = Arrival(self.inbox, self.partition, offset, timestamp_ms, key, value)
            self._handle(arrival)
        self.next_offset = offset + 1

    def fire_timers(self, now_us: int) -> None:
        """Append what is due to the own inbox partition."""
        due = self.timers.take_due(now_us, TIMERS_PER_TURN)
        self.overlay.keep_record()
        self.outputs.begin(now_us // 1000)
        for record in due:
            self.outputs.emit(self.inbox, record, self.partition)

    def ask_release(self, park_key: str, now_us: int) -> None:
        """Append a release of one queue to the own inbox: what it waited for has come."""
        waits_for = self.hospital.waiting.get(park_key)
        self.hospital.waiting[park_key] = None
        self.outputs.begin(now_us // 1000)
        request = ReleaseParked(
            task=self.name,
            park_key=park_key,
            action=ReleaseAction.RETRY,
            requested_by="omnihub",
            reason=f"{waits_for} is set",
            requested_at_us=now_us,
        )
        self.outputs.emit(self.inbox, request, self.partition)

    def changelog_records(self) -> list[tuple[bytes, bytes | None]]:
        """Return one changelog record per changed row, and the position row."""
        encode = self._codec.encode
        records: list[tuple[bytes, bytes | None]] = [
            (changelog_key(key), None if row is None else encode(row))
            for key, row in self.overlay.staged.items()
        ]
        position = TaskPosition(topic=self.inbox, next_offset=self.next_offset)
        records.append((changelog_key((TaskPosition, POSITION_KEY)), encode(position)))
        return records

    def keep(self) -> None:
        """The transaction committed."""
        self.overlay.keep_batch()
        self.outputs.staged.clear()
        self.kept_offset = self.next_offset
        for outcome, count in self._outcomes.items():
            self._observer.processed(self.name, outcome, count)
        self._outcomes.clear()

    def drop(self) -> None:
        """The transaction failed: back to the last committed rows and position."""
        self.overlay.drop_batch()
        self.outputs.staged.clear()
        self.next_offset = self.kept_offset
        self._outcomes.clear()
        self.timers.rebuild(self.store)
        self.hospital.rebuild(self.store)

    def _handle(self, arrival: Arrival) -> None:
        try:
            record = self._codec.decode(arrival.value)
        except Undecodable as error:
            park_key = (arrival.key or b"").decode(errors="replace")
            self._park(park_key, arrival, "undecodable", Diagnosis.of(error))
            return
        if type(record) is ReleaseParked:
            self._release(record)
        elif self.hospital.waiting and self._waits(record, arrival):
            self._count("queued")
        else:
            self._attempt(record, arrival)

    def _waits(self, record: Record, arrival: Arrival) -> bool:
        if type(record) is TimerDue:
            return False
        park_key = self.handler.park_key(record)
        if park_key not in self.hospital.waiting:
            return False
        self.hospital.park_behind(park_key, arrival, type(record).__name__)
        self.overlay.keep_record()
        return True

    def _attempt(self, record: Record, arrival: Arrival) -> None:
        failure = self._try(record, arrival)
        if failure is not None:
            park_key = self.handler.park_key(record)
            self._park(park_key, arrival, type(record).__name__, Diagnosis.of(failure))

    def _try(self, record: Record, arrival: Arrival) -> Exception | None:
        """Run the handler under a savepoint; return why the record must be parked, if it must."""
        try:
            if type(record) is not TimerDue or self.timers.is_true(record):
                self.handler.handle(record, self.overlay, self.outputs)
        except RejectedError as refused:
            self._drop_record()
            self._reject(record, arrival, refused)
        except (RetryableError, InvariantBroken):
            raise
        except Exception as error:  # noqa: BLE001 - a bug in a handler must not stop its neighbours
            self._drop_record()
            return error
        else:
            self.overlay.keep_record()
            self._count("applied")
        return None

    def _drop_record(self) -> None:
        self.overlay.drop_record()
        self.outputs.drop_record()

    def _reject(self, record: Record, arrival: Arrival, refused: RejectedError) -> None:
        rejected = Rejected(
            meta=self._meta_of(record, arrival),
            reason_code=refused.reason_code,
            detail=refused.detail,
            subject_type=type(record).__name__,
            subject=refused.subject or self.handler.park_key(record),
        )
        self.outputs.emit(self.handler.rejects, rejected)
        self._count("rejected")

    def _meta_of(self, record: Record, arrival: Arrival) -> EventMeta:
        cause = getattr(record, "meta", None)
        known = cause if isinstance(cause, EventMeta) else None
        cause_id = known.event_id if known else f"{arrival.topic}/{self.partition}/{arrival.offset}"
        return EventMeta(
            tenant=known.tenant if known else TenantId(getattr(record, "tenant", "")),
            event_id=EventId(derive_id(cause_id, f"{self.name}:rejected")),
            cause_id=cause_id,
            source=InstanceId(self.name),
            entity=known.entity if known else "",
            occurred_at_us=known.occurred_at_us if known else self.outputs.accepted_at_us,
            accepted_at_us=self.outputs.accepted_at_us,
        )

    def _park(self, park_key: str, arrival: Arrival, kind: str, diagnosis: Diagnosis) -> None:
        self.hospital.park(park_key, arrival, kind, diagnosis)
        self.overlay.keep_record()
        self._count("parked")

    def _release(self, request: ReleaseParked) -> None:
        """Replay or skip what waits behind a key; a failure keeps the rest waiting."""
        if request.task != self.name:
            return
        if request.action is ReleaseAction.SKIP:
            self.hospital.discharge(request.park_key)
            self.overlay.keep_record()
        requested_ms = self.outputs.timestamp_ms
        while self._replay_head(request.park_key):
            self._count("released")
        self.outputs.begin(requested_ms)

    def _replay_head(self, park_key: str) -> bool:
        head = self.hospital.head(park_key)
        if head is None:
            return False
        body = head[1]
        arrival = Arrival(
            body.topic, body.partition, body.offset, body.timestamp_ms, body.key, body.value
        )
        self.outputs.begin(body.timestamp_ms, is_retry=True)
        kind = "undecodable"
        try:
            record = self._codec.decode(body.value)
            kind = type(record).__name__
            failure = self._try(record, arrival)
        except Undecodable as error:
            failure = error
        self.outputs.begin(body.timestamp_ms)
        if failure is not None:
            self.hospital.failed_again(park_key, kind, Diagnosis.of(failure))
            self.overlay.keep_record()
            return False
        self.hospital.discharge(park_key)
        self.overlay.keep_record()
        return True

    def _count(self, outcome: str) -> None:
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1


def staged_outputs(task: Task) -> list[Output]:
    """Return what the task wants to produce, in order."""
    return task.outputs.staged


__all__ = ["POSITION_KEY", "RowKey", "Task", "staged_outputs"]
