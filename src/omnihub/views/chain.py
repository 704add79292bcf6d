"""The causal chain of one fact: from the raw delivery to the effect in every system.

Guarantees: pure; of the entries given, everything that led to the asked-for id or followed from
it, in order of time and step; nothing personal unless it is given what opens it.
Does not: see through coalescing; a state row and a command name the newest event that they cover,
so an event that was overtaken ends at its rule.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from omnihub.broker.ports import Entry, Position
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import (
    Contact,
    CorrectEntity,
    EventMeta,
    HospitalActed,
    ParkedRecord,
    RawDelivery,
    SourceEntity,
    TimerDue,
)

_STEPS = (
    ("raw", "omni.raw."),
    ("entity", "omni.entity."),
    ("refusal", "omni.rejected."),
    ("outbound", "omni.outbound."),
    ("withheld", "omni.withheld."),
    ("command", "omni.command."),
    ("result", "omni.result."),
    ("hospital", "omni.hospital."),
    ("inbox", ".inbox."),
    ("event", ".event."),
    ("state", ".state."),
)
STEPS = (
    *("raw", "entity", "refusal", "inbox", "event", "state"),
    *("outbound", "withheld", "command", "result"),
)
_ABOUT = (
    *("sku", "movement_id", "count_id", "name", "entity_id", "target", "park_key"),
    *("order_id", "number", "reservation_id", "fulfilment_id", "payment_id", "return_id"),
    *("customer_id", "survivor", "subject", "cart_id", "message_id", "review_id"),
    *("replay_id", "effect_id"),
)
_TOLD = (
    *("sku", "kind", "from_location", "to_location", "location", "channel", "quantity_milli"),
    *(
        "order_id",
        "number",
        "intent",
        "status",
        "previous",
        "payment",
        "reason",
        "waiting_on",
        "total_minor",
    ),
    *("customer_id", "survivor", "subject", "is_removed", "purpose", "state", "template"),
    *("replay_id", "requested_by", "about"),
)
_TOLD_OF_STATE = ("on_hand_milli", "ats_milli", "target", "outcome", "external_ref", "reason_code")
_TOLD_OF_FAULT = ("error", "cure", "detail", "name", "type", "entity_id", "instance")
_TOLD_OF_ACT = ("action", "outcome", "requested_by", "reason")
_CONTACTS = ("contact", "name", "email", "phone", "address")
_ATTRIBUTES = ("name", "email", "phone", "address")
Opener = Callable[[Record], Record]


@dataclass(frozen=True, slots=True)
class Link:
    """One record of a chain: `own` are ids it goes by, `causes` those it names as its cause."""

    at: Position
    accepted_at_us: int
    step: str
    type: str
    own: tuple[str, ...]
    causes: tuple[str, ...]
    about: tuple[str, ...]
    told: Mapping[str, str]


def link_of(entry: Entry, opener: Opener | None = None) -> Link | None:
    """Return an entry as a link; None for a tombstone or a record outside any chain.

    With an `opener`, what is personal is told, too.
    """
    record = entry.record
    step = _step(entry.at.topic)
    if record is None or step is None:
        return None
    own, causes = _identity(record)
    place = f"{entry.at.topic}/{entry.at.partition}/{entry.at.offset}"
    told_by = getattr(record, "meta", record)
    accepted_at_us = getattr(told_by, "accepted_at_us", entry.timestamp_ms * 1000)
    return Link(
        at=entry.at,
        accepted_at_us=accepted_at_us,
        step=step,
        type=type(record).__name__,
        own=(*own, place),
        causes=causes,
        about=_about(record),
        told={**_told(record), **(_personal(record, opener) if opener else {})},
    )


def explain(links: Iterable[Link], wanted: str) -> list[Link]:
    """Return the links that `wanted` names, what they follow from and what follows from them.

    `wanted` is the id of an event, delivery, command, movement, order, reservation, fulfilment,
    customer, subject, cart or replay, a SKU, an order's number, a file's name, or the source's own
    key (`type:id` or the id alone).
    """
    known = list(links)
    names = {wanted, *_order_ids(known, wanted)}
    named = [link for link in known if names & {*link.own, *link.about}]
    by_own, by_cause = _index(known, "own"), _index(known, "causes")
    found = {link.at: link for link in named}
    for direction, index in (("causes", by_own), ("own", by_cause)):
        _spread(found, named, direction, index)
    return sorted(found.values(), key=_order)


def _order_ids(links: Iterable[Link], number: str) -> set[str]:
    """Return the ids of the orders with a number: most of their records name the id alone."""
    told = (link.told for link in links if link.told.get("number") == number)
    return {one["order_id"] for one in told if "order_id" in one}


def _spread(
    found: dict[Position, Link],
    start: Sequence[Link],
    direction: str,
    index: Mapping[str, Sequence[Link]],
) -> None:
    """Add everything reachable from `start` by the ids in `direction`."""
    seen = {link.at for link in start}
    waiting = list(start)
    while waiting:
        for one in getattr(waiting.pop(), direction):
            for link in index.get(one, ()):
                if link.at not in seen:
                    seen.add(link.at)
                    found[link.at] = link
                    waiting.append(link)


def _index(links: Iterable[Link], direction: str) -> Mapping[str, Sequence[Link]]:
    index: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        for one in getattr(link, direction):
            index[one].append(link)
    return index


def _order(link: Link) -> tuple[int, int, str, int]:
    step = STEPS.index(link.step) if link.step in STEPS else len(STEPS)
    return link.accepted_at_us, step, link.at.topic, link.at.offset


def _step(topic: str) -> str | None:
    return next((step for step, part in _STEPS if part in topic), None)


def _identity(record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids that a record goes by and those of its causes."""
    if isinstance(record, RawDelivery):
        return (record.delivery_id,), ()
    if isinstance(record, SourceEntity):
        whole = f"{record.delivery_id}|{record.type}:{record.entity_id}"
        return (whole,), (record.delivery_id,)
    if isinstance(record, ParkedRecord | HospitalActed):
        return (), (f"{record.topic}/{record.partition}/{record.offset}",)
    meta = getattr(record, "meta", None)
    if isinstance(meta, EventMeta):
        return (meta.event_id,), (f"{meta.cause_id}|{meta.entity}", meta.cause_id)
    command_id: str | None = getattr(record, "command_id", None)
    cause_id: str | None = getattr(record, "cause_id", None)
    if command_id and cause_id is None:
        return (), (command_id,)
    return ((command_id,) if command_id else ()), ((cause_id,) if cause_id else ())


