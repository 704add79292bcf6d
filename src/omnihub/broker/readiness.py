"""Waits until clients can use brokers that were just started."""

import subprocess
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from omnihub.broker.errors import BrokerStartFailed

_ASK_TIMEOUT_S = 0.5


def wait_until_ready(
    process: subprocess.Popen[bytes],
    bootstrap: str,
    node_id: int,
    timeout_s: float,
    *,
    cluster_id: str,
) -> None:
    """Return once the broker answers and counts itself among the cluster's live brokers.

    Another cluster's broker, which held this port a moment longer, is not taken for it.

    Raises `BrokerStartFailed` when its process ends first, or after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    admin = _impatient_client(bootstrap)
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BrokerStartFailed(
                f"Kafka on {bootstrap} ended while starting (exit {process.returncode})"
            )
        if _is_live(admin, node_id, cluster_id):
            return
    raise BrokerStartFailed(f"Kafka on {bootstrap} was not ready after {timeout_s:g} s")


def wait_until_live(bootstrap: str, node_ids: set[int], timeout_s: float) -> None:
    """Return once all `node_ids` are among the cluster's live brokers.

    Raises `BrokerStartFailed` after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    admin = _impatient_client(bootstrap)
    while not all(_is_live(admin, node_id) for node_id in node_ids):
        if time.monotonic() > deadline:
            raise BrokerStartFailed(
                f"Nodes {sorted(node_ids)} of {bootstrap} were not all live after {timeout_s:g} s"
            )


def _is_live(admin: AdminClient, node_id: int, cluster_id: str | None = None) -> bool:
    """A broker that still recovers its log answers, but is not yet listed."""
    asked_at = time.monotonic()
    try:
        answer = admin.list_topics(timeout=_ASK_TIMEOUT_S)
    except KafkaException:
        return False
    if node_id in answer.brokers and cluster_id in (None, answer.cluster_id):
        return True
    time.sleep(max(0.0, 0.05 - (time.monotonic() - asked_at)))
    return False


def _impatient_client(bootstrap: str) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            # Refused connections are what is waited out here; they are no news.
            "log_level": 0,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 50,
            "socket.timeout.ms": 2000,
        }
    )
