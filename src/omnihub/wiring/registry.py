"""The process of the embedded schema registry."""

import asyncio

from omnihub.broker.rawlog import KafkaRawLog
from omnihub.contracts.registry.app import registry_app
from omnihub.contracts.registry.service import Registry
from omnihub.wiring.http import serving
from omnihub.wiring.installation import Installation
from omnihub.wiring.plan import HOST
from omnihub.wiring.process import Process, begin, until_signalled


def run_registry(install: Installation, ops_port: int) -> None:
    """Serve until stopped."""
    process = begin("registry", install.settings, install.environ, ops_port)
    process.health.expect("schemas")
    asyncio.run(_run(process, install))


async def _run(process: Process, install: Installation) -> None:
    registry = Registry(KafkaRawLog(install.cluster()))
    async with (
        until_signalled() as stop,
        serving(registry_app(registry), "registry", HOST, install.settings.registry.port),
    ):
        # The first question makes it read its topic.
        await asyncio.to_thread(registry.subjects)
        process.health.works("schemas")
        await stop.wait()
