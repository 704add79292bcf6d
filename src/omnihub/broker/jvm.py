"""Starts, recognises and signals the broker's JVM."""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omnihub.broker.datadir import alarming_lines
from omnihub.broker.errors import BrokerStartFailed

BROKER_CLASS = "kafka.Kafka"
FORMAT_CLASS = "kafka.tools.StorageTool"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run a class of Kafka: the launcher, the jars, the options and where output goes."""

    java: Path
    jars: Sequence[Path]
    heap_mb: int
    log: Path

    def command(self, main_class: str, *arguments: str) -> list[str]:
        """Return the command line."""
        return [
            str(self.java),
            f"-Xmx{self.heap_mb}m",
            f"-Xms{min(128, self.heap_mb)}m",
            # A single node on somebody's machine: the thorough compiler and its parallel collector
            # took a core for its first minutes, from the very processes that wait for the broker.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            # Half a broker is worse than none: its peers see a dead one at once.
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
            # These two write their whole configuration, 100 KB, at every start.
            "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
            *("-cp", os.pathsep.join(map(str, self.jars))),
            main_class,
            *arguments,
        ]


def format_storage(
    launch: Launch, properties: Path, cluster_id: str, features: Sequence[str] = ()
) -> None:
    """Write the metadata that an empty data directory needs; one that has it stays as it is."""
    levels = [argument for feature in features for argument in ("--feature", feature)]
    command = launch.command(
        *(FORMAT_CLASS, "format", "--ignore-formatted", "-t", cluster_id),
        *("-c", str(properties), *levels),
    )
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=properties.parent
    )
    if done.returncode != 0:
        last = "\n  ".join(alarming_lines((done.stdout + done.stderr).splitlines()))
        raise BrokerStartFailed(f"Kafka refused the settings in {properties}:\n  {last}")


def spawn(launch: Launch, properties: Path, inherit: int) -> subprocess.Popen[bytes]:
    """Start the broker detached from this process, passing on the descriptor `inherit`."""
    with launch.log.open("ab") as log:
        process = subprocess.Popen(
            launch.command(BROKER_CLASS, str(properties)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=properties.parent,
            pass_fds=(inherit,),
            start_new_session=True,
        )
    # The broker outlives the call that started it; whoever ends it, it must not stay a zombie.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process


def is_broker(pid: int, properties: Path) -> bool:
    """Tell whether `pid` runs the broker of these properties, and not a later process."""
    command = command_line(pid)
    return BROKER_CLASS in command and str(properties) in command


def command_line(pid: int) -> list[str]:
    """Return a process's arguments; empty if there is no such process."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        try:
            return os.fsdecode((proc / str(pid) / "cmdline").read_bytes()).split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    asked = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.split()


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may just have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
