"""Ends the old life of a broker that was killed, before its next one begins.

Why: a single node that starts again within its broker session still counts as leader of every
partition. It resumes or aborts the transactions it finds, is fenced a moment later, meets
partitions without a leader, takes them for deleted and drops their markers ("these partitions are
likely deleted already and hence can be skipped"). The transaction then stays open for ever: its
partitions stop at their last stable offset and the group's offsets stay unstable (seen on 4.3.1).
So after an unclean stop the controller runs alone until it has fenced the old registration and has
written that down: its log tells first, and stopped 40 ms later it had not (seen on a busy machine).
Guarantees: no broker starts on metadata that still calls it a leader. Does not: apply to several
voters, where the others fence a dead broker.
"""

import subprocess
import time
from pathlib import Path

from omnihub.broker import jvm

_SESSION_MS = 500
_POLL_S = 0.05
_TIMEOUT_S = 20.0
_STOP_S = 10.0
_IDLE_MS = 100
_WRITES = 3
"""Records are written in order, and one without meaning every `_IDLE_MS`: what was told before the
first of so many writes is among them."""
_BROKER_ONLY = (
    "process.roles",
    "listeners",
    "advertised.listeners",
    "inter.broker.listener.name",
    "broker.session.timeout.ms",
    "broker.heartbeat.interval.ms",
)


def controller_properties(properties: dict[str, str], controller: str) -> dict[str, str]:
    """Return the configuration of the node as a controller only, with a short broker session."""
    kept = {name: value for name, value in properties.items() if name not in _BROKER_ONLY}
    return {
        **kept,
        "process.roles": "controller",
        "listeners": f"CONTROLLER://{controller}",
        "broker.session.timeout.ms": str(_SESSION_MS),
        "broker.heartbeat.interval.ms": str(_SESSION_MS // 4),
        "metadata.max.idle.interval.ms": str(_IDLE_MS),
    }


def fence_old_broker(
    launch: jvm.Launch, properties: Path, metadata: Path, node_id: int, inherit: int
) -> bool:
    """Run the controller alone until it has fenced broker `node_id`; tell whether it did.

    `metadata` is the folder of its log. It does nothing when the broker was fenced already: then
    the wait ends by its timeout.
    """
    start = launch.log.stat().st_size if launch.log.exists() else 0
    process = jvm.spawn(launch, properties, inherit)
    try:
        return _wait_for_fence(process, launch.log, start, node_id) and wait_until_written(
            process, metadata
        )
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)


def _wait_for_fence(process: subprocess.Popen[bytes], log: Path, start: int, node_id: int) -> bool:
    fenced = f"Fencing broker {node_id} at epoch".encode()
    active = b"Performing controller activation"
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with log.open("rb") as file:
            file.seek(start)
            said = file.read()
        if fenced in said:
            return True
        if active in said:
            # A broker that is fenced already is not fenced again.
            deadline = min(deadline, time.monotonic() + 12 * _SESSION_MS / 1000)
            active = b"\0never"
        time.sleep(_POLL_S)
    return False


def wait_until_written(process: subprocess.Popen[bytes], metadata: Path) -> bool:
    """Return once the controller has written what it told of so far; False if it does not."""
    deadline = time.monotonic() + _TIMEOUT_S
    size, writes = _size(metadata), 0
    while time.monotonic() < deadline and process.poll() is None:
        now = _size(metadata)
        if now > size:
            size, writes = now, writes + 1
        if writes >= _WRITES:
            return True
        time.sleep(_POLL_S)
    return False


def _size(metadata: Path) -> int:
    return sum(segment.stat().st_size for segment in metadata.glob("*.log"))
