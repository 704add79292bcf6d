"""Runs raw deliveries through today's code in a shadow and finds what it reads otherwise.

Guarantees: pure; the mappings of split and translate, their order and their judgement, on rows of
the shadow's own, compared with what translate remembers of what it told. A fact counts as told
rightly when any of its tellings reads as it was told. What cannot be corrected says why.
Does not: touch the log, run rules, or see what lies before the range.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from omnihub.connect.content import event_ids, fact_hash, meta_of, state_hash
from omnihub.connect.corrections import replaces, why_irreversible
from omnihub.connect.differing import FieldChange, changes_of
from omnihub.connect.entities import entity_key, fact_key, state_key
from omnihub.connect.observer import Verdict
from omnihub.connect.personal import Digest
from omnihub.connect.sdk import Fact, State
from omnihub.connect.translate import allowed, judge, newest
from omnihub.connect.understanding import (
    OpenBody,
    Understandings,
    understand,
    understanding_of,
)
from omnihub.model.errors import ParkError, RejectedError
from omnihub.model.record import Record
from omnihub.model.records import (
    CorrectedFact,
    CorrectedState,
    DeliveryKind,
    FactSeen,
    RawDelivery,
    SourceEntity,
    StateSeen,
    StockMoved,
)

_UNTOLD = FactSeen(event_ids=(), hash="", seen_at_us=0)
EventsById = Mapping[str, Record]


class Change(StrEnum):
    """What a replay finds of one fact or state."""

    NEW = "NEW"
    CHANGED = "CHANGED"
    GONE = "GONE"


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact or state that today's code reads otherwise; `refusal` says why it must stay."""

    entity: SourceEntity = field(repr=False)  # Its body is in the clear here.
    part: str
    change: Change
    correction: CorrectedFact | CorrectedState
    fields: tuple[FieldChange, ...] = ()
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """What today's code cannot read: `about` names it, `why` never holds payload."""

    about: str
    why: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """What translate remembers: its rows, by key."""

    facts: Mapping[str, FactSeen]
    states: Mapping[str, StateSeen]


@dataclass(frozen=True, slots=True)
class _FactRead:
    entity: SourceEntity
    natural_id: str
    events: tuple[Record, ...]
    hash: str


@dataclass(frozen=True, slots=True)
class _StateRead:
    entity: SourceEntity
    state: State
    row: StateSeen


