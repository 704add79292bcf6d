"""What earlier releases wrote: the schemas under `schemas/released/<version>/`.

Guarantees: the release before this one is the newest folder that is not this release's own. Until
the next release, records are written under its schemas wherever they can hold them, so that both
run side by side and the way back stays open (docs/upgrade.md).
Does not: judge changes (see `check`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastavro.schema import to_parsing_canonical_form

from omnihub.contracts.avsc import NAMESPACE, Schema, load_schemas, schemas_dir
from omnihub.contracts.inline import definitions, full_name, own_schemas, self_contained
from omnihub.model.errors import ConfigurationError

RELEASED = "released"


def releases(root: Path) -> list[Path]:
    """Return the folders of released versions, oldest first."""
    folders = (path for path in (root / RELEASED).glob("*") if path.is_dir())
    return sorted(folders, key=lambda path: _numbers(path.name))


@lru_cache(maxsize=1)
def earlier_schemas() -> Mapping[str, Schema]:
    """Return the schemas of the release before this one that differ from ours, self-contained."""
    before = [path for path in releases(schemas_dir()) if path.name != own_version()]
    if not before:
        return {}
    ours = own_schemas()
    theirs = self_contained(load_schemas(before[-1]))
    return {
        name: schema for name, schema in theirs.items() if name in ours and schema != ours[name]
    }


@lru_cache(maxsize=1)
def known_forms() -> frozenset[str]:
    """Return the canonical form of every schema that this release or one before it wrote."""
    sets = [own_schemas(), *(self_contained(load_schemas(p)) for p in releases(schemas_dir()))]
    return frozenset(form_of(schema) for schemas in sets for schema in schemas.values())


def fingerprint() -> str:
    """Return a text that two releases share only if they write every record alike."""
    told = json.dumps([own_schemas(), earlier_schemas()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def form_of(schema: Schema) -> str:
    """Return what is the same for schemas that write the same bytes."""
    form: str = to_parsing_canonical_form(schema)
    return form


def without_added(now: Schema, before: Schema) -> Schema:
    """Return `now` less the fields that `before` has not, in the records that both define."""
    fields = {
        name: {field["name"] for field in schema["fields"]}
        for name, schema in definitions({"": before}).items()
        if schema["type"] == "record"
    }
    pruned: Schema = _pruned(now, fields)
    return pruned


def _pruned(node: Any, fields: Mapping[str, set[str]]) -> Any:
    if isinstance(node, list):
        return [_pruned(part, fields) for part in node]
    if not isinstance(node, dict):
        return node
    result = {key: _pruned(node[key], fields) for key in ("items", "values") if key in node}
    if "fields" in node:
        kept = fields.get(full_name(node, NAMESPACE))
        result["fields"] = [
            {**field, "type": _pruned(field["type"], fields)}
            for field in node["fields"]
            if kept is None or field["name"] in kept
        ]
    return {**node, **result}


def own_version() -> str:
    """Return the version of this release, "" in a tree that is not installed."""
    try:
        return version("omnihub")
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True, slots=True)
class Kept:
    """What `keep_release` wrote; `changed` counts schemas that the release before had not."""

    folder: Path
    files: int
    changed: int


def keep_release(root: Path, release: str, *, is_dry_run: bool = False) -> Kept:
    """Copy the schemas of today to `released/<release>`.

    Raises:
        ConfigurationError: that release is kept already, or is older than one that is.
    """
    known = releases(root)
    folder = root / RELEASED / release
    if known and _numbers(known[-1].name) >= _numbers(release):
        raise ConfigurationError(
            f"Schemas of {known[-1].name} are kept already: {release} does not come after it. "
            "What a release wrote never changes: choose the next version."
        )
    today = {path: path.read_bytes() for path in _files(root)}
    before = known[-1] if known else None
    changed = sum(
        before is None or _bytes(before / path.relative_to(root)) != text
        for path, text in today.items()
    )
    if not is_dry_run:
        for path, text in today.items():
            kept = folder / path.relative_to(root)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(text)
    return Kept(folder, len(today), changed)


def _files(root: Path) -> list[Path]:
    found = sorted(root.rglob("*.avsc"))
    return [path for path in found if RELEASED not in path.relative_to(root).parts]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _numbers(name: str) -> tuple[tuple[int, str], ...]:
    """Order versions by their numbers: 0.10.0 after 0.9.0."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in name.split("."))
