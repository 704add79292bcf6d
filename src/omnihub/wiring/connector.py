"""The process of one connector instance, and its check without side effects."""

import asyncio

import httpx

from omnihub.broker.memory import MemoryLog
from omnihub.broker.reader import KafkaGroupReader
from omnihub.connect.config import Instance, channels_of, maps_of
from omnihub.connect.refs import CrossReferences
from omnihub.connect.runtime import (
    ConnectorRuntime,
    Ports,
    commands_groups,
    commands_topic,
    http_client,
)
from omnihub.connect.sdk import Context, Finding
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.ops.observers import ConnectMetrics
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import appender_of, codec_of, reader_of
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.process import Process, begin, until_signalled


def run_connector(install: Installation, name: str, ops_port: int) -> None:
    """Run one instance until stopped."""
    instance = install.instance(name)
    process = begin(f"connector-{name}", install.settings, install.environ, ops_port)
    process.health.expect("log")
    asyncio.run(_run(process, install, instance))


async def _run(process: Process, install: Installation, instance: Instance) -> None:
    codec, vault = codec_of(install), vault_of(install)
    cluster = install.cluster()
    topics = [commands_topic(instance)]
    commands = {
        lane: await KafkaGroupReader.join(cluster, topics, codec, group, instance.id)
        for lane, group in commands_groups(instance).items()
    }
    try:
        async with appender_of(install, codec) as appender, until_signalled() as stop:
            ports = Ports(
                reader=reader_of(install, codec),
                appender=appender,
                commands=commands,
                network=httpx.AsyncHTTPTransport(),
                observer=ConnectMetrics(process.metrics),
                open_record=Sealer(vault).open_record,
                digest=tokens_of(install, vault).digest,
            )
            known = install.instances
            refs = CrossReferences(maps_of(known), channels_of(known))
            runtime = ConnectorRuntime(instance, ports, refs)
            process.health.works("log")
            process.health.neighbour(instance.id, lambda: "; ".join(runtime.faults()) or None)
            await runtime.run(stop)
    finally:
        for group in commands.values():
            await group.close()


async def check_connector(instance: Instance) -> list[Finding]:
    """Ask one instance how it is; needs no broker and changes nothing."""
    known = {instance.id: instance}
    refs = CrossReferences(maps_of(known), channels_of(known))
    nothing = MemoryLog(Topics.load())
    ports = Ports(nothing, nothing, {}, httpx.AsyncHTTPTransport())
    async with http_client(instance, ports) as http:
        context = Context(instance.tenant, instance.id, refs.of(instance.id), http)
        connector = instance.connector(instance.config, context)
        return await connector.check()
