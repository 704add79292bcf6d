"""The key table: data keys by id, each wrapped by the installation's master key.

Guarantees: what `Vault` promises, over every process that opens the same database; a key is
committed before anything is sealed with it. Rebuilding views never touches it: keys cannot be
found again in any topic, so back this table up like the log itself.
Does not: rotate the master key.
"""

import time
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateTable

from omnihub.contracts.vault import KEY_BYTES, KeyDestroyed, VaultUnavailable
from omnihub.model.errors import ConfigurationError
from omnihub.views.schema import tune_sqlite

DATA_KEY = Table(
    "data_key",
    MetaData(),
    Column("key_id", String, primary_key=True),
    Column("wrapped", LargeBinary),
    Column("created_at_us", BigInteger, nullable=False),
    Column("destroyed_at_us", BigInteger),
)


class KeyTable:
    """A `Vault` in SQL."""

    def __init__(self, engine: Engine, master_key: bytes) -> None:
        self._engine = engine
        self._master = AESSIV(master_key)
        maker = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        self._insert = maker(DATA_KEY).on_conflict_do_nothing()

    def key(self, key_id: str) -> bytes:
        """As `Vault.key`."""
        try:
            if (known := self.existing(key_id)) is not None:
                return known
            self._make(key_id)
        except OperationalError as error:
            raise _unavailable(error) from error
        made = self.existing(key_id)
        if made is None:
            raise KeyDestroyed(key_id)
        return made

    def existing(self, key_id: str) -> bytes | None:
        """As `Vault.existing`."""
        wanted = select(DATA_KEY.c.wrapped).where(DATA_KEY.c.key_id == key_id)
        try:
            with self._engine.connect() as connection:
                wrapped = connection.scalar(wanted)
        except OperationalError as error:
            raise _unavailable(error) from error
        return self._unwrap(key_id, wrapped) if wrapped is not None else None

    def destroy(self, key_id: str) -> None:
        """Destroy a key for good; what it sealed is unreadable from now on, everywhere."""
        gone = {"wrapped": None, "destroyed_at_us": _now_us()}
        self._make(key_id)  # One that was never made must never be, either.
        with self._engine.begin() as connection:
            connection.execute(update(DATA_KEY).where(DATA_KEY.c.key_id == key_id).values(gone))

    def _make(self, key_id: str) -> None:
        wrapped = self._master.encrypt(token_bytes(KEY_BYTES), [key_id.encode()])
        row = {"key_id": key_id, "wrapped": wrapped, "created_at_us": _now_us()}
        with self._engine.begin() as connection:
            connection.execute(self._insert, row)

    def _unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped, [key_id.encode()])
        except InvalidTag:
            raise ConfigurationError(
                "privacy.master_key is not the one that wrapped the keys of this installation. "
                "Give the old one back: without it nothing personal can be read again."
            ) from None


def open_keys(url: str, master_key: bytes) -> KeyTable:
    """Open the key table at `url`, making it if it is missing."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", tune_sqlite)
    # All processes of a first start come here at once: asking first and then making would race.
    with engine.begin() as connection:
        connection.execute(CreateTable(DATA_KEY, if_not_exists=True))
    return KeyTable(engine, master_key)


def _now_us() -> int:
    return time.time_ns() // 1000


def _unavailable(error: OperationalError) -> VaultUnavailable:
    return VaultUnavailable(f"the key table does not answer: {type(error.orig).__name__}")
