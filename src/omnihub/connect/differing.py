"""What two readings of one thing differ in, field by field, fit to be shown.

Guarantees: nothing personal is shown, only that it differs; ids and times that belong to a delivery
are no difference.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import msgspec

from omnihub.model.personal import Personal
from omnihub.model.record import Record

HIDDEN = "(personal)"
_BLIND = {"event_id", "cause_id", "accepted_at_us", "version", "origin"}
_MISSING = object()


class FieldChange(msgspec.Struct, frozen=True):
    """One field: None is a value that is not there."""

    path: str
    old: str | None
    new: str | None


def changes_of(old: Sequence[Record], new: Sequence[Record]) -> tuple[FieldChange, ...]:
    """Return what differs between the events that were told and those that would be."""
    found: list[FieldChange] = []
    for was, now in zip_longest(old, new):
        name = type(was if now is None else now).__name__
        before = dict(_flat(name, was)) if was is not None else {}
        after = dict(_flat(name, now)) if now is not None else {}
        for path in dict.fromkeys((*before, *after)):
            a, b = before.get(path, _MISSING), after.get(path, _MISSING)
            if a != b and not _is_sealed_alike(a, b):
                found.append(FieldChange(path, _shown(a), _shown(b)))
    return tuple(found)


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Record):
        for field in type(value).__struct_fields__:
            if field not in _BLIND:
                yield from _flat(f"{path}.{field}", getattr(value, field))
    elif isinstance(value, tuple):
        for at, each in enumerate(value):
            yield from _flat(f"{path}[{at}]", each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(f"{path}.{key}", each)
    elif value is not None:
        yield path, value


def _is_sealed_alike(a: object, b: object) -> bool:
    """What is sealed on one side only cannot be compared: whether it differs is not to be seen."""
    kinds = (bytes, Personal)
    return isinstance(a, kinds) and isinstance(b, kinds) and type(a) is not type(b)


def _shown(value: object) -> str | None:
    if value is _MISSING:
        return None
    return HIDDEN if isinstance(value, bytes | Personal) else str(value)
