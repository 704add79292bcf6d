"""Rows on disk: one RocksDB for each worker slot, all its task partitions in it.

Guarantees: every commit's rows are written in one batch, together with how far into the changelog
they reach, and only after the transaction committed; so a process that ends anyhow leaves rows of
some earlier commit, and the changelog's tail makes them complete again. Rows of another topic, of
a topic that lost its tail, and rows so old that tombstones may be gone are wiped and restored from
the beginning; a database that cannot be read is wiped whole. Two processes never share one.
Memory is bounded: the newest decoded rows, RocksDB's own cache and its write buffer.
Does not: make a commit durable (the changelog is), so nothing here is ever waited for.
"""

import operator
import shutil
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog
from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from omnihub.broker.clients import DELETE_RETENTION_S
from omnihub.contracts.codec import FRAME_BYTES, Codec
from omnihub.engine.errors import SlotTaken, StoreUnusable
from omnihub.engine.rowcache import RowCache
from omnihub.engine.store import KINDS, SEPARATOR, Change, Changelog, RowKey, changelog_key
from omnihub.model.record import Record

R = TypeVar("R", bound=Record)
log = structlog.get_logger(__name__)
MIB = 1024 * 1024
FORMAT = b"1"
OLDEST_S = DELETE_RETENTION_S / 2
"""Rows left alone for longer may miss that others were deleted: tombstones are compacted away.

Only a commit or a restore says that rows are complete; a stop does not, their partition may have
gone elsewhere.
"""
_FORMAT, _PLACE, _ROW, _SAMPLE = b"f", b"p", b"r", b"s"
_KEY_OF = operator.itemgetter(0)
_NUMBER = struct.Struct(">H")
_MARK = struct.Struct(">Hqq36s")
_LOCKED, _CORRUPT = ("lock hold by", "While lock file"), "Corruption"


def rocks_options(write_buffer_mb: int = 32, block_cache_mb: int = 64) -> Options:
    """Return the options of the database: small in memory, quick to say that a row is not there."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(write_buffer_mb * MIB)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    table = BlockBasedOptions()
    table.set_bloom_filter(10, False)
    table.set_block_cache(Cache(block_cache_mb * MIB))
    options.set_block_based_table_factory(table)
    return options


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the rows of one place reach, in which topic, and when they were last written."""

    number: int
    next_offset: int
    at_ms: int
    topic_id: str

    def pack(self) -> bytes:
        """Return the bytes as stored."""
        return _MARK.pack(self.number, self.next_offset, self.at_ms, self.topic_id.encode())

    @classmethod
    def unpack(cls, data: bytes) -> "Mark":
        """Read what `pack` wrote."""
        number, next_offset, at_ms, topic_id = _MARK.unpack(data)
        return cls(number, next_offset, at_ms, topic_id.rstrip(b"\0").decode())

    def unfit_for(self, changelog: Changelog, now_ms: int) -> str | None:
        """Return why the rows cannot be continued from, or None."""
        if self.topic_id != changelog.topic_id:
            return "they are of another topic"
        if self.next_offset > changelog.end:
            return "the changelog ends before them"
        if self.next_offset < changelog.low:
            return "the changelog begins after them"
        if now_ms - self.at_ms > OLDEST_S * 1000:
            return "they are older than half of delete.retention.ms"
        return None


