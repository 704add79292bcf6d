"""The spool folder: finds files that are complete, reads them, and moves them away.

Guarantees: a file is complete when it ends with the closing tag of its own root; one that is still
being written waits and nobody waits for it. A file that changed since it was read stays. Nothing
in the archive is ever overwritten.
Does not: look into a file beyond its first and last tag.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omnihub.connect.sdk import Delivery
from omnihub.model.records import DeliveryKind

TOO_LARGE_HEADER = "too_large_bytes"
_HEAD_BYTES, _TAIL_BYTES = 8_192, 512
_BATCH_BYTES = 16 * 1024 * 1024
_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)")


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the folder as one look saw it."""

    name: str
    size: int
    mtime_ns: int

    @property
    def mark(self) -> str:
        """What changes when the file does."""
        return f"{self.size}-{self.mtime_ns}"


@dataclass(frozen=True, slots=True)
class Spool:
    """A folder with `incoming/` and `archive/`."""

    root: Path
    max_file_bytes: int
    stale_after_s: float

    @property
    def incoming(self) -> Path:
        """Where the tills write."""
        return self.root / "incoming"

    @property
    def archive(self) -> Path:
        """Where accepted files go."""
        return self.root / "archive"

    def create(self) -> None:
        """Make both folders."""
        self.incoming.mkdir(parents=True, exist_ok=True)
        self.archive.mkdir(parents=True, exist_ok=True)

    def take(self, limit: int, now_s: float) -> tuple[list[Delivery], bool]:
        """Return up to `limit` complete files, oldest first, and whether there are more."""
        taken: list[Delivery] = []
        taken_bytes = 0
        for found in sorted(self._look(), key=lambda file: (file.mtime_ns, file.name)):
            delivery = self._read(found, now_s)
            if delivery is None:
                continue
            taken_bytes += len(delivery.body)
            if taken and (len(taken) == limit or taken_bytes > _BATCH_BYTES):
                return taken, True
            taken.append(delivery)
        return taken, False

    def put_away(self, delivery: Delivery) -> None:
        """Move an accepted file to the archive, unless it was written to since."""
        source = self.incoming / delivery.name
        try:
            stat = source.stat()
        except FileNotFoundError:
            return
        if Found(delivery.name, stat.st_size, stat.st_mtime_ns).mark != delivery.headers["mark"]:
            return
        source.rename(self._free_name(delivery.name))

    def _look(self) -> Iterator[Found]:
        with os.scandir(self.incoming) as entries:
            for entry in entries:
                if not _is_for_us(entry.name):
                    continue
                try:
                    if entry.is_file(follow_symlinks=False):
                        stat = entry.stat(follow_symlinks=False)
                        yield Found(entry.name, stat.st_size, stat.st_mtime_ns)
                except FileNotFoundError:
                    continue

    def _read(self, found: Found, now_s: float) -> Delivery | None:
        """Return the file as a delivery, or None while it has to wait."""
        try:
            with (self.incoming / found.name).open("rb") as file:
                head = file.read(_HEAD_BYTES)
                file.seek(max(0, found.size - _TAIL_BYTES))
                tail = file.read(_TAIL_BYTES)
                is_stale = now_s - found.mtime_ns / 1e9 > self.stale_after_s
                if not (is_stale or _is_complete(head, tail)):
                    return None
                if found.size > self.max_file_bytes:
                    return _delivery(found, b"", {TOO_LARGE_HEADER: str(found.size)})
                file.seek(0)
                return _delivery(found, file.read(self.max_file_bytes), {})
        except (FileNotFoundError, PermissionError):
            return None

    def _free_name(self, name: str) -> Path:
        target, copies = self.archive / name, 0
        while target.exists():
            copies += 1
            target = self.archive / f"{name}.{copies}"
        return target


def _delivery(found: Found, body: bytes, extra: dict[str, str]) -> Delivery:
    headers = {"mark": found.mark} | extra
    return Delivery(name=found.name, body=body, headers=headers, kind=DeliveryKind.FILE)


def _is_for_us(name: str) -> bool:
    # A name that is no valid text could not be written to the log and would block all others.
    is_text = name.isprintable() and not name.startswith(".")
    return is_text and name.lower().endswith(".xml")


def _is_complete(head: bytes, tail: bytes) -> bool:
    root = _ROOT.search(head)
    if root is None:
        return False
    return re.search(rb"</" + re.escape(root.group(1)) + rb"\s*>\s*\Z", tail) is not None
