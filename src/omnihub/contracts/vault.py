"""Where data keys come from: one per source subject, one per raw delivery.

Guarantees (of every implementation): the same id gives the same key until it is destroyed, in
every process; a destroyed key never comes back, so what it sealed is gone for good.
Does not: encrypt anything (see `sealing`).
"""

import secrets
from collections.abc import Callable
from typing import Protocol

from omnihub.model.errors import RejectedError, RetryableError

KEY_BYTES = 64
"""AES-256-SIV: half authenticates, half encrypts (RFC 5297)."""


class KeyDestroyed(RejectedError):
    """The key of this id was destroyed on purpose: what it sealed cannot be read any more.

    A refusal: whoever tells of an erased person again is told so, and nothing waits for it.
    """

    def __init__(self, key_id: str) -> None:
        super().__init__("erased", f"the data key '{key_id}' was destroyed")


class VaultUnavailable(RetryableError):
    """The key table cannot be reached now."""


class Vault(Protocol):
    """Data keys by id. Ids are random or keyed hashes, never personal."""

    def key(self, key_id: str) -> bytes:
        """Return the key of `key_id`, made at its first use.

        Raises:
            KeyDestroyed: it was destroyed; nothing can be sealed under this id again.
            VaultUnavailable: ask again later.
        """

    def existing(self, key_id: str) -> bytes | None:
        """Return the key of `key_id`; None when there is none (any more)."""


class LateVault:
    """A vault that is opened when the first key is asked for: most commands never need one."""

    def __init__(self, open_vault: Callable[[], Vault]) -> None:
        self._open = open_vault
        self._opened: Vault | None = None

    def key(self, key_id: str) -> bytes:
        """As `Vault.key`."""
        return self._vault().key(key_id)

    def existing(self, key_id: str) -> bytes | None:
        """As `Vault.existing`."""
        return self._vault().existing(key_id)

    def _vault(self) -> Vault:
        self._opened = self._opened or self._open()
        return self._opened


class PassingVault:
    """The keys of another vault; those that it has not are made here, and pass with the process."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._own = MemoryVault()

    def key(self, key_id: str) -> bytes:
        """As `Vault.key`, but nothing new is kept."""
        return self._vault.existing(key_id) or self._own.key(key_id)

    def existing(self, key_id: str) -> bytes | None:
        """As `Vault.existing`."""
        return self._vault.existing(key_id) or self._own.existing(key_id)


class MemoryVault:
    """Keys in a dict: for tests, and for a codec that lives no longer than its process."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes] = {}
        self._destroyed: set[str] = set()

    def key(self, key_id: str) -> bytes:
        """As `Vault.key`."""
        if key_id in self._destroyed:
            raise KeyDestroyed(key_id)
        return self._keys.setdefault(key_id, secrets.token_bytes(KEY_BYTES))

    def existing(self, key_id: str) -> bytes | None:
        """As `Vault.existing`."""
        return self._keys.get(key_id)

    def destroy(self, key_id: str) -> None:
        """Destroy a key."""
        self._keys.pop(key_id, None)
        self._destroyed.add(key_id)
