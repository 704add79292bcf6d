"""Translate: from source entities to canonical events, each fact once, each state in its order.

Guarantees, whatever way and however often something is told (webhook, poll, file, again, late):
- a fact is emitted once; the same natural id with other content is a `Rejected` event;
- a state never goes back: lower versions are dropped, and what cannot be ordered (an equal or
  absent version with other content, a deletion without version, life after deletion) is not
  guessed but read again by a `Refetch` command, whose answer counts;
- what is compared are canonical values, without ids and times that belong to the delivery;
- counts of an instance that does not own stock are observations and never become events;
- a replay's corrections (see `corrections`) keep their place among what is told live.
Does not: forget; rows of facts and tombstones stay.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec

from omnihub.connect.content import clamped, event_ids, fact_hash, retold, state_hash
from omnihub.connect.corrections import Corrector, refusal_of
from omnihub.connect.entities import entity_key, fact_key, state_key
from omnihub.connect.lanes import entity_topic, task_name
from omnihub.connect.observer import Observer, Unobserved, Verdict
from omnihub.connect.personal import Digest, unkeyed
from omnihub.connect.sdk import Fact, State
from omnihub.connect.understanding import (
    REJECTED_TOPIC,
    OpenBody,
    Understanding,
    Understandings,
    as_it_is,
    rejection,
    understand,
    understanding_of,
)
from omnihub.model.errors import InvariantBroken, RejectedError
from omnihub.model.ids import CommandId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    CorrectEntity,
    DeliveryKind,
    FactSeen,
    Refetch,
    SourceEntity,
    StateSeen,
    StockCounted,
)
from omnihub.rules.rule import Out, Rows

OWNED: dict[type[Record], str] = {StockCounted: "stock"}
"""Events that only an instance with this authority may tell."""


class Translate:
    """The handler of one connector type's entity topic."""

    def __init__(
        self,
        connector: str,
        instances: Understandings,
        inbox_of: Callable[[type[Record]], str],
        observer: Observer | None = None,
        open_body: OpenBody = as_it_is,
        digest: Digest = unkeyed,
    ) -> None:
        self.name = task_name("translate", connector)
        self.inbox = entity_topic(connector)
        self.rejects = REJECTED_TOPIC
        self._instances = instances
        self._inbox_of = inbox_of
        self._observer = observer or Unobserved()
        self._open_body = open_body
        self._digest = digest

    def park_key(self, record: Record) -> str:
        """What a system says about one entity stays in order, corrections included."""
        return entity_key(_entity(record))

    def handle(self, record: Record, rows: Rows, out: Out) -> None:
        """Judge every fact and state of one source entity."""
        entity = _entity(record)
        known = understanding_of(self._instances, entity.instance)
        try:
            clear = self._open_body(entity)
            told = understand(lambda: known.mapping.translate(clear, known.refs))
        except RejectedError as error:
            self._reject(entity, error, out)
            return
        if isinstance(record, CorrectEntity):
            self._correct(record, told, known, rows, out)
            return
        for each in told:
            events = allowed(each, known)
            if each.events and not events:
                self._observer.judged(entity.instance, Verdict.OBSERVATION)
            elif isinstance(each, Fact):
                self._fact(entity, each.natural_id, events, known, rows, out)
            else:
                self._state(entity, each, events, known, rows, out)

    def _correct(
        self,
        request: CorrectEntity,
        told: list[Fact | State],
        known: Understanding,
        rows: Rows,
        out: Out,
    ) -> None:
        """Do what a replay asks, part by part; what cannot be done is told and changes nothing."""
        told = [replace(each, events=allowed(each, known)) for each in told]
        corrector = Corrector(request, told, known.mapping.revision, self._inbox_of, self._digest)
        wanted: list[Callable[[Rows, Out], None]] = [
            *(partial(corrector.correct_fact, each) for each in request.facts),
            *(partial(corrector.correct_state, each) for each in request.states),
        ]
        for correct in wanted:
            try:
                correct(rows, out)
            except RejectedError as error:
                out.emit(REJECTED_TOPIC, refusal_of(request, error))

    def _fact(
        self,
        entity: SourceEntity,
        natural_id: str,
        events: tuple[Record, ...],
        known: Understanding,
        rows: Rows,
        out: Out,
    ) -> None:
        key = fact_key(entity, natural_id)
        content, revision = fact_hash(events, self._digest), known.mapping.revision
        seen = rows.get(FactSeen, key)
        if seen is None:
            told = FactSeen(
                event_ids=event_ids(events),
                hash=content,
                seen_at_us=out.accepted_at_us,
                revision=revision,
            )
            rows.put(key, told)
            self._emit(entity, events, out)
        elif seen.hash == content or seen.revision != revision:
            # Another revision reads the same source otherwise: that is no contradiction of it.
            self._observer.judged(entity.instance, Verdict.DUPLICATE)
        else:
            detail = f"{entity.type} {natural_id} was told before with other content"
            self._reject(entity, RejectedError("conflicting_fact", detail, natural_id), out)

    def _state(
        self,
        entity: SourceEntity,
        state: State,
        events: tuple[Record, ...],
        known: Understanding,
        rows: Rows,
        out: Out,
    ) -> None:
        key = state_key(entity, state.resource)
        seen = rows.get(StateSeen, key)
        row = StateSeen(
            version=newest(state.version, seen.version if seen else None),
            hash=state_hash(events, self._digest),
            deleted=state.deleted,
            seen_at_us=out.accepted_at_us,
            revision=known.mapping.revision,
            corrections=seen.corrections if seen and seen.version == state.version else 0,
        )
        verdict = judge(state.version, row, seen, entity.kind is DeliveryKind.REFETCH)
        if verdict in (Verdict.EMITTED, Verdict.DUPLICATE) and not _is_same(row, seen):
            rows.put(key, row)
        if verdict is Verdict.EMITTED:
            self._emit(entity, retold(events, entity, state.version), out)
            return
        if verdict is Verdict.REFETCH:
            out.emit(f"omni.command.{entity.instance}.v1", _refetch(entity, key))
        self._observer.judged(entity.instance, verdict)

    def _emit(self, entity: SourceEntity, events: tuple[Record, ...], out: Out) -> None:
        for event in clamped(events):
            out.emit(self._inbox_of(type(event)), event)
        self._observer.judged(entity.instance, Verdict.EMITTED)

    def _reject(self, entity: SourceEntity, error: RejectedError, out: Out) -> None:
        out.emit(REJECTED_TOPIC, rejection(entity, entity.type, entity.entity_id, error))
        self._observer.judged(entity.instance, Verdict.REJECTED)


