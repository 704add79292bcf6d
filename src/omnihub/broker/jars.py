"""Fetches Kafka's jars once and proves them against our own lock at every use.

Guarantees: what `JarStore.ensure` returns has, byte for byte, the size and SHA-512 of
`kafka.lock`. A jar that is missing, truncated or altered is fetched again; a download becomes
visible only after it was verified, so an interrupted one leaves nothing that looks complete.

Does not guarantee that the jars are free of faults: the lock pins versions, a maintainer renews it
with `tools/lock_kafka.py`.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jgo.maven import MavenContext

from omnihub.broker.errors import JarsUnavailable

DOWNLOAD_THREADS = 4
ATTEMPTS = 3
TIMEOUT_S = 20
PAUSE_S = 0.2

Progress = Callable[[int, int, str], None]
"""Called with (jars proven so far, jars in all, the coordinate just proven)."""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of `kafka.lock`: `group:artifact:version sha512:HEX size`."""

    group: str
    artifact: str
    version: str
    sha512: str
    size_bytes: int

    @property
    def coordinate(self) -> str:
        """`group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def filename(self) -> str:
        """The name in the cache; `ensure` proves that no two jars of a lock share one."""
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, slots=True)
class KafkaLock:
    """The jars of one Kafka release."""

    jars: tuple[LockedJar, ...]

    @property
    def kafka_version(self) -> str:
        """The release that these jars make."""
        return next(jar.version for jar in self.jars if jar.artifact == "kafka_2.13")


def parse_lock(text: str) -> KafkaLock:
    """Read a lock; lines that start with `#` are comments."""
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinate, digest, size = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(
                LockedJar(group, artifact, version, digest.removeprefix("sha512:"), int(size))
            )
    return KafkaLock(tuple(jars))


def packaged_lock() -> KafkaLock:
    """Return the lock of the Kafka that this OmniHub was tested with."""
    return parse_lock(files("omnihub.broker").joinpath("kafka.lock").read_text())


def default_cache() -> Path:
    """Return the user's cache folder for Kafka's jars (`XDG_CACHE_HOME` is respected)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "omnihub" / "kafka"


class JarStore:
    """The jars of one lock in `<cache>/<kafka version>/`, fetched on demand.

    `maven_mirror` is the base address of a Maven repository to use instead of Maven Central; the
    usual proxy variables hold for both.
    """

    def __init__(
        self,
        cache: Path | None = None,
        maven_mirror: str | None = None,
        lock: KafkaLock | None = None,
    ) -> None:
        self.lock = packaged_lock() if lock is None else lock
        self.directory = (cache or default_cache()) / self.lock.kafka_version
        self._remotes = {"mirror": maven_mirror.rstrip("/")} if maven_mirror else None

    def ensure(self, progress: Progress | None = None) -> tuple[Path, ...]:
        """Return the paths of all jars, proven; fetch what is missing or wrong.

        Raises `JarsUnavailable` naming what is missing and where it was looked for.
        """
        self._create_directory()
        bad = [jar for jar in self.lock.jars if not matches(self.directory / jar.filename, jar)]
        report = progress or _silent
        total, proven = len(self.lock.jars), len(self.lock.jars) - len(bad)
        report(proven, total, "")
        if bad:
            self._fetch_all(bad, lambda done, name: report(proven + done, total, name))
        return tuple(self.directory / jar.filename for jar in self.lock.jars)

    def _create_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JarsUnavailable(
                f"The folder for Kafka's jars, {self.directory}, cannot be made: {error}. "
                "Name another one (OMNIHUB_KAFKA__JAR_CACHE)."
            ) from error

    def _fetch_all(self, jars: Sequence[LockedJar], fetched: Callable[[int, str], None]) -> None:
        missing = list(jars)
        with (
            tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.directory) as staging,
            ThreadPoolExecutor(DOWNLOAD_THREADS) as threads,
        ):
            waiting = {threads.submit(self._fetch, jar, Path(staging)): jar for jar in jars}
            try:
                for future in as_completed(waiting):
                    jar = waiting[future]
                    if (error := future.exception()) is not None:
                        raise self._unavailable(missing, jar, error) from error
                    missing.remove(jar)
                    fetched(len(jars) - len(missing), jar.coordinate)
            finally:  # the first failure, or Ctrl-C, must not wait for forty more downloads
                threads.shutdown(cancel_futures=True)

    def _fetch(self, jar: LockedJar, staging: Path) -> None:
        """Download into `staging`, prove, then rename: the cache never holds half a jar."""
        for attempt in range(1, ATTEMPTS + 1):
            maven = self._maven(staging / str(attempt))
            try:
                component = maven.project(jar.group, jar.artifact).at_version(jar.version)
                downloaded: Path = component.artifact().resolve()
            except (OSError, RuntimeError):  # jgo's for the network, and for any status but 200
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_S)
                continue
            if matches(downloaded, jar):
                downloaded.replace(self.directory / jar.filename)
                return
        raise ValueError(f"{ATTEMPTS} downloads differ from the locked size or SHA-512")

    def _maven(self, repo_cache: Path) -> MavenContext:
        return MavenContext(
            repo_cache=repo_cache, local_repos=[], remote_repos=self._remotes, timeout=TIMEOUT_S
        )

    def _unavailable(
        self, missing: Sequence[LockedJar], first: LockedJar, error: BaseException
    ) -> JarsUnavailable:
        others = [jar.coordinate for jar in missing if jar != first][:3]
        more = len(missing) - 1 - len(others)
        names = ", ".join([first.coordinate, *others]) + (f" and {more} more" if more else "")
        looked = ", ".join(self._maven(self.directory).remote_repos.values())
        return JarsUnavailable(
            f"Kafka {self.lock.kafka_version} needs {len(missing)} of {len(self.lock.jars)} jars "
            f"that are not in {self.directory}: {names}. Looked at {looked}: {_root_cause(error)}. "
            "Check the network (HTTPS_PROXY is respected), name a reachable Maven repository "
            "(OMNIHUB_KAFKA__MAVEN_MIRROR), copy the folder from a machine that has it, or use a "
            "running Kafka (OMNIHUB_KAFKA__BOOTSTRAP)."
        )


def matches(path: Path, jar: LockedJar) -> bool:
    """Tell whether the file has exactly the locked size and SHA-512."""
    try:
        if path.stat().st_size != jar.size_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha512").hexdigest() == jar.sha512
    except FileNotFoundError:
        return False


def _root_cause(error: BaseException) -> str:
    """Return what the innermost error says: the outer ones repeat addresses and object ids."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__


def _silent(done: int, total: int, coordinate: str) -> None:
    """Report progress to nobody."""
