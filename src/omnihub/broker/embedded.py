"""A real Apache Kafka on this machine, without Docker and without a Java of one's own.

Guarantees: the data survives stop, kill -9 and restart, ports included; two brokers never work on
one data directory; a start that fails leaves no process behind; everything binds 127.0.0.1.

Does not guarantee: one node survives kill -9 but not the loss of power (Kafka relies on replicas
for that), and it has no password: whoever can reach the loopback address can read it.
"""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from omnihub.broker import datalock, jvm, tcp
from omnihub.broker.datadir import DataDir
from omnihub.broker.errors import (
    BrokerAlreadyRunning,
    BrokerError,
    BrokerStartFailed,
    BrokerStopFailed,
    PortInUse,
)
from omnihub.broker.fencing import controller_properties, fence_old_broker
from omnihub.broker.jars import JarStore, Progress
from omnihub.broker.java import Java, find_java
from omnihub.broker.node import (
    HOST,
    NodeIdentity,
    NodeSpec,
    RunningKafka,
    new_cluster_id,
    render,
    server_properties,
)
from omnihub.broker.readiness import wait_until_ready

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
KILL_TIMEOUT_S = 10.0
# Longer than any `status` call holds the lock to look at it.
_LOCK_WAIT_S = 0.5
_RECOGNISE_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class KafkaStatus:
    """Whether a broker works on the data directory, and which."""

    data_dir: str
    running: bool
    broker: RunningKafka | None


@dataclass(frozen=True, slots=True)
class KafkaStopped:
    """What `stop` did: nothing (`pid` is `None`), a clean stop, or a kill after the timeout."""

    data_dir: str
    pid: int | None
    killed: bool
    took_s: float


@dataclass(frozen=True, slots=True)
class _Spawned:
    broker: RunningKafka
    process: subprocess.Popen[bytes]
    log_offset: int


