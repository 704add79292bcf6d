"""`omnihub schemas check`: is the contract sound, and does it keep its promises?

Guarantees: finds records.py that does not follow from the schemas, schemas that break our own
rules, and every change since a released version that its readers could not bear. Each fault names
file, field, rule and cure. Does not: look at a registry or at topics that exist.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import omnihub.model.records
from omnihub.contracts.avsc import NAMESPACE, Schema, load_schemas, schemas_dir
from omnihub.contracts.compatibility import compact, unreadable
from omnihub.contracts.errors import ContractError
from omnihub.contracts.generate import generate
from omnihub.contracts.inline import definitions, full_name, written_in
from omnihub.contracts.released import RELEASED, releases
from omnihub.contracts.topicfile import read_topics

_LOGICAL = ("logicalType", "precision", "scale", "size")
_CHANGE_CURE = "Undo it, or add a new nullable field beside it and retire this one."
_BINARY = ("bytes", "fixed")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: `field` is dotted, or empty for the whole file."""

    file: str
    field: str
    rule: str
    cure: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.field}" if self.field else self.file
        return f"{place}: {self.rule}. {self.cure}"


def check_contract(folder: Path | None = None, records: Path | None = None) -> list[Fault]:
    """Return every fault of the contract in `folder`; `records` is the generated module."""
    root = folder or schemas_dir()
    files = {path: _read(path) for path in _current_files(root)}
    broken = [_named(path, root, fault) for path, (_, fault) in files.items() if fault]
    if broken:
        return broken
    schemas = {path: schema for path, (schema, _) in files.items() if schema is not None}
    found = [
        _placed(fault, path, root)
        for path, schema in schemas.items()
        for fault in _own_rules(schema)
    ]
    found += _duplicates(schemas, root)
    if found:
        return found
    found += _avro_faults(schemas, root)
    if found:
        return found
    found += _topic_faults(root)
    found += _drift(root, records or Path(str(omnihub.model.records.__file__)))
    released = releases(root)
    for version in released:
        found += _changes(version, schemas, root)
    for version in [] if found else released[-1:]:
        found += _unwritable(version, schemas, root)
    return found


# -- one file ------------------------------------------------------------------------------------


def _current_files(root: Path) -> list[Path]:
    return [
        path
        for path in sorted(root.rglob("*.avsc"))
        if RELEASED not in path.relative_to(root).parts
    ]


def _read(path: Path) -> tuple[Schema | None, str]:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return None, f"cannot be read as JSON ({error})"
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return None, "does not hold one record"
    if schema.get("namespace") != NAMESPACE or schema.get("name") != path.stem:
        return None, f"must define {NAMESPACE}.{path.stem}, as its name says"
    return schema, ""


def _own_rules(schema: Schema) -> Iterator[Fault]:
    for place, field in _fields(schema, ""):
        yield from _type_rules(place, field["type"])
        if "default" in field and _binary(field["type"]) and field["default"] is not None:
            cure = 'Make it ["null", …] with default null, or leave the default out.'
            yield Fault("", place, "bytes and decimals may only default to null", cure)


def _type_rules(place: str, kind: Any) -> Iterator[Fault]:
    for part in _parts(kind):
        if isinstance(part, list):
            others = [branch for branch in part if branch != "null"]
            if len(others) > 1:
                cure = "Use one record with nullable fields, or one field for each."
                yield Fault("", place, "a union may hold null and one other type", cure)
        elif _is_enum_without_default(part):
            cure = 'Add "default": "UNKNOWN" (one of its symbols) to the enum itself.'
            rule = f"enum {part['name']} has no default, so no symbol can ever be added"
            yield Fault("", place, rule, cure)


def _is_enum_without_default(kind: Any) -> bool:
    if not isinstance(kind, dict) or kind["type"] != "enum":
        return False
    return kind.get("default") not in kind["symbols"]


