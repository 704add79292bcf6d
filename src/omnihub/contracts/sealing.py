"""Seals what is personal: marked fields of records, and the bodies of deliveries.

Guarantees: AES-SIV (RFC 5297) under the data key of the record's `subject`, bound to the field and
the subject, so a sealed value cannot be moved to another field or person. The same text seals to
the same bytes: a replay gives the same output, byte for byte, and nothing needs a random nonce
(docs/decisions/0005-sealing.md). What was sealed under a destroyed key opens to nothing.
Does not: hide that two fields of one subject hold the same text, or how long it is.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from omnihub.contracts.avsc import load_schemas
from omnihub.contracts.errors import ContractError, Undecodable
from omnihub.contracts.vault import Vault
from omnihub.model.errors import RejectedError
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import RawDelivery, SourceEntity

MARK = b"\x01siv"
"""First bytes of everything sealed."""
REMEMBERED_S = 5.0
"""A key that was destroyed elsewhere lives on here for at most so long."""
_CACHED_KEYS = 20_000
Delivered = TypeVar("Delivered", RawDelivery, SourceEntity)


class Sealer:
    """Seals and opens with the keys of one vault."""

    def __init__(
        self,
        vault: Vault,
        *,
        seals_bodies: bool = True,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._seals_bodies = seals_bodies
        self._now_s = now_s
        self._ciphers: dict[str, tuple[AESSIV, float]] = {}

    def seal(self, key_id: str, where: str, value: bytes) -> bytes:
        """Return `value` sealed for the place `where` (`Contact.email`).

        Raises:
            KeyDestroyed, VaultUnavailable: see `Vault.key`.
        """
        if not value:
            return MARK
        cipher = self._known(key_id) or self._remember(key_id, self._vault.key(key_id))
        return MARK + cipher.encrypt(value, [where.encode(), key_id.encode()])

    def open(self, key_id: str, where: str, sealed: bytes) -> bytes | None:
        """Return what `seal` was given; None when the key is destroyed.

        Raises:
            Undecodable: these bytes were not sealed for this place and key.
        """
        if not sealed.startswith(MARK):
            raise Undecodable(f"{where} is not sealed", cure="Fix the writer, then skip it.")
        if sealed == MARK:
            return b""
        cipher = self._known(key_id)
        if cipher is None:
            key = self._vault.existing(key_id)
            if key is None:
                return None
            cipher = self._remember(key_id, key)
        try:
            return cipher.decrypt(sealed[len(MARK) :], [where.encode(), key_id.encode()])
        except InvalidTag:
            raise Undecodable(
                f"{where} was sealed for another place or with another key",
                cure="Restore the key table that belongs to this log, then retry.",
            ) from None

    def seal_text(self, key_id: str, where: str, value: Personal) -> bytes:
        """Seal a personal field."""
        return self.seal(key_id, where, value.reveal().encode())

    def seal_body(self, key_id: str, where: str, body: bytes) -> bytes:
        """Seal a delivery's body; one that is sealed already, or need not be, stays."""
        if not self._seals_bodies or body.startswith(MARK):
            return body
        return self.seal(key_id, where, body)

    def open_body(self, record: Delivered) -> Delivered:
        """Return a delivery or entity with its body in the clear.

        Raises:
            RejectedError: the key of its delivery was destroyed: there is nothing to understand.
            Undecodable: it was sealed with another key.
        """
        if not record.body.startswith(MARK):
            return record
        where = f"{type(record).__name__}.body"
        body = self.open(record.delivery_id, where, record.body)
        if body is None:
            raise RejectedError("erased", "the key of this delivery was destroyed")
        return msgspec.structs.replace(record, body=body)

    def open_record(self, record: Record) -> Record:
        """Return `record` with its sealed fields in the clear; None where a key is destroyed.

        Only edges with the right to it call this: API scope `personal`, sinks, subscriber kit.
        """
        opened: Record = self._open(record)
        return opened

    def _open(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self._open(each) for each in value)
        if not isinstance(value, Record):
            return value
        changed: dict[str, Any] = {}
        for field in type(value).__struct_fields__:
            inner = getattr(value, field)
            if isinstance(inner, Record) or (isinstance(inner, tuple) and inner):
                changed[field] = self._open(inner)
            elif isinstance(inner, bytes) and field in personal_fields(type(value)):
                changed[field] = self._personal(value, field, inner)
        return msgspec.structs.replace(value, **changed) if changed else value

    def _personal(self, record: Record, field: str, sealed: bytes) -> Personal | None:
        subject: str = record.subject  # type: ignore[attr-defined]  # checked by `sealed_fields`
        opened = self.open(subject, f"{type(record).__name__}.{field}", sealed)
        return None if opened is None else Personal(opened.decode())

    def _known(self, key_id: str) -> AESSIV | None:
        known = self._ciphers.get(key_id)
        return known[0] if known and self._now_s() - known[1] < REMEMBERED_S else None

    def _remember(self, key_id: str, key: bytes) -> AESSIV:
        if len(self._ciphers) >= _CACHED_KEYS:
            self._ciphers.clear()
        cipher = AESSIV(key)
        self._ciphers[key_id] = (cipher, self._now_s())
        return cipher


@lru_cache(maxsize=1)
def _marked() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for name, schema in load_schemas().items():
        marked = (f for f in schema.get("fields", ()) if f.get("pii", "body") != "body")
        fields = frozenset(f["name"] for f in marked)
        if fields and not any(f["name"] == "subject" for f in schema["fields"]):
            raise ContractError(
                f"{name} marks {sorted(fields)} as personal but has no field `subject`, "
                "whose key would seal them. Add it."
            )
        if fields:
            found[name] = fields
    return found


def personal_fields(kind: type[Record]) -> frozenset[str]:
    """Return the fields of a record type that its schema marks as personal."""
    return _marked().get(kind.AVRO_NAME, frozenset())
