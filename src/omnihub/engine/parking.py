"""Which record waits, and behind what.

Guarantees: what comes after a parked record under its park key waits behind it. A record that
cannot be read, or whose park key cannot be told, holds back everything after it under the same
inbox key; what waited there and has a queue of its own park key goes to the end of that when it is
released.
Does not: keep the queues (see `hospital`), release them (see `release`), or run handlers (see
`task`).
"""

from collections import Counter
from collections.abc import Callable

import structlog

from omnihub.engine.hospital import BEHIND, Arrival, Diagnosis, Hospital
from omnihub.engine.overlay import Overlay
from omnihub.model.errors import InvariantBroken, ParkError, RetryableError
from omnihub.model.record import Record
from omnihub.rules.rule import Handler

log = structlog.get_logger(__name__)
KILLER = Diagnosis(
    "Killer",
    "processes ended while this record was run",
    "mend the code, or skip this record: omnihub hospital skip",
)


class Parking:
    """Decides for one task partition; `run` runs the handler on a record."""

    def __init__(
        self,
        handler: Handler,
        hospital: Hospital,
        overlay: Overlay,
        outcomes: Counter[str],
        run: Callable[[Record, int], Exception | None],
    ) -> None:
        self._handler = handler
        self._hospital = hospital
        self._overlay = overlay
        self._outcomes = outcomes
        self._run = run

    def take(self, record: Record, arrival: Arrival) -> None:
        """Deal with a record that arrives while others wait."""
        queue = self._queue_of(record, arrival)
        if queue is not None:
            self._hospital.park(queue, arrival, record, BEHIND)
            self._keep("queued")
        elif (failure := self._run(record, arrival.offset)) is not None:
            self.park(record, arrival, failure)

    def park(self, record: Record, arrival: Arrival, failure: Exception) -> None:
        """Park a record that failed."""
        park_key = self.key_of(record, arrival.inbox_key)
        self._hospital.park(park_key, arrival, record, Diagnosis.of(failure))
        self._keep("parked")

    def park_unread(self, arrival: Arrival, failure: ParkError) -> None:
        """Park a record that cannot be read."""
        self._hospital.park(arrival.inbox_key, arrival, None, Diagnosis.of(failure))
        self._keep("parked")

    def park_killer(self, arrival: Arrival) -> None:
        """Park a record that processes did not survive, without looking into it."""
        self._hospital.park(arrival.inbox_key, arrival, None, KILLER)
        self._keep("parked")

    def key_of(self, record: Record, inbox_key: str) -> str:
        """Return the handler's park key; `inbox_key` where it has none."""
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

    def _keep(self, outcome: str) -> None:
        self._overlay.keep_record()
        self._outcomes[outcome] += 1