def allowed(told: Fact | State, known: Understanding) -> tuple[Record, ...]:
    """Return the events that the instance has the authority to tell."""
    return tuple(
        event
        for event in told.events
        if (needed := OWNED.get(type(event))) is None or needed in known.owns
    )


def judge(
    version: int | None, told: StateSeen, seen: StateSeen | None, is_refetch: bool
) -> Verdict:
    """Decide by version first, content second; a refetch answers what cannot be decided."""
    if seen is None:
        return Verdict.EMITTED
    order = _compare(version, seen.version)
    if order is not None and order < 0:
        return Verdict.STALE
    if told.deleted == seen.deleted and (told.deleted or told.hash == seen.hash):
        return Verdict.DUPLICATE
    if is_refetch:
        return Verdict.EMITTED
    if seen.deleted:
        # An old page may still be on its way: only the system itself says that it lives again.
        return Verdict.STALE if order == 0 else Verdict.REFETCH
    if order is not None and (order > 0 or seen.revision != told.revision):
        return Verdict.EMITTED
    return Verdict.REFETCH


def _is_same(told: StateSeen, seen: StateSeen | None) -> bool:
    return seen is not None and msgspec.structs.replace(told, seen_at_us=seen.seen_at_us) == seen


def _compare(version: int | None, seen: int | None) -> int | None:
    """Return -1, 0 or 1; None when one of them has no version."""
    if version is None or seen is None:
        return None
    return (version > seen) - (version < seen)


def newest(version: int | None, seen: int | None) -> int | None:
    """Return the greater of two versions; one that is absent does not count."""
    known = [each for each in (version, seen) if each is not None]
    return max(known) if known else None


def _refetch(entity: SourceEntity, state_key: str) -> Refetch:
    return Refetch(
        command_id=CommandId(derive_id(f"{state_key}:{entity.delivery_id}", "refetch")),
        tenant=entity.tenant,
        instance=entity.instance,
        target=f"{entity.type}:{entity.entity_id}",
        cause_id=entity.delivery_id,
        accepted_at_us=entity.accepted_at_us,
        type=entity.type,
        entity_id=entity.entity_id,
        reason="what was told cannot be ordered against what is known",
    )


def _entity(record: Record) -> SourceEntity:
    if isinstance(record, CorrectEntity):
        return record.entity
    if not isinstance(record, SourceEntity):
        raise InvariantBroken(f"translate got {type(record).__name__}, which it never reads")
    return record
