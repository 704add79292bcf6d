"""Meta of events that a rule causes.

Guarantees: the id follows from the cause and the role alone, so a replay gives the same id; what
follows from a correction says so (`origin`).
"""

from omnihub.model.ids import EventId, InstanceId, derive_id
from omnihub.model.records import EventMeta


def caused_by(cause: EventMeta, rule: str, role: str) -> EventMeta:
    """Return the meta of an event that `rule` emits because of `cause`, in the part of `role`."""
    return EventMeta(
        tenant=cause.tenant,
        event_id=EventId(derive_id(cause.event_id, role)),
        cause_id=cause.event_id,
        source=InstanceId(rule),
        entity=cause.entity,
        version=None,
        occurred_at_us=cause.occurred_at_us,
        accepted_at_us=cause.accepted_at_us,
        tz=cause.tz,
        origin=cause.origin,
    )
