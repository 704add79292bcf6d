"""What translate does when a replay asks it to correct what was told: reverse and re-apply.

Guarantees: a correction counts once, against exactly what is told now; otherwise it is refused
(`stale_correction`), as it is when this process reads the entity otherwise than the replay did
(`other_reading`). Live news of the entity and its corrections have one writer and one order.
Movements are taken back by opposite ones at the same business time, so a count before or after sees
both or neither; goods leave before they come, so nothing is promised that is not there. Everything
told says that it is a replay's (`origin`). A later telling of the same content is a duplicate.
Does not: find differences (see `replaying`), or take back what has no opposite.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from omnihub.connect.content import clamped, event_ids, fact_hash, meta_of, state_hash
from omnihub.connect.entities import fact_key, state_key
from omnihub.connect.personal import Digest
from omnihub.connect.sdk import Fact, State
from omnihub.connect.understanding import rejection
from omnihub.model.errors import RejectedError
from omnihub.model.ids import EventId, MovementId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    CorrectedFact,
    CorrectedState,
    CorrectEntity,
    EventMeta,
    FactSeen,
    MovementKind,
    Origin,
    OriginKind,
    Rejected,
    StateSeen,
    StockCounted,
    StockMoved,
)
from omnihub.rules.rule import Out, Rows

_UNTOLD = FactSeen(event_ids=(), hash="", seen_at_us=0)


@dataclass(frozen=True, slots=True)
class Corrector:
    """Corrects facts and states of one entity; `revision` is of the mapping that read `told`."""

    request: CorrectEntity
    told: Sequence[Fact | State]
    revision: int
    inbox_of: Callable[[type[Record]], str]
    digest: Digest

    def correct_fact(self, wanted: CorrectedFact, rows: Rows, out: Out) -> None:
        """Take back what was told of a fact, and tell what it is.

        Raises:
            RejectedError: it is stale, or read otherwise here.
        """
        key = fact_key(self.request.entity, wanted.natural_id)
        seen = rows.get(FactSeen, key)
        if (seen or _UNTOLD).event_ids != wanted.event_ids:
            raise _stale(wanted.natural_id)
        told = [e for e in self.told if isinstance(e, Fact) and e.natural_id == wanted.natural_id]
        events = told[0].events if told else ()
        content = fact_hash(events, self.digest) if told else ""
        if content != wanted.hash:
            raise _other_reading(wanted.natural_id)
        # What was never told keeps the ids that any telling would give it.
        renewed = [self._renewed(each, is_told=seen is not None, out=out) for each in events]
        row = FactSeen(
            event_ids=event_ids(renewed),
            hash=content,
            seen_at_us=seen.seen_at_us if seen else self.request.entity.accepted_at_us,
            revision=self.revision,
        )
        rows.put(key, row)
        self._emit([*(self._reversed(each, out) for each in wanted.undone), *renewed], out)

    def correct_state(self, wanted: CorrectedState, rows: Rows, out: Out) -> None:
        """Tell a state as it is read today, newer than what was told of the same version.

        Raises:
            RejectedError: it is stale, or read otherwise here.
        """
        key = state_key(self.request.entity, wanted.resource)
        seen = rows.get(StateSeen, key)
        if (seen.hash if seen else "") != wanted.seen_hash:
            raise _stale(wanted.resource)
        told = [e for e in self.told if isinstance(e, State) and e.resource == wanted.resource]
        if not told or state_hash(told[0].events, self.digest) != wanted.hash:
            raise _other_reading(wanted.resource)
        state, corrections = told[0], (seen.corrections if seen else 0) + 1
        if seen and state.version is not None and (seen.version or 0) > state.version:
            raise _stale(wanted.resource)
        row = StateSeen(
            version=state.version,
            hash=wanted.hash,
            deleted=state.deleted,
            seen_at_us=out.accepted_at_us,
            revision=self.revision,
            corrections=corrections,
        )
        rows.put(key, row)
        # Rules that go by business time must find it newer than what it corrects.
        events = (self._renewed(each, is_told=True, out=out) for each in state.events)
        self._emit([_later(each, corrections) for each in events], out)

    def _emit(self, events: Iterable[Record], out: Out) -> None:
        for event in sorted(events, key=_adds_goods):
            out.emit(self.inbox_of(type(event)), event)

    def _renewed(self, event: Record, *, is_told: bool, out: Out) -> Record:
        """Return an event as this replay tells it: with ids of its own where others are known."""
        (event,) = clamped((event,))
        meta = meta_of(event)
        event_id = self._own(meta.event_id) if is_told else meta.event_id
        changes: dict[str, Any] = {"meta": self._meta(meta, event_id, out)}
        if is_told and isinstance(event, StockMoved):
            changes["movement_id"] = MovementId(self._own(event.movement_id))
        elif is_told and isinstance(event, StockCounted):
            # Of two counts at one moment the greater id counts; replays sort by their id.
            changes["count_id"] = f"{event.count_id}~{self.request.replay_id}"
        return msgspec.structs.replace(event, **changes)

    def _reversed(self, told: StockMoved, out: Out) -> StockMoved:
        """Return the movement that takes one back."""
        event_id = self._own(f"{told.meta.event_id}:undone")
        return msgspec.structs.replace(
            told,
            meta=self._meta(told.meta, event_id, out),
            movement_id=MovementId(self._own(f"{told.movement_id}:undone")),
            kind=MovementKind.VOID,
            from_location=told.to_location,
            to_location=told.from_location,
        )

    def _meta(self, meta: EventMeta, event_id: str, out: Out) -> EventMeta:
        origin = Origin(
            kind=OriginKind.REPLAY,
            replay_id=self.request.replay_id,
            effects=self.request.effects,
        )
        return msgspec.structs.replace(
            meta, event_id=EventId(event_id), accepted_at_us=out.accepted_at_us, origin=origin
        )

    def _own(self, cause: str) -> str:
        return derive_id(cause, f"replay:{self.request.replay_id}")


def why_irreversible(event: Record) -> str | None:
    """Return why what was told cannot be taken back; None when it can."""
    if isinstance(event, StockCounted):
        return "a count has no opposite: count again"
    if not isinstance(event, StockMoved):
        return f"{type(event).__name__} has no opposite: correct it at its source"
    if event.order_id is not None and event.kind is MovementKind.SALE and not event.to_location:
        return "the sale took its order's promise along: correct it by a return at its source"
    return None


def replaces(new: Sequence[Record], old: Sequence[Record]) -> bool:
    """Tell whether `new` takes the place of `old` by itself: the same counts, other quantities."""
    return len(new) == len(old) and all(
        isinstance(a, StockCounted)
        and isinstance(b, StockCounted)
        and (a.sku, a.location, a.as_of_us) == (b.sku, b.location, b.as_of_us)
        for a, b in zip(new, old, strict=True)
    )


def refusal_of(request: CorrectEntity, error: RejectedError) -> Rejected:
    """Return the public word on a correction that was not made; each replay has its own."""
    told = rejection(request.entity, "correction", request.entity.entity_id, error)
    event_id = EventId(derive_id(told.meta.event_id, f"replay:{request.replay_id}"))
    origin = Origin(kind=OriginKind.REPLAY, replay_id=request.replay_id)
    meta = msgspec.structs.replace(told.meta, event_id=event_id, origin=origin)
    return msgspec.structs.replace(told, meta=meta)


def _adds_goods(event: Record) -> int:
    """Sort what takes goods away before what brings them: nobody may promise goods in between."""
    if not isinstance(event, StockMoved) or event.to_location is None:
        return 0
    return 1 if event.from_location is not None else 2


def _later(event: Record, micros: int) -> Record:
    meta = meta_of(event)
    moved = msgspec.structs.replace(meta, occurred_at_us=meta.occurred_at_us + micros)
    changes: dict[str, Any] = {"meta": moved}
    return msgspec.structs.replace(event, **changes)


def _stale(subject: str) -> RejectedError:
    detail = "something else was told of it since: run the replay again"
    return RejectedError("stale_correction", detail, subject)


def _other_reading(subject: str) -> RejectedError:
    detail = "the worker reads it otherwise than the replay: run both with the same release"
    return RejectedError("other_reading", detail, subject)
