"""The process that folds topics into the SQL views."""

import asyncio
import time
from functools import partial

from omnihub.ops.health import Health
from omnihub.ops.metrics import Metrics
from omnihub.views.fold import Fold, fold_forever
from omnihub.views.queries import Views
from omnihub.views.schema import open_views
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import codec_of, log_id_of, reader_of
from omnihub.wiring.process import Process, begin, first_of, persist, until_signalled

BACKLOG_EVERY_S = 5.0


def run_views(install: Installation, ops_port: int) -> None:
    """Fold until stopped."""
    process = begin("views", install.settings, install.environ, ops_port)
    process.health.expect("fold")
    asyncio.run(_run(process, install))


async def _run(process: Process, install: Installation) -> None:
    install.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_views(install.views_url)
    reader = reader_of(install, codec_of(install))
    fold = Fold(engine, log_id_of(install))
    told = partial(_told, process.metrics, process.health)
    views = Views(engine, install.tenant)
    async with until_signalled() as stop:
        await first_of(
            stop,
            persist("fold", process.health, lambda: fold_forever(fold, reader, told), stop),
            _export_backlog(views, process.metrics),
        )


def _told(metrics: Metrics, health: Health, entries: int) -> None:
    if entries == 0:
        health.works("fold")
    metrics.events_processed.labels("views", "applied").inc(entries)
    metrics.last_event_processed_timestamp_seconds.labels("views").set(time.time())


async def _export_backlog(views: Views, metrics: Metrics) -> None:
    """Export what is parked: the views are the one owner of these figures."""
    while True:
        metrics.hospital_backlog_records.clear()
        metrics.hospital_oldest_timestamp_seconds.clear()
        for backlog in views.hospital.backlog():
            metrics.hospital_backlog_records.labels(backlog.task).set(backlog.records)
            oldest = metrics.hospital_oldest_timestamp_seconds.labels(backlog.task)
            oldest.set(backlog.oldest_at_us / 1e6)
        await asyncio.sleep(BACKLOG_EVERY_S)