def _fields(schema: Schema, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field with its dotted path, those of records defined inside fields too."""
    for field in schema["fields"]:
        place = f"{prefix}{field['name']}"
        yield place, field
        for part in _parts(field["type"]):
            if isinstance(part, dict) and part["type"] == "record":
                yield from _fields(part, f"{place}.")


def _parts(kind: Any) -> Iterator[Any]:
    """`kind` and every type inside it, records' fields excluded."""
    yield kind
    if isinstance(kind, list):
        for branch in kind:
            yield from _parts(branch)
    elif isinstance(kind, dict):
        for inner in ("items", "values"):
            if inner in kind:
                yield from _parts(kind[inner])


def _binary(kind: Any) -> bool:
    return any(
        part in _BINARY
        or (
            isinstance(part, dict)
            and (part["type"] in _BINARY or part.get("logicalType") == "decimal")
        )
        for part in _parts(kind)
        if not isinstance(part, list)
    )


# -- all files together --------------------------------------------------------------------------


def _duplicates(schemas: Mapping[Path, Schema], root: Path) -> Iterator[Fault]:
    first: dict[str, Path] = {}
    for path, schema in schemas.items():
        for name, place in _defined(schema):
            if name in first:
                rule = f"'{name}' is also defined in {first[name].relative_to(root)}"
                yield _placed(
                    Fault("", place, rule, "Define it once and name it here."), path, root
                )
            first.setdefault(name, path)


def _defined(schema: Schema) -> Iterator[tuple[str, str]]:
    yield full_name(schema, NAMESPACE), ""
    for place, field in _fields(schema, ""):
        for part in _parts(field["type"]):
            if isinstance(part, dict) and "name" in part:
                yield full_name(part, NAMESPACE), place


def _avro_faults(schemas: Mapping[Path, Schema], root: Path) -> Iterator[Fault]:
    known = definitions({full_name(schema, NAMESPACE): schema for schema in schemas.values()})
    for path, schema in schemas.items():
        try:
            compact(json.dumps(written_in(schema, known)))
        except ContractError as error:
            yield _named(path, root, f"is no valid Avro: {error}")


def _topic_faults(root: Path) -> Iterator[Fault]:
    try:
        read_topics(root / "topics.yaml")
    except ContractError as error:
        yield Fault("topics.yaml", "", str(error), "Mend it as said.")


def _drift(root: Path, records: Path) -> Iterator[Fault]:
    if records.read_text(encoding="utf-8") != generate(load_schemas(root)):
        rule = "does not follow from the schemas"
        cure = "Run omnihub schemas generate and commit the result."
        yield Fault(str(records.name), "", rule, cure)


# -- changes since a release ---------------------------------------------------------------------


def _changes(version: Path, schemas: Mapping[Path, Schema], root: Path) -> Iterator[Fault]:
    before = load_schemas(version)
    now = {full_name(schema, NAMESPACE): schema for schema in schemas.values()}
    paths = {full_name(schema, NAMESPACE): path for path, schema in schemas.items()}
    for name, old in before.items():
        if name not in now:
            file = f"{RELEASED}/{version.name}/{name}"
            yield Fault(file, "", "a released record is gone", "Bring it back; topics hold it.")
            continue
        for field in now[name]["fields"]:
            for place, rule in _field_changes(name, field, old, before, now):
                since = f"{rule} (since {version.name})"
                yield _placed(Fault("", place, since, _CHANGE_CURE), paths[name], root)


def _unwritable(version: Path, schemas: Mapping[Path, Schema], root: Path) -> Iterator[Fault]:
    """Fields that the last release cannot do without: we write its schemas beside it."""
    paths = {full_name(schema, NAMESPACE): path for path, schema in schemas.items()}
    for name, old in load_schemas(version).items():
        if name not in paths:
            continue
        kept = {field["name"] for field in schemas[paths[name]]["fields"]}
        for field in old["fields"]:
            if field["name"] not in kept and "default" not in field:
                rule = f"is gone, but {version.name} cannot read a record without it"
                cure = "Bring it back with a default, and drop it one release later."
                yield _placed(Fault("", field["name"], rule, cure), paths[name], root)


def _field_changes(
    name: str,
    field: dict[str, Any],
    old: Schema,
    before: Mapping[str, Schema],
    now: Mapping[str, Schema],
) -> Iterator[tuple[str, str]]:
    names = {field["name"], *field.get("aliases", ())}
    former = [one for one in old["fields"] if one["name"] in names]
    if former == [field]:
        return  # What it names is compared where that is defined.
    reader = written_in({**now[name], "fields": [field]}, definitions(now))
    writer = written_in({**old, "fields": former}, definitions(before))
    for fault in unreadable(reader=json.dumps(reader), writer=json.dumps(writer)):
        yield field["name"], f"data of a released version cannot be read: {fault}"
    was, is_now = dict(_logical(writer, "")), dict(_logical(reader, ""))
    for place in was.keys() & is_now.keys():
        if was[place] != is_now[place]:
            yield place, f"changed from {was[place]} to {is_now[place]}, which Avro lets pass"


def _logical(schema: Schema, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, field in _fields(schema, prefix):
        for part in _parts(field["type"]):
            if isinstance(part, (str, dict)) and part != "null":
                shown = part if isinstance(part, dict) else {}
                yield place, {key: shown[key] for key in _LOGICAL if key in shown}


def _placed(fault: Fault, path: Path, root: Path) -> Fault:
    return Fault(str(path.relative_to(root)), fault.field, fault.rule, fault.cure)


def _named(path: Path, root: Path, rule: str) -> Fault:
    return Fault(str(path.relative_to(root)), "", rule, "Mend the file.")
