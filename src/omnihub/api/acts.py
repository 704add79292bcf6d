"""From what somebody wants done about parked records to the requests on the tasks' inboxes.

Guarantees: pure. A request names the record that its sender saw first in the queue, so it does
nothing to another; its id follows from the sender's and the queue, so what is asked again under one
id is done once.
"""

from dataclasses import dataclass

from omnihub.model.ids import derive_id
from omnihub.model.records import ParkedRecord, ReleaseAction, ReleaseParked


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants done, why, and when it was asked (UTC micros)."""

    action: ReleaseAction
    who: str
    reason: str
    request_id: str
    at_us: int
    value: bytes | None = None

    def about(self, head: ParkedRecord) -> ReleaseParked:
        """Return the request about the queue whose first record is `head`."""
        return ReleaseParked(
            task=head.task,
            park_key=head.park_key,
            action=self.action,
            requested_by=self.who,
            reason=self.reason,
            requested_at_us=self.at_us,
            request_id=self.request_id_for(head.task, head.park_key),
            head_offset=head.offset,
            value=self.value,
        )

    def request_id_for(self, task: str, park_key: str) -> str:
        """Return the id of the request about one queue."""
        return derive_id(f"{self.request_id}:{task}:{park_key}", "hospital")
