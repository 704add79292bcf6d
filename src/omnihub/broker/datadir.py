"""The files that a node keeps: what it is, who runs it, its configuration, its log.

    node.json          cluster id and ports, for life       broker.lock   held by the running JVM
    running.json       the last start: pid, Java, version   kafka.log     what the broker says
    server.properties  written at every start               data/         Kafka's own files

`running.json` may outlive its broker; only the lock tells whether one runs.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from omnihub.broker.errors import BrokerError
from omnihub.broker.node import NodeIdentity, RunningKafka

LOG_LIMIT_BYTES = 20 * 1024 * 1024
_QUOTED_LINES = 5
_ALARMS = (" ERROR ", " FATAL ", "Exception", "Error:", "Error occurred")

Document = TypeVar("Document", NodeIdentity, RunningKafka)


class DataDir:
    """A node's data directory; holds paths only, every question is answered from the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.lock = self.path / "broker.lock"
        self.log = self.path / "kafka.log"
        self.properties = self.path / "server.properties"
        self.fencing_properties = self.path / "fencing.properties"
        self.kafka = self.path / "data"
        self.metadata = self.kafka / "__cluster_metadata-0"
        self._identity = self.path / "node.json"
        self._running = self.path / "running.json"

    def create(self) -> None:
        """Make the directory, or say why it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock.touch()
        except OSError as error:
            raise BrokerError(
                f"Kafka's data directory {self.path} cannot be written: {error}. "
                "Name another one, or mend its owner and permissions."
            ) from error

    @property
    def formatted(self) -> bool:
        """Whether Kafka's own metadata exists (its last step of formatting)."""
        return (self.kafka / "meta.properties").exists()

    @property
    def was_killed(self) -> bool:
        """Whether a broker worked on the data and did not end by itself (Kafka leaves a mark)."""
        return self.metadata.exists() and not (self.kafka / ".kafka_cleanshutdown").exists()

    def identity(self) -> NodeIdentity | None:
        """Return what the first start chose; `None` before it."""
        return _read(self._identity, NodeIdentity)

    def remember(self, identity: NodeIdentity) -> None:
        """Keep the identity for every later start."""
        _write(self._identity, identity)

    def recorded(self) -> RunningKafka | None:
        """Return the last start; whether it still runs, only the lock tells."""
        return _read(self._running, RunningKafka)

    def record(self, running: RunningKafka) -> None:
        """Note a start."""
        _write(self._running, running)

    def forget_running(self) -> None:
        """Drop the note of an earlier start."""
        self._running.unlink(missing_ok=True)

    def rotate_log(self) -> int:
        """Set a large log aside (one older file is kept); return the size of the current one."""
        size = self.log.stat().st_size if self.log.exists() else 0
        if size <= LOG_LIMIT_BYTES:
            return size
        self.log.replace(self.log.with_suffix(".log.1"))
        return 0

    def last_errors(self, offset: int) -> str:
        """Quote the last errors that were logged after `offset`, or the last lines of all."""
        if not self.log.exists():
            return f"{self.log} does not exist"
        with self.log.open("rb") as file:
            file.seek(offset)
            lines = file.read().decode(errors="replace").splitlines()
        quoted = "\n  ".join(alarming_lines(lines))
        return f"{self.log} says:\n  {quoted}" if quoted else f"{self.log} is empty"


def alarming_lines(lines: Sequence[str]) -> Sequence[str]:
    """Return the last lines that tell of an error; if none does, the last lines of all."""
    alarms = [line for line in lines if any(alarm in line for alarm in _ALARMS)]
    return (alarms or lines)[-_QUOTED_LINES:]


def _read(path: Path, kind: type[Document]) -> Document | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise BrokerError(
            f"{path} is not readable ({error}). Restore it from a copy, or move the whole data "
            "directory away to start with an empty one."
        ) from error


def _write(path: Path, document: Document) -> None:
    """Replace the file in one step, so that a crash leaves the old or the new one."""
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
