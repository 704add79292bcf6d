"""What the registry knows: a fold over the records of the topic `_schemas`.

Guarantees: the topic's keys and values are Confluent's own JSON, so either registry can go on with
the other's topic (SCHEMA, CONFIG, MODE, DELETE_SUBJECT; NOOP and unknown keys are passed over).
Pure: no I/O. Does not: support references, or schemas other than Avro.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from omnihub.contracts.compatibility import Level, identity

Change = tuple[dict[str, Any], dict[str, Any] | None]
"""One record of the topic: key, and value or None for a tombstone."""


class SchemaLog(Protocol):
    """Where the registry keeps its records: a compacted topic of one partition."""

    def read_all(self) -> Sequence[tuple[bytes | None, bytes | None]]:
        """Return key and value of every record, oldest first."""

    def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Append durably; raises RetryableError when unsure."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One version of a subject."""

    subject: str
    version: int
    id: int
    schema: str
    deleted: bool = False


class RegistryState:
    """Subjects, ids, levels and modes after the records applied so far."""

    def __init__(self) -> None:
        self._subjects: dict[str, dict[int, Registered]] = {}
        self._by_id: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self.levels: dict[str | None, Level] = {}
        self.modes: dict[str | None, str] = {}

    def apply(self, key: Mapping[str, Any], value: Mapping[str, Any] | None) -> None:
        """Take in one record."""
        subject, kind = key.get("subject"), key.get("keytype")
        if kind == "SCHEMA" and subject is not None:
            self._apply_schema(subject, key["version"], value)
        elif kind == "DELETE_SUBJECT" and value is not None:
            for one in self.versions(str(subject), deleted=True):
                if one.version <= value["version"]:
                    self._put(_with_deleted(one))
        elif kind == "CONFIG":
            _set_or_drop(self.levels, subject, value and Level(value["compatibilityLevel"]))
        elif kind == "MODE":
            _set_or_drop(self.modes, subject, value and value["mode"])

    def subjects(self, deleted: bool = False) -> list[str]:
        """Return the subjects' names; with `deleted`, soft-deleted ones too."""
        return sorted(name for name in self._subjects if self.versions(name, deleted))

    def versions(self, subject: str, deleted: bool = False) -> list[Registered]:
        """Return the versions of `subject`, oldest first; empty when there is none."""
        known = self._subjects.get(subject, {})
        return [known[at] for at in sorted(known) if deleted or not known[at].deleted]

    def all_versions(self) -> list[Registered]:
        """Return every version of every subject that is not deleted."""
        return [one for name in sorted(self._subjects) for one in self.versions(name)]

    def schema_of(self, schema_id: int) -> str | None:
        """Return the schema behind an id; deleted ones stay readable."""
        return self._by_id.get(schema_id)

    def id_of(self, schema: str) -> int | None:
        """Return the id of a schema, whatever its notation."""
        return self._ids.get(identity(schema))

    def next_id(self) -> int:
        """Return the id that a new schema gets."""
        return max(self._by_id, default=0) + 1

    def next_version(self, subject: str) -> int:
        """Return the number that a new version gets; numbers of deleted ones are not used again."""
        return max(self._subjects.get(subject, {}), default=0) + 1

    def _apply_schema(self, subject: str, version: int, value: Mapping[str, Any] | None) -> None:
        if value is None:
            self._subjects.get(subject, {}).pop(version, None)
            return
        deleted = bool(value.get("deleted", False))
        self._put(Registered(subject, version, value["id"], value["schema"], deleted))
        self._by_id[value["id"]] = value["schema"]
        self._ids.setdefault(identity(value["schema"]), value["id"])

    def _put(self, one: Registered) -> None:
        self._subjects.setdefault(one.subject, {})[one.version] = one


def _with_deleted(one: Registered) -> Registered:
    return Registered(one.subject, one.version, one.id, one.schema, deleted=True)


def _set_or_drop(table: dict[str | None, Any], subject: str | None, value: Any) -> None:
    if value is None:
        table.pop(subject, None)
    else:
        table[subject] = value


def schema_change(one: Registered) -> Change:
    """The record that puts `one`."""
    value: dict[str, Any] = {
        "subject": one.subject,
        "version": one.version,
        "id": one.id,
        "schema": one.schema,
        "deleted": one.deleted,
    }
    return _schema_key(one.subject, one.version), value


def schema_gone(one: Registered) -> Change:
    """The tombstone that removes `one` for good."""
    return _schema_key(one.subject, one.version), None


def subject_deleted(subject: str, version: int) -> Change:
    """The record that soft-deletes every version of `subject` up to `version`."""
    key = {"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0}
    return key, {"subject": subject, "version": version}


def level_change(subject: str | None, level: Level | None) -> Change:
    """The record that sets or removes a compatibility level."""
    key = {"keytype": "CONFIG", "subject": subject, "magic": 0}
    return key, None if level is None else {"compatibilityLevel": level.value}


def mode_change(subject: str | None, mode: str | None) -> Change:
    """The record that sets or removes a mode."""
    key = {"keytype": "MODE", "subject": subject, "magic": 0}
    return key, None if mode is None else {"mode": mode}


def to_bytes(part: Mapping[str, Any] | None) -> bytes | None:
    """Return a key or value as the topic holds it."""
    return None if part is None else json.dumps(part, separators=(",", ":")).encode()


def _schema_key(subject: str, version: int) -> dict[str, Any]:
    return {"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}
