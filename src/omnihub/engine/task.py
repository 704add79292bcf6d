"""One task partition: a handler, its rows, and what a batch of input did to them.

Guarantees: `process` is a function of the input record and the rows; a record that fails leaves
only its place in the hospital (or a `Rejected` event); nothing is visible before `keep`. A record
that cannot be read, or whose park key cannot be told, holds back what comes after it under the same
inbox key.
Does not: talk to Kafka (see `worker`), or know the time except for timers.
"""

from collections.abc import Callable

import structlog

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import ContractError
from omnihub.contracts.topics import INBOX_RECORDS, Topics
from omnihub.engine.errors import Misplaced, RowsUnfit
from omnihub.engine.hospital import BEHIND, Arrival, Diagnosis, Hospital
from omnihub.engine.observer import EngineObserver
from omnihub.engine.outputs import Outputs, check_size
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import Store, changelog_key
from omnihub.engine.timers import Timers
from omnihub.model.errors import InvariantBroken, ParkError, RejectedError, RetryableError
from omnihub.model.ids import EventId, TenantId, derive_id
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

log = structlog.get_logger(__name__)
POSITION_KEY = ""
TIMERS_PER_TURN = 1000
REPLAYS_PER_TURN = 1000
"""A longer queue is released in several transactions, so that none outlives its timeout."""
PARKED_LIMIT = 100_000
UNDECODABLE = "undecodable"
Change = tuple[bytes, bytes | None]


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
        parked_limit: int = PARKED_LIMIT,
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
        self.hospital = Hospital(self.name, self.overlay, self.outputs, observer, parked_limit)
        self.next_offset = 0
        self.kept_offset = 0
        self.is_careful = False
        self._accepts = frozenset({*topics.spec(handler.inbox).records, *INBOX_RECORDS})
        self._decode = codec.decode
        self._encode = codec.encode
        self._observer = observer
        self._applied = 0
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
            try:
                record = self._decode(value)
                if type(record) not in self._accepts:
                    raise _misplaced(record, self.inbox)
            except ParkError as error:
                self._park_unread(self._arrival(offset, timestamp_ms, key, value), error)
            else:
                if self.hospital.waiting or type(record) is ReleaseParked:
                    arrival = self._arrival(offset, timestamp_ms, key, value)
                    self._handle_beside_queues(record, arrival)
                elif (failure := self._try(record, offset)) is not None:
                    self._park(record, self._arrival(offset, timestamp_ms, key, value), failure)
        self.next_offset = offset + 1

    def wake(self, now_us: int) -> None:
        """Append the timers that are due to the own inbox partition."""
        due_at_us = self.timers.next_due_at_us()
        if due_at_us is None or due_at_us > now_us:
            return
        due = self.timers.take_due(now_us, TIMERS_PER_TURN)
        self.overlay.keep_record()
        self.outputs.begin(now_us // 1000)
        for record in due:
            self.outputs.emit(self.inbox, record, self.partition)

    def ask_releases(self, is_resolved: Callable[[str], bool], now_us: int) -> None:
        """Append a release to the own inbox for each queue whose head has what it waited for."""
        for park_key, waits_for in self.hospital.waiting.items():
            if waits_for is None or not is_resolved(waits_for):
                continue
            self.hospital.waiting[park_key] = None  # Asked once; a new failure sets it again.
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

    def changes(self) -> list[Change]:
        """Return one changelog record per changed row, and the position row.

        Raises:
            RowsUnfit: a row cannot be stored; drop the batch and run it again.
        """
        position = TaskPosition(topic=self.inbox, next_offset=self.next_offset)
        # A row like any other: a task that stays over a rebalance is compared by it, too.
        self.overlay.staged[TaskPosition, POSITION_KEY] = position
        try:
            changed = [
                (changelog_key(key), None if row is None else self._stored(row))
                for key, row in self.overlay.staged.items()
            ]
        except (ContractError, ParkError) as error:
            self.is_careful = True
            raise RowsUnfit(f"{self.name}: {error}") from error
        return changed

    def keep(self) -> None:
        """The transaction committed."""
        self.overlay.keep_batch()
        self.outputs.staged.clear()
        self.kept_offset = self.next_offset
        self.is_careful = False
        if self._applied:
            self._observer.processed(self.name, "applied", self._applied)
        for outcome, count in self._outcomes.items():
            self._observer.processed(self.name, outcome, count)
        self._forget_counts()

    def drop(self) -> None:
        """The transaction failed: back to the last committed rows and position."""
        self.overlay.drop_batch()
        self.outputs.staged.clear()
        self.next_offset = self.kept_offset
        self._forget_counts()
        self.timers.rebuild(self.store)
        self.hospital.rebuild(self.store)

    def _arrival(self, offset: int, timestamp_ms: int, key: bytes | None, value: bytes) -> Arrival:
        return Arrival(self.inbox, self.partition, offset, timestamp_ms, key, value)

    def _handle_beside_queues(self, record: Record, arrival: Arrival) -> None:
        if type(record) is ReleaseParked:
            self._release(record)
            return
        queue = self._queue_of(record, arrival)
        if queue is not None:
            self.hospital.park(queue, arrival, type(record).__name__, BEHIND)
            self.overlay.keep_record()
            self._count("queued")
        elif (failure := self._try(record, arrival.offset)) is not None:
            self._park(record, arrival, failure)

    def _queue_of(self, record: Record, arrival: Arrival) -> str | None:
        """Return the queue that `record` must join, if there is one."""
        if arrival.inbox_key in self.hospital.waiting:
            return arrival.inbox_key
        park_key = self._park_key(record, arrival)
        return park_key if park_key in self.hospital.waiting else None

    def _park_key(self, record: Record, arrival: Arrival) -> str:
        if type(record) is TimerDue:
            return arrival.inbox_key
        try:
            return self.handler.park_key(record)
        except (RetryableError, InvariantBroken):
            raise
        except Exception as error:  # noqa: BLE001 - a bug there must not stop the worker either
            log.warning("no park key", task=self.name, error=type(error).__name__)
            return arrival.inbox_key

    def _try(self, record: Record, offset: int) -> Exception | None:
        """Run the handler under a savepoint; return why the record must be parked, if it must."""
        try:
            if type(record) is not TimerDue or self.timers.is_true(record):
                self.handler.handle(record, self.overlay, self.outputs)
            if self.is_careful:
                self._check_rows()
        except RejectedError as refused:
            self._drop_record()
            self._reject(record, offset, refused)
        except (RetryableError, InvariantBroken):
            raise
        except Exception as error:  # noqa: BLE001 - a bug in a handler must not stop its neighbours
            self._drop_record()
            return error
        else:
            self.overlay.keep_record()
            self._applied += 1
        return None

    def _check_rows(self) -> None:
        for row in self.overlay.of_record():
            if row is not None:
                self._stored(row)

    def _stored(self, row: Record) -> bytes:
        value = self._encode(row)
        check_size(row, value, self.changelog)
        return value

    def _drop_record(self) -> None:
        self.overlay.drop_record()
        self.outputs.drop_record()

    def _reject(self, record: Record, offset: int, refused: RejectedError) -> None:
        if type(record) is TimerDue:
            self.timers.is_true(record)  # Refused for good: its row goes.
            self.overlay.keep_record()
        rejected = Rejected(
            meta=self._meta_of(record, offset),
            reason_code=refused.reason_code,
            detail=refused.detail,
            subject_type=type(record).__name__,
            subject=refused.subject or self.handler.park_key(record),
        )
        self.outputs.emit(self.handler.rejects, rejected)
        self._count("rejected")

    def _meta_of(self, record: Record, offset: int) -> EventMeta:
        cause = getattr(record, "meta", None)
        known = cause if isinstance(cause, EventMeta) else None
        cause_id = known.event_id if known else f"{self.inbox}/{self.partition}/{offset}"
        return EventMeta(
            tenant=known.tenant if known else TenantId(getattr(record, "tenant", "")),
            event_id=EventId(derive_id(cause_id, f"{self.name}:rejected")),
            cause_id=cause_id,
            source=self.name,
            entity=known.entity if known else "",
            occurred_at_us=known.occurred_at_us if known else self.outputs.accepted_at_us,
            accepted_at_us=self.outputs.accepted_at_us,
        )

    def _park(self, record: Record, arrival: Arrival, failure: Exception) -> None:
        park_key = self._park_key(record, arrival)
        self.hospital.park(park_key, arrival, type(record).__name__, Diagnosis.of(failure))
        self.overlay.keep_record()
        self._count("parked")

    def _park_unread(self, arrival: Arrival, failure: ParkError) -> None:
        self.hospital.park(arrival.inbox_key, arrival, UNDECODABLE, Diagnosis.of(failure))
        self.overlay.keep_record()
        self._count("parked")

    def _release(self, request: ReleaseParked) -> None:
        """Replay or skip what waits behind a key; a failure keeps the rest waiting."""
        if request.task != self.name:
            return
        if request.action is ReleaseAction.SKIP:
            self._skip(request)
        requested_ms, replayed = self.outputs.timestamp_ms, 0
        while replayed < REPLAYS_PER_TURN and self._replay_head(request.park_key):
            replayed += 1
        self.outputs.begin(requested_ms)
        if replayed == REPLAYS_PER_TURN and request.park_key in self.hospital.waiting:
            self.outputs.emit(self.inbox, _continued(request), self.partition)

    def _skip(self, request: ReleaseParked) -> None:
        log.info("skipped", task=self.name, by=request.requested_by, reason=request.reason)
        self.hospital.discharge(request.park_key)
        self.overlay.keep_record()
        self._count("skipped")

    def _replay_head(self, park_key: str) -> bool:
        """Try the first record behind a key again; tell whether it left the queue."""
        head = self.hospital.head(park_key)
        if head is None:
            return False
        arrival = Arrival.of(head)
        self.outputs.begin(arrival.timestamp_ms, is_retry=True)
        kind, failure = UNDECODABLE, None
        try:
            record = self._decode(arrival.value)
            kind = type(record).__name__
            if type(record) not in self._accepts:
                raise _misplaced(record, self.inbox)
            if not self._moved(record, arrival, park_key):
                failure = self._try(record, arrival.offset)
        except ParkError as error:
            failure = error
        self.outputs.begin(arrival.timestamp_ms)
        if failure is None:
            self.hospital.discharge(park_key)
            self._count("released")
        else:
            self.hospital.failed_again(park_key, kind, Diagnosis.of(failure))
        self.overlay.keep_record()
        return failure is None

    def _moved(self, record: Record, arrival: Arrival, park_key: str) -> bool:
        """Put a record that waited behind an unreadable one behind its own park key's queue."""
        own = self._park_key(record, arrival)
        if own == park_key or own not in self.hospital.waiting:
            return False
        self.hospital.park(own, arrival, type(record).__name__, BEHIND)
        return True

    def _count(self, outcome: str) -> None:
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1

    def _forget_counts(self) -> None:
        self._applied = 0
        self._outcomes.clear()


def _misplaced(record: Record, inbox: str) -> Misplaced:
    return Misplaced(
        f"A {type(record).__name__} lies on {inbox}, which does not take it",
        cure="mend its sender, then skip this record",
    )


def _continued(request: ReleaseParked) -> ReleaseParked:
    return ReleaseParked(
        task=request.task,
        park_key=request.park_key,
        action=ReleaseAction.RETRY,
        requested_by=request.requested_by,
        reason=request.reason,
        requested_at_us=request.requested_at_us,
    )
