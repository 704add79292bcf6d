"""The registry's operations, as Confluent documents them, over a `SchemaLog`.

Guarantees: an answer to a change is given after the topic holds it; after a failed append the
state is read again before anything else is answered; the same schema has the same id in every
subject. Does not: share its topic with a second writer (one process runs it).
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from omnihub.contracts.compatibility import Level, compact, complaints, identity
from omnihub.contracts.errors import ContractError
from omnihub.contracts.registry import faults
from omnihub.contracts.registry.state import (
    Change,
    Registered,
    RegistryState,
    SchemaLog,
    level_change,
    mode_change,
    schema_change,
    schema_gone,
    subject_deleted,
    to_bytes,
)
from omnihub.model.errors import RetryableError

DEFAULT_LEVEL = Level.BACKWARD
MODES = ("READWRITE", "READONLY")
_LARGEST_VERSION = (1 << 31) - 1


class Registry:
    """One registry; safe to call from several threads."""

    def __init__(self, log: SchemaLog) -> None:
        self._log = log
        self._lock = threading.RLock()
        self._state: RegistryState | None = None

    # -- schemas -------------------------------------------------------------------------------

    def register(self, subject: str, schema: str) -> int:
        """Return the id of `schema`, now (or already) a version of `subject`.

        Raises:
            RegistryFault: 42201 no schema, 409 incompatible, 42205 read-only, 50001 no answer.
        """
        text = _checked(schema)
        with self._reading() as state:
            versions = state.versions(subject)
            if found := _same(versions, text):
                return found.id
            if self.mode(subject, or_global=True) == "READONLY":
                raise faults.read_only(subject)
            level = self.level(subject, or_global=True)
            if found_wrong := complaints(level, text, [one.schema for one in versions]):
                raise faults.incompatible(subject, found_wrong)
            new_id = state.id_of(text) or state.next_id()
            one = Registered(subject, state.next_version(subject), new_id, text)
            self._write([schema_change(one)])
            return new_id

    def look_up(self, subject: str, schema: str, deleted: bool = False) -> Registered:
        """Return the version of `subject` that is `schema`."""
        text = _checked(schema)
        with self._reading() as state:
            versions = state.versions(subject, deleted)
            if not versions:
                raise faults.no_subject(subject)
            if found := _same(versions, text):
                return found
            raise faults.no_schema()

    def version(self, subject: str, version: str, deleted: bool = False) -> Registered:
        """Return one version; `version` is a number, "latest" or "-1"."""
        wanted = _version_number(version)
        with self._reading() as state:
            versions = state.versions(subject, deleted)
            if not versions:
                raise faults.no_subject(subject)
            if wanted is None:
                return versions[-1]
            for one in versions:
                if one.version == wanted:
                    return one
            raise faults.no_version(wanted)

    def versions(self, subject: str, deleted: bool = False) -> list[int]:
        """Return the version numbers of `subject`."""
        with self._reading() as state:
            found = [one.version for one in state.versions(subject, deleted)]
        if not found:
            raise faults.no_subject(subject)
        return found

    def subjects(self, prefix: str = "", deleted: bool = False) -> list[str]:
        """Return the subjects whose names start with `prefix`."""
        with self._reading() as state:
            return [name for name in state.subjects(deleted) if name.startswith(prefix)]

    def schema(self, schema_id: int) -> str:
        """Return the schema behind an id."""
        with self._reading() as state:
            found = state.schema_of(schema_id)
        if found is None:
            raise faults.no_schema(schema_id)
        return found

    def uses(self, schema_id: int) -> list[Registered]:
        """Return the versions that have this id."""
        self.schema(schema_id)
        with self._reading() as state:
            return [one for one in state.all_versions() if one.id == schema_id]

    def all_versions(self) -> list[Registered]:
        """Return every version of every subject."""
        with self._reading() as state:
            return state.all_versions()

    # -- deletion ------------------------------------------------------------------------------

    def delete_subject(self, subject: str, permanent: bool) -> list[int]:
        """Delete all versions, softly or for good; return their numbers."""
        with self._reading() as state:
            everything, live = state.versions(subject, deleted=True), state.versions(subject)
            if not everything:
                raise faults.no_subject(subject)
            if permanent and live:
                raise faults.not_yet_deleted(subject)
            if not permanent and not live:
                raise faults.already_deleted(subject)
            if permanent:
                self._write([schema_gone(one) for one in everything])
                return [one.version for one in everything]
            changes: list[Change] = [subject_deleted(subject, live[-1].version)]
            if subject in state.levels:
                changes.append(level_change(subject, None))
            self._write(changes)
            return [one.version for one in live]

    def delete_version(self, subject: str, version: str, permanent: bool) -> int:
        """Delete one version, softly or for good; return its number."""
        with self._reading():
            one = self.version(subject, version, deleted=version not in ("latest", "-1"))
            if permanent and not one.deleted:
                raise faults.not_yet_deleted(subject, one.version)
            if not permanent and one.deleted:
                raise faults.already_deleted(subject, one.version)
            gone = Registered(one.subject, one.version, one.id, one.schema, deleted=True)
            self._write([schema_gone(one) if permanent else schema_change(gone)])
            return one.version

    # -- levels, modes, compatibility ----------------------------------------------------------

    def level(self, subject: str | None = None, or_global: bool = False) -> Level:
        """Return the compatibility level of `subject`, or the global one."""
        with self._reading() as state:
            if subject in state.levels:
                return state.levels[subject]
            if subject is not None and not or_global:
                raise faults.no_own_level(subject)
            return state.levels.get(None, DEFAULT_LEVEL)

    def set_level(self, subject: str | None, level: object) -> Level:
        """Set a level."""
        if not isinstance(level, str) or level.upper() not in Level.__members__:
            raise faults.invalid_level(level)
        wanted = Level(level.upper())
        with self._reading():
            self._write([level_change(subject, wanted)])
        return wanted

    def drop_level(self, subject: str | None) -> Level:
        """Remove a level; return the one that was set."""
        with self._reading() as state:
            if subject is not None and subject not in state.levels:
                raise faults.no_subject(subject)
            before = state.levels.get(subject, DEFAULT_LEVEL)
            self._write([level_change(subject, None)])
        return before

    def mode(self, subject: str | None = None, or_global: bool = False) -> str:
        """Return READWRITE or READONLY."""
        with self._reading() as state:
            if subject in state.modes:
                return state.modes[subject]
            if subject is not None and not or_global:
                raise faults.no_own_mode(subject)
            return state.modes.get(None, MODES[0])

    def set_mode(self, subject: str | None, mode: object) -> str:
        """Set a mode."""
        if mode not in MODES:
            raise faults.invalid_mode(mode)
        with self._reading():
            self._write([mode_change(subject, str(mode))])
        return str(mode)

    def check(self, subject: str, schema: str, version: str | None = None) -> list[str]:
        """Return why `schema` may not follow `version` (None: as the level says); empty = may."""
        text = _checked(schema)
        level = self.level(subject, or_global=True)
        with self._reading() as state:
            versions = [one.schema for one in state.versions(subject)]
            if version is not None and (versions or _version_number(version) is not None):
                versions = [self.version(subject, version).schema]
            return complaints(level, text, versions)

    # -- the log -------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[RegistryState]:
        with self._lock:
            if self._state is None:
                self._state = self._load()
            yield self._state

    def _load(self) -> RegistryState:
        state = RegistryState()
        try:
            records = self._log.read_all()
        except RetryableError as error:
            raise faults.store_failed() from error
        for key, value in records:
            if key is not None:
                state.apply(json.loads(key), None if value is None else json.loads(value))
        return state

    def _write(self, changes: Sequence[Change]) -> None:
        state = self._state
        records: list[tuple[bytes, Any]] = [
            (to_bytes(key) or b"", to_bytes(value)) for key, value in changes
        ]
        try:
            self._log.append(records)
        except RetryableError as error:
            self._state = None
            raise faults.store_failed() from error
        for key, value in changes:
            if state is not None:
                state.apply(key, value)


def _checked(schema: str) -> str:
    try:
        return compact(schema)
    except ContractError as error:
        raise faults.invalid_schema(str(error)) from error


def _same(versions: Sequence[Registered], text: str) -> Registered | None:
    wanted = identity(text)
    return next((one for one in reversed(versions) if identity(one.schema) == wanted), None)


def _version_number(version: str) -> int | None:
    if version in ("latest", "-1"):
        return None
    if not version.isdecimal() or not 1 <= int(version) <= _LARGEST_VERSION:
        raise faults.invalid_version(version)
    return int(version)