def _about(record: Record) -> tuple[str, ...]:
    names = [value for name in _ABOUT if isinstance(value := getattr(record, name, None), str)]
    names += getattr(record, "subjects", ())
    meta = getattr(record, "meta", None)
    if isinstance(meta, EventMeta):
        names += [meta.entity, meta.entity.partition(":")[2]]
        names += [meta.origin.replay_id] if meta.origin else []
    if isinstance(record, TimerDue):
        names.append(record.key.partition(":")[2])
    if isinstance(record, CorrectEntity):
        names += _about(record.entity)
    if isinstance(record, SourceEntity):
        names.append(f"{record.type}:{record.entity_id}")
    return tuple(names)


def _told(record: Record) -> Mapping[str, str]:
    """Return the fields that a person wants to see; never a body, nothing personal."""
    wanted = (*_TOLD, *_TOLD_OF_STATE, *_TOLD_OF_FAULT, *_TOLD_OF_ACT)
    fields = msgspec.structs.asdict(record)
    plain = {name: fields[name] for name in wanted if isinstance(fields.get(name), str | int)}
    return {name: str(value) for name, value in plain.items()}


def _personal(record: Record, opener: Opener) -> Mapping[str, str]:
    """Return what is personal in the clear, as far as its key is there."""
    found: dict[str, str] = {}
    for field in _CONTACTS:
        contact = getattr(record, field, None)
        if not isinstance(contact, Contact):
            continue
        opened = opener(contact)
        for name in _ATTRIBUTES if field == "contact" else (field,):
            value = getattr(opened, name)
            if isinstance(value, Personal):
                found[f"contact.{name}"] = value.reveal()
    return found
