"""The keys of an installation: its master key, its key table, its tokens.

Guarantees: every process of one installation seals with the same keys. A master key that was not
given is made once, readable by its owner only; whoever loses it cannot read anything personal.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from omnihub.connect.personal import Tokens
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.vault import KEY_BYTES, Vault
from omnihub.model.errors import ConfigurationError
from omnihub.settings import resolve
from omnihub.wiring.installation import Installation

if TYPE_CHECKING:
    from omnihub.views.keys import KeyTable

MASTER_KEY_FILE = "master.key"
_HOW = "Make one with: python3 -c 'import os,base64; print(base64.b64encode(os.urandom(64)))'"


def vault_of(install: Installation) -> "KeyTable":
    """Return the key table.

    Raises:
        ConfigurationError: privacy.master_key is no key.
    """
    from omnihub.views.keys import open_keys  # SQL takes half a second to load.

    install.data_dir.mkdir(parents=True, exist_ok=True)
    # A file of its own: whoever deletes the views to have them rebuilt must not lose the keys.
    url = install.settings.views.url or f"sqlite:///{install.data_dir / 'keys.sqlite'}"
    return open_keys(url, _master_key(install))


def sealer_of(install: Installation) -> Sealer:
    """Return what seals and opens with the installation's keys."""
    return Sealer(vault_of(install))


def tokens_of(install: Installation, vault: Vault) -> Tokens:
    """Return the tenant's keyed hashes; their secret is a key of the vault like any other."""
    return Tokens(vault.key(f"tokens:{install.tenant}"))


def _master_key(install: Installation) -> bytes:
    reference = install.settings.privacy.master_key
    if reference is None:
        return _own_key(install.data_dir / MASTER_KEY_FILE)
    told = resolve(reference, install.environ, install.loaded.folder).get_secret_value()
    return _decoded(told, "privacy.master_key")


def _own_key(path: Path) -> bytes:
    """Return the key in `path`, made by whichever process comes first."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        text = base64.b64encode(secrets.token_bytes(KEY_BYTES))
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # Fails when another process was faster: then its key counts.
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return _decoded(path.read_text(encoding="ascii"), str(path))


def _decoded(text: str, place: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{place} is not {KEY_BYTES} bytes in base64. {_HOW}")
    return key
