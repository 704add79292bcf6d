"""Whether data written under one schema can be read under another, by the Apache avro library.

Guarantees: the seven levels of Confluent's registry, each complaint with the place in the schema.
Does not: see changes that Avro's rules let pass (see `check` for those that we forbid).
"""

import json
import warnings
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import avro.errors
import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from omnihub.contracts.errors import ContractError


class Level(StrEnum):
    """Which readers and writers must understand each other."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


_READS_OLD = ("BACKWARD", "FULL")
_READ_BY_OLD = ("FORWARD", "FULL")


def compact(text: str) -> str:
    """Return schema `text` without white space, checked to be a valid Avro schema.

    Raises:
        ContractError: it is none.
    """
    try:
        written = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except ValueError as error:
        raise ContractError(f"Not JSON: {error}.") from error
    _parsed(written)
    return written


def identity(text: str) -> str:
    """Return a text that is the same for schemas that differ in notation only."""
    return json.dumps(_plain(json.loads(text)), sort_keys=True)


def complaints(level: Level, new: str, versions: Sequence[str]) -> list[str]:
    """Return why schema `new` may not follow `versions` (oldest first) at `level`; empty = may."""
    if level is Level.NONE:
        return []
    against = versions if level.endswith("_TRANSITIVE") else versions[-1:]
    found: list[str] = []
    for old in reversed(against):
        if level.startswith(_READS_OLD):
            found += unreadable(reader=new, writer=old)
        if level.startswith(_READ_BY_OLD):
            found += unreadable(reader=old, writer=new)
    return found


def unreadable(reader: str, writer: str) -> list[str]:
    """Return what keeps `reader` from reading data of `writer`, one line a fault."""
    checker: Any = ReaderWriterCompatibilityChecker
    checked = checker().get_compatibility(_parsed(reader), _parsed(writer))
    if checked.compatibility is SchemaCompatibilityType.compatible:
        return []
    places = ", ".join(sorted(checked.locations))
    kinds = ", ".join(sorted({kind.value for kind in checked.incompatibilities}))
    return [f"{kinds} at {places}: {'; '.join(sorted(checked.messages))}"]


def _parsed(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            # An unknown logical type is allowed and means the plain type.
            warnings.simplefilter("ignore", avro.errors.AvroWarning)
            return avro.schema.parse(text)
    except (avro.errors.AvroException, TypeError, AttributeError, KeyError) as error:
        raise ContractError(f"No Avro schema: {error}.") from error


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"type"}:
        return _plain(node["type"])
    return {key: _plain(value) for key, value in node.items()}
