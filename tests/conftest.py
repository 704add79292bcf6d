"""The real Kafka of every lab test and chaos scenario.

Order: the cluster named by `OMNIHUB_KAFKA__BOOTSTRAP`; a container where a Docker engine answers;
the embedded Kafka on free ports in a temporary directory. The tests cannot tell which.
"""

import os
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import uvicorn

from omnihub.broker.clients import Cluster
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.jars import packaged_lock
from omnihub.broker.node import HOST, NodeIdentity, NodeSpec, new_cluster_id, server_properties
from omnihub.broker.rawlog import KafkaRawLog
from omnihub.broker.tcp import choose_free
from omnihub.contracts.registry.app import registry_app
from omnihub.contracts.registry.service import Registry


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka shared by the whole run: use `topic_prefix` to stay apart."""
    if given := os.environ.get("OMNIHUB_KAFKA__BOOTSTRAP"):
        yield given
    elif docker_answers():
        with container_kafka() as bootstrap:
            yield bootstrap
    else:
        kafka = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
        yield kafka.start().bootstrap
        kafka.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A name that no other test uses, for topics, groups and transactional ids."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A started embedded Kafka of this test alone, which it may stop, kill and start again."""
    kafka = EmbeddedKafka(tmp_path / "own-kafka")
    kafka.start()
    yield kafka
    kafka.kill()


@pytest.fixture
def registry_on() -> Callable[[Cluster, str], AbstractContextManager[str]]:
    """Call it with a cluster and a topic for the URL of a registry that lives inside `with`."""
    return serving_registry


def docker_answers() -> bool:
    """Tell whether containers can be started here."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0


@contextmanager
def container_kafka() -> Iterator[str]:
    """Run the same release with the same settings in a container, on a port of this machine."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    port = choose_free(HOST)
    identity = NodeIdentity(1, new_cluster_id(), port, controller_port=9093)
    container = (
        DockerContainer(f"apache/kafka:{packaged_lock().kafka_version}")
        .with_bind_ports(port, port)
        .with_env("CLUSTER_ID", identity.cluster_id)
    )
    properties = server_properties(NodeSpec(), identity, "/tmp/kafka-data")
    listeners = f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://{HOST}:9093"
    for name, value in {**properties, "listeners": listeners}.items():
        container = container.with_env("KAFKA_" + name.replace(".", "_").upper(), value)
    with container:
        wait_for_logs(container, "Kafka Server started", timeout=60)
        yield identity.bootstrap


@contextmanager
def serving_registry(cluster: Cluster, topic: str) -> Iterator[str]:
    """The embedded registry on a free port; its URL."""
    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    app = registry_app(Registry(KafkaRawLog(cluster, topic)))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()