class EmbeddedKafka:
    """One KRaft node, broker and controller in one JVM, over one data directory.

    Any process may stop or ask about a node that another one started: all state is on disk.
    """

    def __init__(
        self, data_dir: Path, spec: NodeSpec | None = None, jars: JarStore | None = None
    ) -> None:
        self._files = DataDir(data_dir)
        self._spec = spec or NodeSpec()
        self._jars = jars or JarStore()

    def start(
        self, timeout_s: float = START_TIMEOUT_S, progress: Progress | None = None
    ) -> RunningKafka:
        """Start the node and return when clients can use it.

        Raises `BrokerAlreadyRunning`, `PortInUse`, `JavaNotFound` or `JarsUnavailable` before any
        process starts, and `BrokerStartFailed` with the log's last errors after stopping it.
        """
        spawned = self._spawn(progress)
        broker = spawned.broker
        try:
            wait_until_ready(
                spawned.process,
                broker.bootstrap,
                broker.node_id,
                timeout_s,
                cluster_id=broker.cluster_id,
            )
        except BrokerStartFailed as error:
            self.kill()
            log = self._files.last_errors(spawned.log_offset)
            raise BrokerStartFailed(f"{error}. {log}") from error
        except BaseException:  # Ctrl-C while waiting must not leave a broker behind
            self.kill()
            raise
        return broker

    def launch(self, progress: Progress | None = None) -> RunningKafka:
        """Start the node without waiting: the first of several cannot become ready alone."""
        return self._spawn(progress).broker

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> KafkaStopped:
        """End the node with SIGTERM, after `timeout_s` with SIGKILL; return when it is gone."""
        return self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> KafkaStopped:
        """End the node with SIGKILL, as a crash would; return when it is gone."""
        return self._end(signal.SIGKILL, KILL_TIMEOUT_S)

    def status(self) -> KafkaStatus:
        """Tell who works on the data now; a note that a dead broker left behind does not count."""
        running = datalock.is_held(self._files.lock)
        broker = self._files.recorded() if running else None
        return KafkaStatus(str(self._files.path), running, broker)

    def _spawn(self, progress: Progress | None) -> _Spawned:
        files = self._files
        with self._sole_owner() as lock:
            identity = self._settle_identity()
            java, jars = find_java(), self._jars.ensure(progress)
            launch = jvm.Launch(java.path, jars, self._spec.heap_mb, files.log)
            files.properties.write_text(
                render(server_properties(self._spec, identity, files.kafka.name))
            )
            if not files.formatted:
                jvm.format_storage(
                    launch, files.properties, identity.cluster_id, self._spec.features
                )
            log_offset = files.rotate_log()
            if files.was_killed and not self._spec.voters:
                self._fence(launch, identity, lock)
            process = jvm.spawn(launch, files.properties, inherit=lock)
            broker = self._describe(identity, java, process.pid)
            files.record(broker)
        return _Spawned(broker, process, log_offset)

    def _fence(self, launch: jvm.Launch, identity: NodeIdentity, lock: int) -> None:
        properties = server_properties(self._spec, identity, self._files.kafka.name)
        controller = f"{HOST}:{identity.controller_port}"
        path = self._files.fencing_properties
        path.write_text(render(controller_properties(properties, controller)))
        fence_old_broker(launch, path, self._files.metadata, identity.node_id, lock)

    def _describe(self, identity: NodeIdentity, java: Java, pid: int) -> RunningKafka:
        return RunningKafka(
            bootstrap=identity.bootstrap,
            pid=pid,
            port=identity.port,
            controller_port=identity.controller_port,
            node_id=identity.node_id,
            cluster_id=identity.cluster_id,
            kafka_version=self._jars.lock.kafka_version,
            java=str(java.path),
            java_major=java.major,
            data_dir=str(self._files.path),
            log=str(self._files.log),
        )

    @contextmanager
    def _sole_owner(self) -> Iterator[int]:
        """Hold the data's lock until the JVM has inherited it."""
        self._files.create()
        with datalock.held(self._files.lock, _LOCK_WAIT_S) as lock:
            if lock is None:
                raise BrokerAlreadyRunning(self._whose())
            self._files.forget_running()
            yield lock

    def _whose(self) -> str:
        broker, path = self._files.recorded(), self._files.path
        if broker is None:
            return f"Another process is starting a Kafka on {path}. Wait for it, or end it."
        return (
            f"A Kafka already runs on {path}: pid {broker.pid}, {broker.bootstrap}. "
            "Use it, stop it first, or name another data directory."
        )

    def _settle_identity(self) -> NodeIdentity:
        """Remember what was asked for or chosen, after proving that both ports are free."""
        known = self._files.identity()
        if known is not None and known.node_id != self._spec.node_id:
            raise BrokerError(
                f"{self._files.path} belongs to node {known.node_id}, not to node "
                f"{self._spec.node_id}. Name another data directory."
            )
        identity = self._choose(known)
        for port in (identity.port, identity.controller_port):
            if not tcp.is_free(HOST, port):
                raise PortInUse(
                    f"Port {port} on {HOST}, which the Kafka of {self._files.path} needs, is in "
                    "use by another program. End that program, or start with another port."
                )
        self._files.remember(identity)
        return identity

    def _choose(self, known: NodeIdentity | None) -> NodeIdentity:
        spec = self._spec
        if known is not None:
            return replace(
                known,
                port=spec.port or known.port,
                controller_port=spec.controller_port or known.controller_port,
            )
        asked = {spec.port or 0, spec.controller_port or 0}
        port = spec.port or tcp.choose_free(HOST, asked)
        controller_port = spec.controller_port or tcp.choose_free(
            HOST, asked | {port}, tcp.CONTROLLERS
        )
        cluster_id = spec.cluster_id or new_cluster_id()
        return NodeIdentity(spec.node_id, cluster_id, port, controller_port)

    def _end(self, how: signal.Signals, timeout_s: float) -> KafkaStopped:
        began_at = time.monotonic()
        path, pid = str(self._files.path), self._running_pid()
        if pid is None:
            return KafkaStopped(path, None, killed=False, took_s=0.0)
        jvm.send(pid, how)
        gone = datalock.wait_released(self._files.lock, timeout_s)
        if not gone:
            jvm.send(pid, signal.SIGKILL)
            if not datalock.wait_released(self._files.lock, KILL_TIMEOUT_S):
                raise BrokerStopFailed(f"Kafka (pid {pid}) on {path} outlived SIGKILL.")
        killed = how is signal.SIGKILL or not gone
        return KafkaStopped(path, pid, killed, took_s=time.monotonic() - began_at)

    def _running_pid(self) -> int | None:
        """Return the pid that holds the lock, proven to be this data's broker; `None` if none."""
        deadline = time.monotonic() + _LOCK_WAIT_S
        while (status := self.status()).running:
            if status.broker and jvm.is_broker(status.broker.pid, self._files.properties):
                return status.broker.pid
            if time.monotonic() > deadline:
                raise BrokerStopFailed(
                    f"The data in {self._files.path} is in use, but not by the recorded broker "
                    f"(pid {status.broker and status.broker.pid}): it is still being started, or "
                    f"a process inherited {self._files.lock}. Wait, or find it with lsof."
                )
            time.sleep(_RECOGNISE_POLL_S)  # its first instants: neither recorded nor named yet
        return None


def kafka_start(
    data_dir: Path,
    *,
    spec: NodeSpec | None = None,
    jar_cache: Path | None = None,
    maven_mirror: str | None = None,
    timeout_s: float = START_TIMEOUT_S,
    progress: Progress | None = None,
) -> RunningKafka:
    """Start the Kafka of `data_dir`: `omnihub kafka start`. Errors as `EmbeddedKafka.start`."""
    jars = JarStore(jar_cache, maven_mirror)
    return EmbeddedKafka(data_dir, spec, jars).start(timeout_s, progress)


def kafka_stop(data_dir: Path, *, timeout_s: float = STOP_TIMEOUT_S) -> KafkaStopped:
    """Stop the Kafka of `data_dir`, whoever started it: `omnihub kafka stop`."""
    return EmbeddedKafka(data_dir).stop(timeout_s)


def kafka_status(data_dir: Path) -> KafkaStatus:
    """Tell whether a Kafka runs on `data_dir`: `omnihub kafka status`."""
    return EmbeddedKafka(data_dir).status()
