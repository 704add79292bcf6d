"""What lab tests share beside the real Kafka of `tests/conftest.py`."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import uvicorn

from omnihub.broker.clients import Cluster
from omnihub.broker.rawlog import KafkaRawLog
from omnihub.contracts.registry.app import registry_app
from omnihub.contracts.registry.service import Registry

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder as a lab test."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.lab)


@pytest.fixture
def registry_on() -> Callable[[Cluster, str], AbstractContextManager[str]]:
    """Call it with a cluster and a topic for the URL of a registry that lives inside `with`."""
    return serving_registry


@contextmanager
def serving_registry(cluster: Cluster, topic: str) -> Iterator[str]:
    """The embedded registry on a free port; its URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = registry_app(Registry(KafkaRawLog(cluster, topic)))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
