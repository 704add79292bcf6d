"""Candidates for rows on disk, beside a dict: `python -m bench.stores`.

A million rows of 120 bytes; batches of 5,000 of which each key is read, then written back, as a
transaction does; reads of keys that are not there, as a new fact is looked up; and one opening of
the finished store. The cache of decoded rows in front is not part of it: this is what a miss costs.
"""

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rocksdict import AccessType, Rdict, WriteBatch

from omnihub.engine.disk import rocks_options

ROW = bytes(range(120))
BATCH = 5_000


class Candidate(Protocol):
    """What both can do."""

    def write(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Write a batch at once."""

    def read(self, key: bytes) -> bytes | None:
        """Return one row."""

    def close(self) -> None:
        """Close it."""


class Rocks:
    """RocksDB by rocksdict, with the engine's own options."""

    def __init__(self, folder: Path) -> None:
        self._db = Rdict(
            str(folder / "rocks"), rocks_options(), access_type=AccessType.read_write()
        )

    def write(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """See `Candidate`."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            batch.put(key, value)
        self._db.write(batch)

    def read(self, key: bytes) -> bytes | None:
        """See `Candidate`."""
        return self._db.get(key)

    def close(self) -> None:
        """See `Candidate`."""
        self._db.close()


class Sqlite:
    """SQLite as fast as a store that can be rebuilt may have it."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute("CREATE TABLE IF NOT EXISTS r (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")

    def write(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """See `Candidate`."""
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO r VALUES (?, ?)", rows)
        self._db.execute("COMMIT")

    def read(self, key: bytes) -> bytes | None:
        """See `Candidate`."""
        found = self._db.execute("SELECT v FROM r WHERE k = ?", (key,)).fetchone()
        return found[0] if found else None

    def close(self) -> None:
        """See `Candidate`."""
        self._db.close()


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that `act` takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def rounds(store: Candidate, keys: Sequence[bytes], dice: random.Random) -> float:
    """Read and write back 20 batches; return µs per key."""

    def one() -> None:
        wanted = dice.sample(keys, BATCH)
        rows = [(key, store.read(key) or ROW) for key in wanted]
        store.write(rows)

    return statistics.median(timed(one) for _ in range(20)) / BATCH * 1e6


def measure(kind: Callable[[Path], Candidate], rows: int) -> dict[str, float]:
    """Return the figures of one candidate."""
    keys = [f"StockLevel\x1fmain:{number * 7919 % rows:09d}".encode() for number in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        store = kind(Path(folder))
        load_s = sum(
            timed(lambda at=at: store.write((key, ROW) for key in keys[at : at + BATCH]))  # type: ignore[misc]
            for at in range(0, rows, BATCH)
        )
        batch_us = rounds(store, keys, random.Random(1))
        absent_us = timed(lambda: [store.read(key + b"?") for key in keys[:50_000]]) / 50_000 * 1e6
        store.close()
        open_s = timed(lambda: kind(Path(folder)).close())
    return {
        "load_rows_per_s": round(rows / load_s),
        "read_and_write_us": round(batch_us, 1),
        "absent_us": round(absent_us, 1),
        "open_s": round(open_s, 3),
    }


def main() -> None:
    """Measure both, alternating, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for _ in range(options.rounds):
        for kind in (Rocks, Sqlite):
            print(json.dumps({"store": kind.__name__, **measure(kind, options.rows)}))


if __name__ == "__main__":
    main()
