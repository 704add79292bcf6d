"""A client that is not ours: librdkafka's transactional producer, as others would use it."""

from typing import Any

from omnihub.broker.clients import Cluster, plain_producer


def transactional_producer(cluster: Cluster, transactional_id: str) -> dict[str, Any]:
    """Return its settings."""
    return {
        **plain_producer(cluster),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 5_000,
    }
