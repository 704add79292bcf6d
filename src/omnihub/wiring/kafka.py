"""The process that keeps the embedded Kafka running.

Guarantees: the broker ends with this process, also when the supervisor is killed; a broker that
an earlier, killed process left behind is adopted; if the JVM dies, this process ends too and is
started again.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.errors import BrokerError
from omnihub.broker.jars import JarStore, Progress
from omnihub.broker.node import NodeSpec
from omnihub.settings import Settings
from omnihub.wiring.process import Process, begin, until_signalled

_LOOK_EVERY_S = 0.5


def kafka_of(settings: Settings, data: Path) -> EmbeddedKafka:
    """Return the embedded Kafka of a configuration."""
    kafka = settings.kafka
    spec = NodeSpec(port=kafka.port or None, heap_mb=kafka.heap_mb)
    return EmbeddedKafka(data, spec, JarStore(kafka.jar_cache, kafka.maven_mirror))


def run_kafka(settings: Settings, data: Path, environ: Mapping[str, str], ops_port: int) -> None:
    """Run the broker until stopped.

    Raises:
        BrokerError: it cannot be started, or its JVM ended.
    """
    process = begin("kafka", settings, environ, ops_port)
    process.health.expect("broker")
    asyncio.run(_run(process, kafka_of(settings, data)))


async def _run(process: Process, kafka: EmbeddedKafka) -> None:
    async with until_signalled() as stop:
        if not kafka.status().running and not await _started(kafka, stop):
            return
        process.health.works("broker")
        try:
            while not stop.is_set() and kafka.status().running:
                await _pause(stop)
        finally:
            await asyncio.to_thread(kafka.stop)
        if not stop.is_set():
            raise BrokerError("Kafka's JVM ended by itself. See its log, kafka/*.log.")


async def _started(kafka: EmbeddedKafka, stop: asyncio.Event) -> bool:
    """Start the broker; False if told to stop meanwhile (nothing runs then)."""
    starting = asyncio.create_task(asyncio.to_thread(kafka.start))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        await asyncio.to_thread(kafka.kill)
        await asyncio.wait({starting})
        return False
    stopping.cancel()
    await starting
    return True


def start_kafka(settings: Settings, data: Path, progress: Progress | None) -> str:
    """Start the broker on its own and return its bootstrap: `omnihub kafka start`."""
    return kafka_of(settings, data).start(progress=progress).bootstrap


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_LOOK_EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
