"""One task partition: a handler, its rows, and what a batch of input did to them.

Guarantees: `process` is a function of the input record and the rows; a record that fails leaves
only its place in the hospital (or a `Rejected` event); nothing is visible before `keep`.
Does not: talk to Kafka (see `worker`), or know the time except for timers.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import ContractError
from omnihub.contracts.topics import INBOX_RECORDS, Topics
from omnihub.engine.attempts import Attempts
from omnihub.engine.errors import Misplaced, RowsUnfit
from omnihub.engine.hospital import Arrival, Hospital
from omnihub.engine.observer import EngineObserver
from omnihub.engine.outputs import Outputs
from omnihub.engine.overlay import Overlay
from omnihub.engine.parking import Parking
from omnihub.engine.rejection import rejected
from omnihub.engine.release import Releases
from omnihub.engine.store import Change, Store, changelog_key
from omnihub.engine.timers import Timers
from omnihub.model.errors import InvariantBroken, ParkError, RejectedError, RetryableError
from omnihub.model.ids import derive_id
from omnihub.model.record import Record
from omnihub.model.records import ReleaseAction, ReleaseParked, TaskPosition, TimerDue
from omnihub.rules.rule import Handler

POSITION_KEY = ""
TIMERS_PER_TURN = 1000
PARKED_LIMIT = 100_000
Input = tuple[int, int, bytes | None, bytes | None]
"""One input record: offset, timestamp (ms), key, value."""


class Task:
    """Runs one handler over one partition of its inbox; `run` names the process."""

    def __init__(
        self,
        handler: Handler,
        partition: int,
        store: Store,
        codec: Codec,
        topics: Topics,
        observer: EngineObserver,
        run: str,
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
        self.attempts = Attempts(self.overlay, run)
        self.hospital = Hospital(self.name, self.overlay, self.outputs, observer, parked_limit)
        self.next_offset = 0
        self.kept_offset = 0
        self._decode = codec.decode
        self._observer = observer
        self._accepts = frozenset({*topics.spec(handler.inbox).records, *INBOX_RECORDS})
        self._careful_until = 0
        self._changes: list[Change] = []
        self._applied = 0
        self._outcomes: Counter[str] = Counter()
        self._parking = Parking(
            handler,
            self.hospital,
            self.overlay,
            self._outcomes,
            self._run,
        )
        self._releases = Releases(
            self._parking,
            self.hospital,
            self.overlay,
            self.outputs,
            self._outcomes,
            inbox=topics.spec(handler.inbox),
            task=handler.name,
            read=self._read,
            run=self._run,
        )

    def open(self, next_offset: int) -> None:
        """Start on restored rows at `next_offset`."""
        self.next_offset = self.kept_offset = next_offset
        self._rebuild()

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
                record = self._read(value)
            except ParkError as error:
                arrival = self._arrival(offset, timestamp_ms, key, value)
                self._parking.park_unread(arrival, error)
            else:
                if self.hospital.waiting or type(record) is ReleaseParked:
                    arrival = self._arrival(offset, timestamp_ms, key, value)
                    if type(record) is ReleaseParked:
                        self._releases.act(record, arrival)
                    else:
                        self._parking.take(record, arrival)
                elif (failure := self._run(record, offset)) is not None:
                    arrival = self._arrival(offset, timestamp_ms, key, value)
                    self._parking.park(record, arrival, failure)
        self.next_offset = offset + 1

    def attempt(self, record: Input, until_offset: int) -> Iterator[None]:
        """Process the first record of a first batch, which ends before `until_offset`.

        At every step the caller commits what is staged: the note that the batch is begun, and, once
        it has killed processes, each of its records. See `attempts`.
        """
        offset, timestamp_ms, key, value = record
        if offset == self.attempts.culprit and value is not None:
            self.outputs.begin(timestamp_ms)
            self._parking.park_killer(self._arrival(offset, timestamp_ms, key, value))
            self._observer.alarmed(self.name, "a record ends the process")
            self.next_offset = offset + 1
            return
        is_alone = self.attempts.announce(offset, until_offset)
        yield
        self.process(*record)
        if is_alone:
            yield

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

    def tend_parked(self, is_resolved: Callable[[str], bool], now_us: int) -> None:
        """Append a release for each queue whose head has what it waited for; watch their age."""
        self.hospital.watch_age(now_us)
        for park_key, head in self.hospital.waiting.items():
            if head.waits_for is None or not is_resolved(head.waits_for):
                continue
            self.hospital.asked(park_key)
            self.outputs.begin(now_us // 1000)
            asked = f"{self.name}/{self.partition}/{park_key}/{now_us}"
            request = ReleaseParked(
                task=self.name,
                park_key=park_key,
                action=ReleaseAction.RELEASE,
                requested_by="omnihub",
                reason=f"{head.waits_for} is set",
                requested_at_us=now_us,
                request_id=derive_id(asked, "resolved"),
            )
            self.outputs.emit(self.inbox, request, self.partition)

    def changes(self) -> list[Change]:
        """Return one changelog record per changed row, and the position row.

        Raises:
            RowsUnfit: a row cannot be stored; drop the batch and run it again.
        """
        self.attempts.settle(self.next_offset)
        position = TaskPosition(topic=self.inbox, next_offset=self.next_offset)
        self.overlay.put(POSITION_KEY, position)
        self.overlay.keep_record()
        stored, changelog = self.outputs.stored, self.changelog
        try:
            self._changes = [
                (changelog_key(key), None if row is None else stored(row, changelog))
                for key, row in self.overlay.staged.items()
            ]
        except (ContractError, ParkError) as error:
            self._careful_until = self.next_offset
            raise RowsUnfit(f"{self.name}: {error}") from error
        return self._changes

    def keep(self, markers: int = 1) -> None:
        """The transaction committed; Kafka ends it with one marker in the changelog.

        Raises:
            StoreUnusable: the rows are safe in the changelog, but not here; open the task anew.
        """
        self.overlay.keep_batch(self._changes, markers)
        self.outputs.clear()
        self.kept_offset = self.next_offset
        self._outcomes["applied"] += self._applied
        for outcome, count in self._outcomes.items():
            if count:
                self._observer.processed(self.name, outcome, count)
        self._forget_counts()

    def drop(self) -> None:
        """The transaction failed: back to the last committed rows and position."""
        self.overlay.drop_batch()
        self.outputs.clear()
        self.next_offset = self.kept_offset
        self._forget_counts()
        self._rebuild()

    def _rebuild(self) -> None:
        self.timers.rebuild(self.store)
        self.hospital.rebuild(self.store)
        self._releases.rebuild(self.store)
        self.attempts.rebuild(self.store, self.next_offset)

    def _arrival(self, offset: int, timestamp_ms: int, key: bytes | None, value: bytes) -> Arrival:
        return Arrival(self.inbox, self.partition, offset, timestamp_ms, key, value)

    def _read(self, value: bytes) -> Record:
        record = self._decode(value)
        if type(record) not in self._accepts:
            raise Misplaced(
                f"A {type(record).__name__} lies on {self.inbox}, which does not take it",
                cure="mend its sender, then skip this record",
            )
        return record

    def _run(self, record: Record, offset: int) -> Exception | None:
        """Run the handler under a savepoint; return why the record must be parked, if it must."""
        try:
            if type(record) is not TimerDue or self.timers.is_true(record):
                self.handler.handle(record, self.overlay, self.outputs)
            if offset < self._careful_until:
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
                self.outputs.stored(row, self.changelog)

    def _drop_record(self) -> None:
        self.overlay.drop_record()
        self.outputs.drop_record()

    def _reject(self, record: Record, offset: int, refused: RejectedError) -> None:
        if type(record) is TimerDue:
            self.timers.is_true(record)  # Refused for good: its row goes.
            self.overlay.keep_record()
        event = rejected(
            record,
            refused,
            task=self.name,
            cause_id=f"{self.inbox}/{self.partition}/{offset}",
            subject=self._parking.key_of(record, ""),
            accepted_at_us=self.outputs.accepted_at_us,
        )
        self.outputs.emit(self.handler.rejects, event)
        self._outcomes["rejected"] += 1

    def _forget_counts(self) -> None:
        self._applied = 0
        self._outcomes.clear()
