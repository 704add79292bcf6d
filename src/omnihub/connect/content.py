"""What of an event is content, and what belongs to the delivery that brought it.

Guarantees: the same thing told by another delivery has the same hash. Version is not content
either: it orders states, so a newer version with equal values changes nothing. Content is personal,
too: with `Tokens.digest`, who can read the hashes cannot test what somebody's address may be.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from omnihub.connect.personal import Digest
from omnihub.model.errors import InvariantBroken
from omnihub.model.ids import EventId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import DeliveryKind, EventMeta, SourceEntity
from omnihub.model.time import clamp_occurred

_encode = msgspec.json.Encoder().encode


def fact_hash(events: Iterable[Record], digest: Digest) -> str:
    """Return a hash over the values of a fact, when it occurred included."""
    return _hash(events, digest, {})


def state_hash(events: Iterable[Record], digest: Digest) -> str:
    """Return a hash over the values of a state; how it is does not depend on when it was asked."""
    return _hash(events, digest, {"occurred_at_us": 0})


def _hash(events: Iterable[Record], digest: Digest, blind_to: dict[str, Any]) -> str:
    parts = []
    blind: dict[str, Any] = {"event_id": "", "cause_id": "", "accepted_at_us": 0, "version": None}
    for event in events:
        meta = msgspec.structs.replace(meta_of(event), **(blind | blind_to))
        parts += [type(event).AVRO_NAME.encode(), _encode(_with_meta(event, meta))]
    return digest(b"".join(parts))


def event_ids(events: Iterable[Record]) -> tuple[str, ...]:
    """Return the ids of `events`, in order."""
    return tuple(meta_of(event).event_id for event in events)


def clamped(events: Iterable[Record]) -> list[Record]:
    """Return `events` with business times bounded by their acceptance, see `clamp_occurred`."""
    bounded = []
    for event in events:
        meta = meta_of(event)
        occurred = clamp_occurred(meta.occurred_at_us, meta.accepted_at_us)
        if occurred != meta.occurred_at_us:
            event = _with_meta(event, msgspec.structs.replace(meta, occurred_at_us=occurred))
        bounded.append(event)
    return bounded


def retold(
    events: tuple[Record, ...], entity: SourceEntity, version: int | None
) -> tuple[Record, ...]:
    """Return `events` with ids of their own where a version does not tell two tellings apart."""
    if version is not None and entity.kind is not DeliveryKind.REFETCH:
        return events
    telling = f"{entity.delivery_id}:{entity.accepted_at_us}"
    return tuple(_with_meta(event, _renamed(meta_of(event), telling)) for event in events)


def meta_of(event: Record) -> EventMeta:
    """Return the meta that every canonical event has."""
    meta = getattr(event, "meta", None)
    if not isinstance(meta, EventMeta):
        raise InvariantBroken(f"{type(event).__name__} has no meta: it is no canonical event")
    return meta


def _renamed(meta: EventMeta, telling: str) -> EventMeta:
    return msgspec.structs.replace(meta, event_id=EventId(derive_id(meta.event_id, telling)))


def _with_meta(event: Record, meta: EventMeta) -> Record:
    changes: dict[str, Any] = {"meta": meta}
    return msgspec.structs.replace(event, **changes)
