"""Makes every schema self-contained: the types it uses are written into it.

Guarantees: the result is one valid Avro schema that needs no references, so any Avro library and
any registry understands it; a type is defined where it is first used and named afterwards.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from omnihub.contracts.avsc import NAMESPACE, Schema, load_schemas
from omnihub.contracts.errors import ContractError

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "enum", "fixed"})


@lru_cache(maxsize=1)
def own_schemas() -> Mapping[str, Schema]:
    """Return the schemas of this release by full name, each self-contained; read once a process."""
    return self_contained(load_schemas())


def self_contained(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return `schemas` (full name to schema) with every named type written in.

    Raises:
        ContractError: a schema uses a type that none of them defines.
    """
    known = definitions(schemas)
    return {name: written_in(schema, known) for name, schema in schemas.items()}


def definitions(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return every named type defined anywhere in `schemas`, by full name."""
    known: dict[str, Schema] = {}
    for schema in schemas.values():
        _collect(schema, schema.get("namespace", NAMESPACE), known)
    return known


def written_in(schema: Schema, known: Mapping[str, Schema]) -> Schema:
    """Return `schema` with the types it uses, found in `known`, written in."""
    written: Schema = _written(schema, known, NAMESPACE, set())
    return written


def full_name(schema: Schema, namespace: str) -> str:
    """Return the full name of a named type found inside `namespace`."""
    name: str = schema["name"]
    return name if "." in name else f"{schema.get('namespace', namespace)}.{name}"


def _collect(node: Any, namespace: str, known: dict[str, Schema]) -> None:
    if isinstance(node, list):
        for part in node:
            _collect(part, namespace, known)
    elif isinstance(node, dict):
        if node["type"] in NAMED:
            known.setdefault(full_name(node, namespace), node)
        for part in ("items", "values"):
            if part in node:
                _collect(node[part], namespace, known)
        for field in node.get("fields", ()):
            _collect(field["type"], namespace, known)


def _written(node: Any, known: Mapping[str, Schema], namespace: str, seen: set[str]) -> Any:
    if isinstance(node, list):
        return [_written(part, known, namespace, seen) for part in node]
    if isinstance(node, str):
        return _reference(node, known, namespace, seen)
    kind = node["type"]
    if kind in NAMED:
        name = full_name(node, namespace)
        if name in seen:
            return name
        seen.add(name)
    result = dict(node)
    for part in ("items", "values"):
        if part in node:
            result[part] = _written(node[part], known, namespace, seen)
    if "fields" in node:
        result["fields"] = [
            {**field, "type": _written(field["type"], known, namespace, seen)}
            for field in node["fields"]
        ]
    return result


def _reference(
    name: str, known: Mapping[str, Schema], namespace: str, seen: set[str]
) -> Schema | str:
    if name in PRIMITIVES:
        return name
    full = name if "." in name else f"{namespace}.{name}"
    if full in seen:
        return full
    if full not in known:
        raise ContractError(f"Type '{full}' is used but no .avsc defines it. Add it to schemas/.")
    written: Schema = _written(known[full], known, full.rpartition(".")[0], seen)
    return written
