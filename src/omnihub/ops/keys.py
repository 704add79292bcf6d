"""API keys: random, scoped, kept as hashes only.

Guarantees: a key is shown once, when it is made; the file (mode 0600) holds SHA-256 hashes, which
suffice because a key has 256 random bits; comparison takes constant time; a change of the file is
seen by every process without a restart.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from omnihub.model.errors import ConfigurationError
from omnihub.ops.files import write_atomically

PREFIX = "omh_"
FILE_NAME = "keys.json"


class Scope(StrEnum):
    """What a key may do: `write` and `personal` include `read`, `admin` includes all."""

    READ = "read"
    WRITE = "write"
    PERSONAL = "personal"
    ADMIN = "admin"


_INCLUDES = {
    Scope.READ: {Scope.READ},
    Scope.WRITE: {Scope.READ, Scope.WRITE},
    Scope.PERSONAL: {Scope.READ, Scope.PERSONAL},
    Scope.ADMIN: set(Scope),
}


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as kept: its name, what it may do, and the hash of the key itself."""

    name: str
    scopes: tuple[Scope, ...]
    sha256: str

    @property
    def scope(self) -> str:
        """Return the scopes as one text, as OAuth writes them."""
        return " ".join(self.scopes)

    def allows(self, wanted: Scope) -> bool:
        """Tell whether this key may do what `wanted` needs."""
        return any(wanted in _INCLUDES[scope] for scope in self.scopes)


class KeyRing:
    """The keys of one installation, in `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME
        self._seen: tuple[int, int] | None = None
        self._entries: tuple[KeyEntry, ...] = ()

    def ensure_admin(self) -> str | None:
        """Make the first admin key if there is none at all; return it, this once."""
        return None if self.entries() else self.add("admin", Scope.ADMIN)

    def add(self, name: str, *scopes: Scope) -> str:
        """Make a key and return it; only its hash is kept.

        Raises:
            ConfigurationError: the name is taken.
        """
        if any(entry.name == name for entry in self.entries()):
            raise ConfigurationError(f"There is a key '{name}' already. Remove it or name another.")
        key = PREFIX + secrets.token_urlsafe(32)
        self._write([*self.entries(), KeyEntry(name, scopes, _sha256(key))])
        return key

    def remove(self, name: str) -> None:
        """Forget a key; it is refused from now on."""
        kept = [entry for entry in self.entries() if entry.name != name]
        if len(kept) == len(self.entries()):
            raise ConfigurationError(f"There is no key '{name}'. See `omnihub keys list`.")
        self._write(kept)

    def find(self, key: str) -> KeyEntry | None:
        """Return the entry of a presented key, or None."""
        presented = _sha256(key)
        found = None
        for entry in self.entries():
            if hmac.compare_digest(entry.sha256, presented):
                found = entry
        return found

    def entries(self) -> tuple[KeyEntry, ...]:
        """Return all entries, read again when the file changed."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self._seen, self._entries = None, ()
            return ()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._seen:
            self._entries, self._seen = self._read(), stamp
        return self._entries

    def _read(self) -> tuple[KeyEntry, ...]:
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
            return tuple(
                KeyEntry(row["name"], tuple(map(Scope, row["scope"].split())), row["sha256"])
                for row in rows
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{self.path} is damaged. Delete it; the next start makes a new admin key."
            ) from error

    def _write(self, entries: Sequence[KeyEntry]) -> None:
        rows = [{"name": one.name, "scope": one.scope, "sha256": one.sha256} for one in entries]
        write_atomically(self.path, json.dumps(rows, indent=2), mode=0o600)


@dataclass(frozen=True, slots=True)
class Guard:
    """Says who may pass: the keys, and the token that `omnihub up` gives its processes."""

    keys: KeyRing
    run_token: str = ""

    def identify(self, key: str) -> KeyEntry | None:
        """Return whose key this is; the run's own token reads."""
        if self.run_token and hmac.compare_digest(key.encode(), self.run_token.encode()):
            return KeyEntry("omnihub-up", (Scope.READ,), "")
        return self.keys.find(key)

    def may_read(self, authorization: str | None) -> bool:
        """Tell whether an Authorization header lets its sender read."""
        key = bearer(authorization)
        entry = self.identify(key) if key else None
        return entry is not None and entry.allows(Scope.READ)


def bearer(authorization: str | None) -> str | None:
    """Return the key of an `Authorization: Bearer` header."""
    kind, _, key = (authorization or "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
