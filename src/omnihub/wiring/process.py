"""What every process of the hub has around its work: logs, metrics, health, signals.

Guarantees: SIGTERM and SIGINT set `stop` and the work ends in its own time; /live answers from the
first moment; an outage is waited out and named by /ready.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from omnihub.contracts.native import CODEC
from omnihub.model.errors import RetryableError
from omnihub.ops.childhood import TOKEN_VARIABLE
from omnihub.ops.health import Health
from omnihub.ops.keys import Guard, KeyRing
from omnihub.ops.log import setup_logging
from omnihub.ops.metrics import Metrics
from omnihub.ops.server import OpsServer, serve_ops
from omnihub.settings import LogFormat, Settings

_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Process:
    """What one running process reports with."""

    metrics: Metrics
    health: Health
    server: OpsServer


def guard_of(settings: Settings, environ: Mapping[str, str]) -> Guard:
    """Return who may read and write over HTTP."""
    return Guard(KeyRing(settings.data_dir), environ.get(TOKEN_VARIABLE, ""))


def begin(name: str, settings: Settings, environ: Mapping[str, str], ops_port: int) -> Process:
    """Set up logging, metrics, health and the small HTTP server.

    Raises:
        PortTaken: `ops_port` is in use.
    """
    ops = settings.ops
    as_json = ops.log_format is LogFormat.JSON
    if ops.log_format is LogFormat.AUTO:
        as_json = not sys.stderr.isatty()
    setup_logging(name, json_lines=as_json, level=ops.log_level)
    metrics, health, guard = Metrics(CODEC), Health(name), guard_of(settings, environ)
    may_read = guard.may_read if ops.require_key else _everybody
    server = serve_ops("127.0.0.1", ops_port, metrics, health, may_read)
    structlog.get_logger().info("started", ops_port=server.port)
    return Process(metrics, health, server)


@asynccontextmanager
async def until_signalled() -> AsyncIterator[asyncio.Event]:
    """Yield an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def persist(
    part: str, health: Health, work: Callable[[], Awaitable[None]], stop: asyncio.Event
) -> None:
    """Run `work` again whenever an outage ends it; /ready names the part meanwhile."""
    while not stop.is_set():
        try:
            await work()
        except RetryableError as error:
            health.fails(part, str(error))
            structlog.get_logger().warning("waiting", part=part, why=str(error))
            await _pause(stop, error.retry_after_s or _PAUSE_S)


async def first_of(stop: asyncio.Event, *works: Awaitable[None]) -> None:
    """Run `works` until `stop`; an error of one ends all and is raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_awaited(work)) for work in works]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _everybody(_: str | None) -> bool:
    return True