class DiskStores:
    """The database of one worker slot."""

    def __init__(
        self,
        folder: Path,
        cached_rows: int = 100_000,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._folder = folder
        self._cache = RowCache(cached_rows)
        self._now_ms = now_ms
        self._db: Rdict | None = None
        self._failure: str | None = None

    def open(self) -> None:
        """See `Stores.open`. After a failure this opens it again; a corrupt one is wiped."""
        if self._db is not None and self._failure is None:
            return
        self._shut()
        if self._failure is not None and self._failure.startswith(_CORRUPT):
            self._wipe(self._failure)
        try:
            self._db = self._opened()
        except StoreUnusable as error:
            if not str(error).startswith(_CORRUPT):
                raise
            self._wipe(str(error))
            self._db = self._opened()
        self._failure = None

    def store(self, changelog: str, partition: int, codec: Codec) -> "DiskStore":
        """See `Stores.store`."""
        self.open()
        place = f"{changelog}/{partition}".encode()
        return DiskStore(self, place, codec, self._cache, self._now_ms)

    def close(self) -> None:
        """See `Stores.close`."""
        self._shut()

    def read(self, key: bytes) -> bytes | None:
        """Return the value under a database key.

        Raises:
            StoreUnusable: the disk or the database failed; `open` again.
        """
        try:
            value: bytes | None = self._database().get(key)
        except Exception as error:  # rocksdict knows no other type
            raise self._failed(error) from error
        return value

    def write(self, batch: WriteBatch) -> None:
        """Write a batch; raises as `read` does."""
        try:
            self._database().write(batch)
        except Exception as error:  # rocksdict knows no other type
            raise self._failed(error) from error

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Return all entries under a prefix; raises as `read` does."""
        until = ReadOptions()
        until.set_iterate_upper_bound(after(prefix))
        entries = self._database().iter(until)
        try:
            entries.seek(prefix)
            while entries.valid():
                yield entries.key(), entries.value()
                entries.next()
            entries.status()  # It ends as well where a block cannot be read.
        except Exception as error:  # noqa: BLE001 - rocksdict knows no other type; raised as ours
            failed = self._failed(error)
            del entries  # It would keep the database locked for as long as the error lives.
            raise failed from None

    def next_number(self) -> int:
        """Return a number that no place has yet."""
        numbers = [Mark.unpack(value).number for _, value in self.scan(_PLACE)]
        return max(numbers, default=0) + 1

    def _database(self) -> Rdict:
        if self._db is None:
            raise StoreUnusable(f"{self._folder} is not open")
        return self._db

    def _opened(self) -> Rdict:
        path = self._folder / "rows"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            db = Rdict(str(path), rocks_options(), access_type=AccessType.read_write())
        except Exception as error:  # rocksdict knows no other type
            raise self._failed(error) from error
        try:
            _check_format(db)
        except Exception as error:
            db.close()
            raise self._failed(error) from error
        return db

    def _failed(self, error: Exception) -> Exception:
        text = str(error)
        if any(words in text for words in _LOCKED):
            return SlotTaken(
                f"Another process has {self._folder} open. Stop it, or give this worker "
                "another slot or data_dir."
            )
        self._failure = text
        log.error("store", folder=str(self._folder), error=text)
        if text.startswith(_CORRUPT):
            return StoreUnusable(f"{text}. The rows are wiped and restored from their changelog")
        return StoreUnusable(f"{self._folder}: {text}. Give it room and rights; work waits")

    def _wipe(self, reason: str) -> None:
        log.warning("store wiped", folder=str(self._folder), reason=reason)
        shutil.rmtree(self._folder / "rows", ignore_errors=True)

    def _shut(self) -> None:
        self._cache.clear()
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            except Exception as error:  # noqa: BLE001 - rocksdict knows no other type; told, and shut
                log.warning("store not closed well", folder=str(self._folder), error=str(error))


def _check_format(db: Rdict) -> None:
    known = db.get(_FORMAT)
    if known is None:
        db.put(_FORMAT, FORMAT)
    elif known != FORMAT:
        raise ValueError(f"{_CORRUPT}: rows of format {known!r}; this release keeps {FORMAT!r}")


class DiskStore:
    """Rows of one task partition; every key of it begins with the number of its place."""

    def __init__(
        self,
        home: DiskStores,
        place: bytes,
        codec: Codec,
        cache: RowCache,
        now_ms: Callable[[], int],
    ) -> None:
        self._home = home
        self._place = _PLACE + place
        self._decode = codec.decode
        self._admit = codec.admit_row
        self._cache = cache
        self._now_ms = now_ms
        kept = home.read(self._place)
        self._mark = Mark(home.next_number(), 0, 0, "") if kept is None else Mark.unpack(kept)
        number = _NUMBER.pack(self._mark.number)
        self._rows, self._samples = _ROW + number, _SAMPLE + number
        self._frames: set[bytes] = set()
        if kept is None:
            self._write(WriteBatch(raw_mode=True))

    def get(self, key: RowKey) -> Record | None:
        """See `Store.get`."""
        kind, name = key
        space = (self._rows, kind)
        row = self._cache.get(space, name)
        if row is None:
            value = self._home.read(self._rows + changelog_key(key))
            if value is None:
                return None
            row = self._decode(value)
            self._cache.put(space, name, row)
        return row

    def apply(
        self, rows: Mapping[RowKey, Record | None], changes: Sequence[Change], markers: int
    ) -> None:
        """See `Store.apply`.

        After aborted transactions the changelog has more offsets than are counted here: reading on
        from ours then meets some records twice, which changes nothing.
        """
        self._advance(self._mark.next_offset + len(changes) + markers)
        self._write(self._batch(changes))
        self._cache.take(self._rows, rows)

    def resume(self, changelog: Changelog) -> int:
        """See `Store.resume`."""
        self._cache.clear()  # Whoever had this place before may have held rows that are older now.
        unfit = self._mark.unfit_for(changelog, self._now_ms())
        if unfit is not None:
            if self._mark.topic_id:
                log.warning("rows wiped", place=self._place.decode(), reason=unfit)
            self._wipe(changelog)
            return changelog.low
        for frame, value in self._home.scan(self._samples):
            self._admit(value)
            self._frames.add(frame[len(self._samples) :])
        return self._mark.next_offset

    def restore(self, changes: Sequence[Change], next_offset: int) -> None:
        """See `Store.restore`."""
        for key, value in changes:
            kind = key.partition(SEPARATOR.encode())[0].decode()
            if kind not in KINDS:
                raise KeyError(kind)
            if value is not None and value[:FRAME_BYTES] not in self._frames:
                self._admit(value)
        self._advance(next_offset)
        self._write(self._batch(changes))
        self._cache.clear()

    def of_kind(self, kind: type[R]) -> Iterator[tuple[str, R]]:
        """See `Store.of_kind`."""
        prefix = self._rows + changelog_key((kind, ""))
        for key, value in self._home.scan(prefix):
            row = self._decode(value)
            if isinstance(row, kind):
                yield key[len(prefix) :].decode(), row

    def _advance(self, next_offset: int) -> None:
        mark = self._mark
        self._mark = Mark(mark.number, next_offset, self._now_ms(), mark.topic_id)

    def _batch(self, changes: Sequence[Change]) -> WriteBatch:
        batch, prefix, frames = WriteBatch(raw_mode=True), self._rows, self._frames
        # In order of their keys RocksDB takes rows in two thirds of the time; the sort is stable.
        for key, value in sorted(changes, key=_KEY_OF):
            if value is None:
                batch.delete(prefix + key)
                continue
            batch.put(prefix + key, value)
            if (frame := value[:FRAME_BYTES]) not in frames:
                # One row of each schema is looked at when they are opened again.
                batch.put(self._samples + frame, value)
                frames.add(frame)
        return batch

    def _write(self, batch: WriteBatch) -> None:
        batch.put(self._place, self._mark.pack())
        self._home.write(batch)

    def _wipe(self, changelog: Changelog) -> None:
        batch = WriteBatch(raw_mode=True)
        for prefix in (self._rows, self._samples):
            batch.delete_range(prefix, after(prefix))
        self._frames.clear()
        self._cache.clear()
        self._mark = Mark(self._mark.number, changelog.low, self._now_ms(), changelog.topic_id)
        self._write(batch)


def after(prefix: bytes) -> bytes:
    """Return the first key after all those that begin with `prefix`."""
    return (int.from_bytes(prefix, "big") + 1).to_bytes(len(prefix), "big")
