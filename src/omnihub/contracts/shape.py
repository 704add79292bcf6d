"""Turns records into the plain dicts and lists that an Avro library speaks, and back.

Guarantees: one specialised function per record type, made once; flat records cost one call.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from omnihub.model.record import Record

Plain = dict[str, Any]
Convert = Callable[[Any], Any]
_asdict = msgspec.structs.asdict


class Shapes:
    """The conversions of a set of record types."""

    def __init__(self, kinds: Iterable[type[Record]]) -> None:
        self._kinds = {kind.AVRO_NAME: kind for kind in kinds}

    def builder(self, full_name: str) -> Callable[[Plain], Record]:
        """Return what builds the record called `full_name` from a decoded dict."""
        return _builder(self._kinds[full_name])

    def plain(self, kind: type[Record]) -> Callable[[Record], Plain]:
        """Return what turns a record of type `kind` into a dict for the encoder."""
        return _flattener(kind)


def _builder(kind: type[Record]) -> Callable[[Plain], Record]:
    steps = [(name, step) for name, step in _steps(kind, _reading) if step is not None]
    if not steps:
        return lambda plain: kind(**plain)

    def build(plain: Plain) -> Record:
        for name, step in steps:
            plain[name] = step(plain[name])
        return kind(**plain)

    return build


def _flattener(kind: type[Record]) -> Callable[[Record], Plain]:
    steps = [(name, step) for name, step in _steps(kind, _writing) if step is not None]
    if not steps:
        return _asdict

    def flatten(record: Record) -> Plain:
        plain = _asdict(record)
        for name, step in steps:
            plain[name] = step(plain[name])
        return plain

    return flatten


def _steps(
    kind: type[Record], of: Callable[[Any], Convert | None]
) -> Iterable[tuple[str, Convert | None]]:
    hints = get_type_hints(kind)
    return [(field, of(hints[field])) for field in kind.__struct_fields__]


def _reading(hint: Any) -> Convert | None:
    if get_origin(hint) is UnionType:
        return _nullable(_reading(_not_null(hint)))
    if get_origin(hint) is tuple:
        item = _reading(get_args(hint)[0])
        return tuple if item is None else lambda values: tuple(map(item, values))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {member.value: member for member in hint}.__getitem__
    if isinstance(hint, type) and issubclass(hint, Record):
        return _builder(hint)
    return None


def _writing(hint: Any) -> Convert | None:
    if get_origin(hint) is UnionType:
        return _nullable(_writing(_not_null(hint)))
    if get_origin(hint) is tuple:
        item = _writing(get_args(hint)[0])
        return None if item is None else lambda values: [item(value) for value in values]
    if isinstance(hint, type) and issubclass(hint, Record):
        return _flattener(hint)
    return None


def _nullable(step: Convert | None) -> Convert | None:
    if step is None:
        return None
    return lambda value: None if value is None else step(value)


def _not_null(hint: Any) -> Any:
    return next(part for part in get_args(hint) if part is not type(None))
