"""The customer rule: what each system says of a person, and whose it is.

Guarantees: per source identity the newest observation (business time, then event id) counts,
whatever order it is told in; only a change of what may link reaches identity; a profile always has
exactly the parts of the source identities that belong to it.
Does not: decide who is who (`identity`) or assemble a profile (`profiles`). It never sees personal
data in the clear: contacts pass through sealed.
"""

from typing import ClassVar

import msgspec

from omnihub.model.ids import CustomerId
from omnihub.model.record import Record
from omnihub.model.records import (
    CustomerObserved,
    EventMeta,
    IdentifiersObserved,
    ProfilePart,
    SubjectLinked,
    SubjectRow,
)
from omnihub.rules.identity_graph import key_of, links
from omnihub.rules.meta import caused_by
from omnihub.rules.rule import Out, Rows, Rule, on

IDENTITY_INBOX = "omni.identity.inbox.v1"
PROFILE_INBOX = "omni.profile.inbox.v1"


class CustomerRule(Rule):
    """Keyed by source identity."""

    name: ClassVar[str] = "customer"
    inbox: ClassVar[str] = "omni.customer.inbox.v1"
    events: ClassVar[str] = "omni.customer.event.v1"

    def park_key(self, record: Record) -> str:
        """What is told of one source identity stays in order."""
        return str(getattr(record, "subject", ""))

    @on(CustomerObserved)
    def on_observation(self, event: CustomerObserved, rows: Rows, out: Out) -> None:
        """Keep the newest observation; tell identity what changed, and the profile."""
        key = f"{event.meta.tenant}:{event.subject}"
        known = rows.get(SubjectRow, key)
        row = _observed(event, known)
        if known is not None and row == known:
            return
        out.emit(self.events, event)
        rows.put(key, row)
        if known is None or _links(row) != _links(known):
            out.emit(IDENTITY_INBOX, _identifiers(row, event.meta))
        if row.customer_id is not None:
            out.emit(PROFILE_INBOX, _part(row, row.customer_id, event.meta))

    @on(SubjectLinked)
    def on_link(self, event: SubjectLinked, rows: Rows, out: Out) -> None:
        """Carry the source identity's part from one profile to another."""
        key = f"{event.meta.tenant}:{event.subject}"
        known = rows.get(SubjectRow, key)
        if known is None or known.customer_id == event.customer_id:
            return
        if known.customer_id is not None:
            gone = _part(known, CustomerId(known.customer_id), event.meta)
            out.emit(PROFILE_INBOX, msgspec.structs.replace(gone, is_removed=True))
        row = msgspec.structs.replace(known, customer_id=event.customer_id)
        rows.put(key, row)
        out.emit(PROFILE_INBOX, _part(row, event.customer_id, event.meta))


def _observed(event: CustomerObserved, known: SubjectRow | None) -> SubjectRow:
    at_us = event.meta.occurred_at_us
    if known is None:
        return SubjectRow(observed=event, first_seen_us=at_us)
    newest = max(known.observed, event, key=lambda each: (_at(each), each.meta.event_id))
    first_seen_us = min(known.first_seen_us, at_us)
    return msgspec.structs.replace(known, observed=newest, first_seen_us=first_seen_us)


def _at(event: CustomerObserved) -> int:
    return event.meta.occurred_at_us


def _links(row: SubjectRow) -> tuple[object, ...]:
    linking = frozenset(key_of(each) for each in row.observed.identifiers if links(each))
    return (linking, row.first_seen_us)


def _identifiers(row: SubjectRow, cause: EventMeta) -> IdentifiersObserved:
    meta = caused_by(cause, CustomerRule.name, "identifiers")
    return IdentifiersObserved(
        meta=msgspec.structs.replace(meta, source=row.observed.meta.source),
        subject=row.observed.subject,
        identifiers=row.observed.identifiers,
        first_seen_us=row.first_seen_us,
    )


def _part(row: SubjectRow, customer: CustomerId, cause: EventMeta) -> ProfilePart:
    told = row.observed
    return ProfilePart(
        meta=caused_by(cause, CustomerRule.name, f"part:{customer}"),
        customer_id=customer,
        subject=told.subject,
        source=told.meta.source,
        identifiers=told.identifiers,
        contact=told.contact,
        consents=told.consents,
        birthday_month=told.birthday_month,
        birthday_day=told.birthday_day,
        segments=told.segments,
        first_seen_us=row.first_seen_us,
        last_seen_us=told.meta.occurred_at_us,
    )
