"""Which record waits, behind what, and when it is tried again.

Guarantees: what comes after a parked record under its park key waits behind it. A record that
cannot be read, or whose park key cannot be told, holds back everything after it under the same
inbox key; what waited there and has a queue of its own park key goes to the end of that when it is
released. A release replays a queue in order and stops at the next failure; a long queue is released
in several transactions, so that none outlives its timeout.
Does not: keep the queues (see `hospital`), or run handlers (see `task`).
"""

from collections import Counter
from collections.abc import Callable

import structlog

from omnihub.engine.hospital import BEHIND, Arrival, Diagnosis, Hospital
from omnihub.engine.outputs import Outputs
from omnihub.engine.overlay import Overlay
from omnihub.model.errors import InvariantBroken, ParkError, RetryableError
from omnihub.model.record import Record
from omnihub.model.records import ReleaseAction, ReleaseParked, TimerDue
from omnihub.rules.rule import Handler

log = structlog.get_logger(__name__)
REPLAYS_PER_TURN = 1000
UNREAD = "unread"
"""Shown as the type of a record that could not be, or was not, looked into."""
KILLER = Diagnosis(
    "Killer",
    "processes ended while this record was run",
    "mend the code, or skip this record: omnihub hospital skip",
)


class Parking:
    """Decides for one task partition; `read` decodes a record, `run` runs the handler on it."""

    def __init__(
        self,
        handler: Handler,
        hospital: Hospital,
        overlay: Overlay,
        outputs: Outputs,
        outcomes: Counter[str],
        *,
        read: Callable[[bytes], Record],
        run: Callable[[Record, int], Exception | None],
    ) -> None:
        self._handler = handler
        self._hospital = hospital
        self._overlay = overlay
        self._outputs = outputs
        self._outcomes = outcomes
        self._read = read
        self._run = run

    def take(self, record: Record, arrival: Arrival) -> None:
        """Deal with a record that arrives while others wait, or asks for their release."""
        if type(record) is ReleaseParked:
            self._release(record, arrival.partition)
            return
        queue = self._queue_of(record, arrival)
        if queue is not None:
            self._hospital.park(queue, arrival, type(record).__name__, BEHIND)
            self._keep("queued")
        elif (failure := self._run(record, arrival.offset)) is not None:
            self.park(record, arrival, failure)

    def park(self, record: Record, arrival: Arrival, failure: Exception) -> None:
        """Park a record that failed."""
        park_key = self.key_of(record, arrival.inbox_key)
        self._hospital.park(park_key, arrival, type(record).__name__, Diagnosis.of(failure))
        self._keep("parked")

    def park_unread(self, arrival: Arrival, failure: ParkError) -> None:
        """Park a record that cannot be read."""
        self._hospital.park(arrival.inbox_key, arrival, UNREAD, Diagnosis.of(failure))
        self._keep("parked")

    def park_killer(self, arrival: Arrival) -> None:
        """Park a record that processes did not survive, without looking into it."""
        self._hospital.park(arrival.inbox_key, arrival, UNREAD, KILLER)
        self._keep("parked")

    def key_of(self, record: Record, inbox_key: str) -> str:
        """Return the handler's park key; `inbox_key` where it has none."""
        if type(record) is TimerDue:
            return inbox_key
        try:
            return self._handler.park_key(record)
        except (RetryableError, InvariantBroken):
            raise
        except Exception as error:  # noqa: BLE001 - a bug there must not stop the worker either
            log.warning("no park key", task=self._handler.name, error=type(error).__name__)
            return inbox_key

    def _queue_of(self, record: Record, arrival: Arrival) -> str | None:
        """Return the queue that `record` must join, if there is one."""
        waiting, inbox_key = self._hospital.waiting, arrival.inbox_key
        if inbox_key in waiting:
            return inbox_key
        park_key = self.key_of(record, inbox_key)
        return park_key if park_key in waiting else None

    def _release(self, request: ReleaseParked, partition: int) -> None:
        """Replay or skip what waits behind a key; a failure keeps the rest waiting."""
        if request.task != self._handler.name:
            return
        if request.action is ReleaseAction.SKIP:
            self._skip(request)
        requested_ms, replayed = self._outputs.timestamp_ms, 0
        while replayed < REPLAYS_PER_TURN and self._replay_head(request.park_key):
            replayed += 1
        self._outputs.begin(requested_ms)
        if replayed == REPLAYS_PER_TURN and request.park_key in self._hospital.waiting:
            self._outputs.emit(self._handler.inbox, _continued(request), partition)

    def _skip(self, request: ReleaseParked) -> None:
        task, by, reason = request.task, request.requested_by, request.reason
        log.info("skipped", task=task, park_key=request.park_key, by=by, reason=reason)
        self._hospital.discharge(request.park_key)
        self._keep("skipped")

    def _replay_head(self, park_key: str) -> bool:
        """Try the first record behind a key again; tell whether it left the queue."""
        head = self._hospital.head(park_key)
        if head is None:
            return False
        arrival = Arrival.of(head)
        self._outputs.begin(arrival.timestamp_ms, is_retry=True)
        kind, failure = self._replay(arrival, park_key)
        self._outputs.begin(arrival.timestamp_ms)
        if failure is None:
            self._hospital.discharge(park_key)
            self._keep("released")
        else:
            self._hospital.failed_again(park_key, kind, Diagnosis.of(failure))
            self._keep("parked")
        return failure is None

    def _replay(self, arrival: Arrival, park_key: str) -> tuple[str, Exception | None]:
        """Run a parked record again; return its type, and why it must stay, if it must."""
        try:
            record = self._read(arrival.value)
        except ParkError as error:
            return UNREAD, error
        kind = type(record).__name__
        # A request for release is only ever parked for having killed its process: it is done with.
        if type(record) is ReleaseParked or self._move(record, arrival, park_key):
            return kind, None
        return kind, self._run(record, arrival.offset)

    def _move(self, record: Record, arrival: Arrival, park_key: str) -> bool:
        """Let a record that waited behind an unread one join the queue of its own park key."""
        own = self.key_of(record, arrival.inbox_key)
        if own == park_key or own not in self._hospital.waiting:
            return False
        self._hospital.park(own, arrival, type(record).__name__, BEHIND)
        return True

    def _keep(self, outcome: str) -> None:
        self._overlay.keep_record()
        self._outcomes[outcome] += 1


def _continued(request: ReleaseParked) -> ReleaseParked:
    return ReleaseParked(
        task=request.task,
        park_key=request.park_key,
        action=ReleaseAction.RETRY,
        requested_by=request.requested_by,
        reason=request.reason,
        requested_at_us=request.requested_at_us,
    )
