"""Real copies of the code as neighbouring releases, over one registry: who keeps whose rows."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import uvicorn

from omnihub.contracts.registry.app import registry_app
from omnihub.contracts.registry.service import Registry

from .releases import Release, next_release, second_release

PROBE = """
import sys
import msgspec
from omnihub.contracts.codec import Codec
from omnihub.contracts.registry_client import RegistryClient
from omnihub.model.errors import ParkError
from omnihub.model.records import StockLevel

url, note, *rows = sys.argv[1:]
codec = Codec(RegistryClient(url).register_all())
level = StockLevel(
    tenant="t", sku="s", location="l", on_hand_milli=1, ats_milli=1, seq=1, cause_id="c",
    occurred_at_us=1, accepted_at_us=2, **({"note": note} if note else {}),
)
print(codec.encode(level).hex())
for row in map(bytes.fromhex, rows):
    try:
        codec.admit_row(row)
    except ParkError as error:
        print(f"{type(error).__name__}: {error}")
    else:
        same = codec.encode(codec.decode(row)) == row
        print("kept, same bytes" if same else "kept, other bytes")
"""


class ListLog:
    """A registry's log in memory."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []

    def append(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Append records."""
        self.records += records

    def read_all(self) -> Sequence[tuple[bytes, bytes | None]]:
        """Return all records."""
        return list(self.records)


@pytest.fixture
def registry() -> Iterator[str]:
    """The URL of an empty registry."""
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(registry_app(Registry(ListLog())), log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def probe(release: Release, url: str, note: str = "", *rows: str) -> list[str]:
    """Let a release write a row, and say what it makes of others' rows."""
    command = [sys.executable, "-c", PROBE, url, note, *rows]
    done = subprocess.run(
        command, env=release.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_neighbours_keep_each_other_s_rows_and_the_second_next_is_refused(
    registry: str, tmp_path: Path
) -> None:
    old, ahead = Release(), second_release(tmp_path / "ahead")
    newer = next_release(tmp_path / "newer")
    [of_old] = probe(old, registry)
    [with_note] = probe(newer, registry, "a note")
    [of_ahead, kept] = probe(ahead, registry, "", of_old)
    assert kept == "kept, other bytes"  # From now on under the new schema, with nothing lost.
    assert of_ahead[:10] == with_note[:10] != of_old[:10]

    [of_newer, *kept] = probe(newer, registry, "", of_old, with_note)
    assert of_newer == of_old  # Side by side, the same bytes.
    assert kept == ["kept, same bytes"] * 2
    [again, refused] = probe(old, registry, "", of_ahead)
    assert refused.startswith("NewerSchema: ")
    assert "'omnihub.StockLevel' under schema id" in refused
    assert again == of_old  # The way back: it still writes as it always did.
