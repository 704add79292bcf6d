"""The jar cache: nothing enters or stays that is not, byte for byte, what the lock names."""

import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from omnihub.broker.errors import JarsUnavailable
from omnihub.broker.jars import JarStore, KafkaLock, LockedJar, packaged_lock, parse_lock

KAFKA, OTHER = b"the broker" * 1000, b"a library" * 1000


def locked(artifact: str, content: bytes) -> LockedJar:
    return LockedJar("g.h", artifact, "1.0", hashlib.sha512(content).hexdigest(), len(content))


LOCK = KafkaLock((locked("kafka_2.13", KAFKA), locked("other", OTHER)))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def maven_repository(folder: Path, **contents: bytes) -> Iterator[str]:
    """Serve `contents` (by artifact) in Maven's layout, as a mirror would."""
    for jar in LOCK.jars:
        if (content := contents.get(jar.artifact.partition("_")[0])) is not None:
            path = folder / "g" / "h" / jar.artifact / jar.version / jar.filename
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def names(store: JarStore) -> set[str]:
    return {path.name for path in store.directory.iterdir()}


def test_the_packaged_lock_names_one_kafka_with_a_log_that_can_be_read() -> None:
    lock = packaged_lock()
    artifacts = {jar.artifact for jar in lock.jars}
    assert lock.kafka_version.startswith("4.")
    assert "slf4j-simple" in artifacts
    assert "slf4j-nop" not in artifacts
    assert all(len(jar.sha512) == 128 and jar.size_bytes > 0 for jar in lock.jars)
    assert len({jar.filename for jar in lock.jars}) == len(lock.jars)


def test_a_lock_line_is_coordinate_digest_and_size() -> None:
    (jar,) = parse_lock("# comment\ng.h:a:1.0 sha512:abc 42\n").jars
    assert jar == LockedJar("g.h", "a", "1.0", "abc", 42)
    assert (jar.coordinate, jar.filename) == ("g.h:a:1.0", "a-1.0.jar")


def test_an_empty_cache_is_filled_and_progress_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with maven_repository(tmp_path / "remote", kafka=KAFKA, other=OTHER) as mirror:
        store = JarStore(tmp_path / "cache", mirror, LOCK)
        paths = store.ensure(lambda done, total, _: told.append((done, total)))
    assert [path.read_bytes() for path in paths] == [KAFKA, OTHER]
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert names(store) == {"kafka_2.13-1.0.jar", "other-1.0.jar"}  # and no staging is left


@pytest.mark.parametrize("found", [b"", OTHER[:4000], OTHER[:-1] + b"?"])
def test_a_truncated_or_altered_jar_is_fetched_again(tmp_path: Path, found: bytes) -> None:
    with maven_repository(tmp_path / "remote", other=OTHER) as mirror:
        store = JarStore(tmp_path / "cache", mirror, LOCK)
        store.directory.mkdir(parents=True)
        (store.directory / "kafka_2.13-1.0.jar").write_bytes(KAFKA)
        (store.directory / "other-1.0.jar").write_bytes(found)
        store.ensure()  # the repository does not have the good one: it must not be asked for it
    assert (store.directory / "other-1.0.jar").read_bytes() == OTHER


def test_a_full_cache_needs_no_network(tmp_path: Path) -> None:
    with maven_repository(tmp_path / "remote", kafka=KAFKA, other=OTHER) as mirror:
        JarStore(tmp_path / "cache", mirror, LOCK).ensure()
    assert len(JarStore(tmp_path / "cache", mirror, LOCK).ensure()) == 2


def test_a_repository_that_serves_something_else_never_enters_the_cache(tmp_path: Path) -> None:
    with maven_repository(tmp_path / "remote", kafka=KAFKA, other=b"malware" * 1000) as mirror:
        store = JarStore(tmp_path / "cache", mirror, LOCK)
        with pytest.raises(JarsUnavailable, match=r"g\.h:other:1\.0.*differ from the locked"):
            store.ensure()
    assert names(store) <= {"kafka_2.13-1.0.jar"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # jgo leaves a 404's socket to the collector
def test_an_absent_jar_is_named_with_the_place_and_the_cure(tmp_path: Path) -> None:
    with maven_repository(tmp_path / "remote", kafka=KAFKA) as mirror:
        store = JarStore(tmp_path / "cache", mirror, LOCK)
        with pytest.raises(JarsUnavailable) as refused:
            store.ensure()
    message = str(refused.value)
    del refused
    gc.collect()
    place = f"Looked at {mirror.rstrip('/')}: "
    for part in ("1 of 2 jars", "g.h:other:1.0", str(store.directory), place, "MAVEN_MIRROR"):
        assert part in message


def test_a_cache_that_cannot_be_made_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JarsUnavailable, match=r"cannot be made: .*Name another"):
        JarStore(tmp_path / "file", None, LOCK).ensure()