@dataclass
class Shadow:
    """One connector type in the shadow; `entity` (`type:id`) and `instance` choose, if given."""

    instances: Understandings
    remembered: Remembered
    open_body: OpenBody
    digest: Digest
    from_us: int
    to_us: int
    entity: str | None = None
    instance: str | None = None
    deliveries: int = 0
    unread: list[Unread] = field(default_factory=list)
    _deliveries: set[str] = field(default_factory=set)
    _entities: dict[str, SourceEntity] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _right: set[str] = field(default_factory=set)
    _facts: dict[str, _FactRead] = field(default_factory=dict)
    _states: dict[str, _StateRead] = field(default_factory=dict)
    _retold: set[str] = field(default_factory=set)

    @property
    def entities(self) -> int:
        """How many entities were looked at."""
        return len(self._entities)

    def read(self, delivery: RawDelivery) -> None:
        """Read one delivery as split and translate would today."""
        if not self._is_wanted(delivery):
            return
        self.deliveries += 1
        self._deliveries.add(delivery.delivery_id)
        try:
            mapping = understanding_of(self.instances, delivery.instance).mapping
            clear = self.open_body(delivery)
            entities = understand(lambda: mapping.split(clear))
        except (ParkError, RejectedError) as error:
            self.unread.append(Unread(f"{delivery.instance} {delivery.name}", str(error)))
            return
        for entity in entities:
            if self.entity in (None, f"{entity.type}:{entity.entity_id}"):
                self._read_entity(entity)

    def _is_wanted(self, delivery: RawDelivery) -> bool:
        is_ours = self.instance is None or delivery.instance == self.instance
        return is_ours and self.from_us <= delivery.accepted_at_us < self.to_us

    def _read_entity(self, entity: SourceEntity) -> None:
        key = entity_key(entity)
        self._entities[key] = entity
        known = understanding_of(self.instances, entity.instance)
        try:
            told = understand(lambda: known.mapping.translate(entity, known.refs))
        except (ParkError, RejectedError) as error:
            self._failed.add(key)
            about = f"{entity.instance} {entity.type}:{entity.entity_id}"
            self.unread.append(Unread(about, str(error)))
            return
        for each in told:
            events = allowed(each, known)
            if each.events and not events:
                continue
            each = replace(each, events=events)
            if isinstance(each, Fact):
                self._read_fact(entity, each)
            else:
                self._read_state(entity, each, known.mapping.revision)

    def _read_fact(self, entity: SourceEntity, fact: Fact) -> None:
        key, content = fact_key(entity, fact.natural_id), fact_hash(fact.events, self.digest)
        seen = self.remembered.facts.get(key)
        if seen is not None and seen.hash == content:
            self._right.add(key)
            self._facts.pop(key, None)
        elif key not in self._right:
            first = self._facts.setdefault(
                key, _FactRead(entity, fact.natural_id, fact.events, content)
            )
            if first.hash != content:
                self._retold.add(key)

    def _read_state(self, entity: SourceEntity, state: State, revision: int) -> None:
        key = state_key(entity, state.resource)
        before = self._states.get(key)
        row = StateSeen(
            version=newest(state.version, before.row.version if before else None),
            hash=state_hash(state.events, self.digest),
            deleted=state.deleted,
            seen_at_us=entity.accepted_at_us,
            revision=revision,
        )
        is_refetch = entity.kind is DeliveryKind.REFETCH
        verdict = judge(state.version, row, before.row if before else None, is_refetch)
        if verdict in (Verdict.EMITTED, Verdict.DUPLICATE):
            self._states[key] = _StateRead(entity, state, row)

    # -- comparison -----------------------------------------------------------------------------

    def wanted_events(self) -> set[str]:
        """Return the ids of the events that `differences` needs to see."""
        wanted: set[str] = set()
        for key in (*self._facts, *self._lost()):
            wanted |= set(self.remembered.facts.get(key, _UNTOLD).event_ids)
        for read in self._states.values():
            wanted |= set(event_ids(read.state.events))
        return wanted

    def told_since_us(self) -> int:
        """Return when the first of these events was told."""
        seen = (self.remembered.facts.get(key) for key in (*self._facts, *self._lost()))
        return min((each.seen_at_us for each in seen if each), default=self.from_us)

    def differences(self, told: EventsById) -> list[Difference]:
        """Return what differs; `told` are the events that were told, as far as they are kept."""
        found = [
            *(self._fact(key, read, told) for key, read in self._facts.items()),
            *self._gone(told),
            *self._changed_states(told),
        ]
        return sorted(found, key=lambda each: (entity_key(each.entity), each.part))

    def _fact(self, key: str, read: _FactRead, told: EventsById) -> Difference:
        seen = self.remembered.facts.get(key, _UNTOLD)
        old = [told[each] for each in seen.event_ids if each in told]
        refusal = _why_not(seen, old, read.events)
        if refusal is None and seen.event_ids and key in self._retold:
            refusal = "it was told with different contents: choose one at its source"
        return Difference(
            entity=read.entity,
            part=read.natural_id,
            change=Change.CHANGED if seen.event_ids else Change.NEW,
            correction=CorrectedFact(
                natural_id=read.natural_id,
                event_ids=seen.event_ids,
                hash=read.hash,
                undone=_movements(old),
            ),
            fields=changes_of(old, read.events),
            refusal=refusal,
        )

    def _lost(self) -> Iterator[str]:
        """Yield the facts that were first told in the range and are not read any more."""
        prefixes = tuple({fact_key(entity, "") for entity in self._entities.values()})
        for key, seen in self.remembered.facts.items():
            if key in self._facts or key in self._right or not seen.event_ids:
                continue
            # Log timestamps have milliseconds.
            is_in_range = self.from_us // 1000 * 1000 <= seen.seen_at_us < self.to_us
            if is_in_range and key.startswith(prefixes):
                yield key

    def _gone(self, told: EventsById) -> Iterator[Difference]:
        for key in self._lost():
            seen = self.remembered.facts[key]
            old = [told[each] for each in seen.event_ids if each in told]
            entity = self._entity_of(key, old)
            if entity is None:
                continue
            natural_id = key[len(fact_key(entity, "")) :]
            yield Difference(
                entity=entity,
                part=natural_id,
                change=Change.GONE,
                correction=CorrectedFact(
                    natural_id=natural_id,
                    event_ids=seen.event_ids,
                    hash="",
                    undone=_movements(old),
                ),
                fields=changes_of(old, ()),
                refusal=_why_not(seen, old, ()),
            )

    def _entity_of(self, key: str, old: Sequence[Record]) -> SourceEntity | None:
        """Return the entity that told a fact, if it was looked at and could be read."""
        for event in old:
            meta = meta_of(event)
            about = f"{meta.tenant}:{meta.source}:{meta.entity}"
            if meta.cause_id in self._deliveries and about not in self._failed:
                return self._entities.get(about)
        return None

    def _changed_states(self, told: EventsById) -> Iterator[Difference]:
        for key, read in self._states.items():
            seen = self.remembered.states.get(key)
            if seen is not None and not _is_other(read.row, seen):
                continue
            old = [told[each] for each in event_ids(read.state.events) if each in told]
            yield Difference(
                entity=read.entity,
                part=read.state.resource,
                change=Change.NEW if seen is None else Change.CHANGED,
                correction=CorrectedState(
                    resource=read.state.resource,
                    seen_hash=seen.hash if seen else "",
                    hash=read.row.hash,
                ),
                fields=changes_of(old, read.state.events),
            )


def _is_other(read: StateSeen, seen: StateSeen) -> bool:
    """Tell whether the newest reading of today says something else than what was told last."""
    if read.version is not None and seen.version is not None and read.version < seen.version:
        return False
    both_deleted = read.deleted and seen.deleted
    return (read.deleted, read.hash) != (seen.deleted, seen.hash) and not both_deleted


def _why_not(seen: FactSeen, old: Sequence[Record], new: Sequence[Record]) -> str | None:
    if len(old) < len(seen.event_ids):
        return "what was told of it is no longer in the log"
    if old and new and replaces(new, old):
        return None
    return next(filter(None, map(why_irreversible, old)), None)


def _movements(old: Iterable[Record]) -> tuple[StockMoved, ...]:
    return tuple(event for event in old if isinstance(event, StockMoved))
