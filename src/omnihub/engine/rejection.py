"""The public word on a refused record.

Guarantees: a function of the record and the refusal, so a replay says the same, under the same id.
"""

from omnihub.model.errors import RejectedError
from omnihub.model.ids import EventId, TenantId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import EventMeta, Rejected


def rejected(
    record: Record,
    refused: RejectedError,
    *,
    task: str,
    cause_id: str,
    subject: str,
    accepted_at_us: int,
) -> Rejected:
    """Return the event; `cause_id` and `subject` stand in where record and refusal name none."""
    meta = getattr(record, "meta", None)
    known = meta if isinstance(meta, EventMeta) else None
    cause = known.event_id if known else cause_id
    return Rejected(
        meta=EventMeta(
            tenant=known.tenant if known else TenantId(getattr(record, "tenant", "")),
            event_id=EventId(derive_id(cause, f"{task}:rejected")),
            cause_id=cause,
            source=task,
            entity=known.entity if known else "",
            occurred_at_us=known.occurred_at_us if known else accepted_at_us,
            accepted_at_us=accepted_at_us,
            origin=known.origin if known else None,
        ),
        reason_code=refused.reason_code,
        detail=refused.detail,
        subject_type=type(record).__name__,
        subject=refused.subject or subject,
    )
