"""The process that serves the HTTP API."""

import asyncio
import time
from collections.abc import Sequence

from omnihub.api.app import create_app
from omnihub.api.feed import ChangeFeed
from omnihub.api.parts import Parts
from omnihub.broker.appender import KafkaAppender
from omnihub.connect.ingress import Ingress
from omnihub.contracts.sealing import Sealer
from omnihub.model.records import ParkedBody, ParkedRecord
from omnihub.ops.observers import ConnectMetrics
from omnihub.views.queries import Views
from omnihub.views.requests import Requests
from omnihub.views.schema import open_views
from omnihub.wiring.hospital import bodies_of
from omnihub.wiring.http import serving
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import appender_of, codec_of, reader_of
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.process import (
    Process,
    begin,
    first_of,
    guard_of,
    persist,
    until_signalled,
)


def run_api(install: Installation, ops_port: int) -> None:
    """Serve until stopped."""
    process = begin("api", install.settings, install.environ, ops_port)
    process.health.expect("feed")
    asyncio.run(_run(process, install))


async def _run(process: Process, install: Installation) -> None:
    codec = codec_of(install)
    install.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_views(install.views_url)
    views = Views(engine, install.tenant)
    feed = ChangeFeed(reader_of(install, codec), views)
    async with appender_of(install, codec) as appender, until_signalled() as stop:
        app = create_app(_parts(process, install, views, Requests(engine), feed, appender))
        api = install.settings.api
        async with serving(app, "api", api.host, api.port):
            await first_of(
                stop,
                persist("feed", process.health, feed.run, stop),
                _ready_when_caught_up(process, feed),
            )


async def _ready_when_caught_up(process: Process, feed: ChangeFeed) -> None:
    await feed.is_caught_up.wait()
    process.health.works("feed")


def _parts(
    process: Process,
    install: Installation,
    views: Views,
    requests: Requests,
    feed: ChangeFeed,
    appender: KafkaAppender,
) -> Parts:
    limit = install.settings.api.body_limit_bytes
    observer = ConnectMetrics(process.metrics)
    vault = vault_of(install)
    return Parts(
        tenant=install.tenant,
        instances=frozenset(install.instances),
        views=views,
        appender=appender,
        feed=feed,
        ingress=Ingress(install.instances, appender, observer=observer, limit_bytes=limit),
        guard=guard_of(install.settings, install.environ),
        metrics=process.metrics,
        health=process.health,
        targets=lambda: _targets(install),
        now_us=lambda: time.time_ns() // 1000,
        tokens=tokens_of(install, vault),
        sealer=Sealer(vault),
        codec=codec_of(install),
        topics=install.topics,
        body_of=lambda head: _body_of(install, head),
        requests=requests,
        stores=install.store_locations(),
        body_limit_bytes=limit,
    )


def _body_of(install: Installation, head: ParkedRecord) -> ParkedBody | None:
    """Read what a parked record holds; in a thread of its own, so with a codec of its own."""
    return bodies_of(install, codec_of(install), [head]).get(head.queue_index)


def _targets(install: Installation) -> Sequence[tuple[str, str]]:
    run = install.run()
    return [(row.name, f"127.0.0.1:{row.port}") for row in run.processes] if run else []
