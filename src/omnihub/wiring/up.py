"""`omnihub up`: prepares the installation and keeps all its processes running.

Guarantees: one `up` per data directory; topics exist before any client starts and schemas are
registered before any record is written; run.json tells the state at every change and is gone
after the end; a data folder of another format is opened by its rules or not touched (`datafolder`).
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from omnihub.broker import datalock
from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster
from omnihub.broker.datadir import DataDir
from omnihub.contracts.registry_client import RegistryClient
from omnihub.model.errors import OmniHubError
from omnihub.ops.health import Health
from omnihub.ops.keys import KeyRing
from omnihub.ops.metrics import Metrics
from omnihub.ops.runfile import ProcessRow, RunState, clear_run, write_run
from omnihub.ops.server import serve_ops
from omnihub.ops.supervise import Child, Supervisor, Surroundings
from omnihub.wiring.datafolder import open_folder
from omnihub.wiring.installation import Installation, kafka_dir
from omnihub.wiring.log import note_ids
from omnihub.wiring.plan import HOST, REST, Plan, plan_run
from omnihub.wiring.process import guard_of, until_signalled

OnState = Callable[[RunState], None]
_LEFTOVER_WAIT_S = 15.0
_GIVEN_KAFKA_PATIENCE_S = 5.0


class AlreadyUp(OmniHubError):
    """Another `omnihub up` works on the same data."""


@contextmanager
def sole_run(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for one `omnihub up`.

    Raises:
        AlreadyUp: another one has it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with datalock.held(data_dir / "up.lock", wait_s=0.2) as lock:
        if lock is None:
            raise AlreadyUp(
                f"`omnihub up` already runs on {data_dir}. Use it, stop it, or set data_dir."
            )
        yield


def run_up(install: Installation, on_key: Callable[[str], None], on_state: OnState) -> None:
    """Run everything until SIGINT or SIGTERM.

    Raises `LogUnavailable` if a given cluster is away, `WrongFormat` if the folder is not for us.

    `on_key` gets the first admin key, once in the life of an installation; `on_state` every state.
    """
    with sole_run(install.data_dir):
        open_folder(install.data_dir)
        if (key := KeyRing(install.data_dir).ensure_admin()) is not None:
            on_key(key)
        _await_leftover_kafka(install)
        _ask_given_kafka(install)
        asyncio.run(_Run(install, plan_run(install), on_state).run())


def _ask_given_kafka(install: Installation) -> None:
    """A cluster that is not ours must answer before anything starts: no restart would mend it."""
    if install.settings.kafka.bootstrap:
        TopicAdmin(install.cluster()).names(_GIVEN_KAFKA_PATIENCE_S)


def _await_leftover_kafka(install: Installation) -> None:
    """A killed `up` leaves a Kafka that is just stopping; let it."""
    if (install.data_dir / "run.json").exists() and install.run() is None:
        lock = DataDir(kafka_dir(install.settings)).lock
        if lock.exists():
            datalock.wait_released(lock, _LEFTOVER_WAIT_S)


class _Run:
    def __init__(self, install: Installation, plan: Plan, on_state: OnState) -> None:
        self._install = install
        self._plan = plan
        self._on_state = on_state
        self._started_at_us = time.time_ns() // 1000
        self._metrics = Metrics()
        self._ready = asyncio.Event()
        around = Surroundings(install.data_dir / "logs", plan.environ, plan.token)
        stages = {REST: self._prepare}
        self._supervisor = Supervisor(plan.specs, around, self._changed, stages)

    async def run(self) -> None:
        settings, environ = self._install.settings, self._plan.environ
        health = Health("up")
        health.probe("processes", self._not_ready)
        may_read = guard_of(settings, environ).may_read
        server = serve_ops(HOST, self._plan.own_port, self._metrics, health, may_read)
        try:
            async with until_signalled() as stop, asyncio.TaskGroup() as group:
                announcing = group.create_task(self._announce_ready())
                await self._supervisor.run(stop, self._ready)
                announcing.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            server.close()
            clear_run(self._install.data_dir)

    async def _announce_ready(self) -> None:
        await self._ready.wait()
        self._publish()

    async def _prepare(self) -> None:
        """Make topics and register schemas, side by side: neither needs the other."""
        topics = self._install.topic_specs()
        admin, client = TopicAdmin(self._cluster()), RegistryClient(self._plan.registry_url)
        _, ids = await asyncio.gather(
            asyncio.to_thread(admin.ensure_topics, topics),
            asyncio.to_thread(client.register_all, topics),
        )
        note_ids(self._install.data_dir, self._plan.token, ids)

    def _cluster(self) -> Cluster:
        if self._install.settings.kafka.bootstrap:
            return self._install.cluster()
        return Cluster(self._plan.bootstrap)

    def _changed(self, child: Child) -> None:
        if child.failing.startswith("ended") and child.pid is None:
            self._metrics.process_restarts.labels(child.spec.name).inc()
        self._publish()

    def _publish(self) -> None:
        state = self._state()
        write_run(self._install.data_dir, state)
        self._on_state(state)

    def _not_ready(self) -> str | None:
        waiting = [c.spec.name for c in self._supervisor.children if c.state != "ready"]
        return f"not ready: {', '.join(waiting)}" if waiting else None

    def _state(self) -> RunState:
        rows = tuple(
            ProcessRow(
                name=child.spec.name,
                state=child.state,
                pid=child.pid,
                port=child.spec.port,
                restarts=child.restarts,
                failing=child.failing,
            )
            for child in self._supervisor.children
        )
        return RunState(
            pid=os.getpid(),
            started_at_us=self._started_at_us,
            config=str(self._install.loaded.path),
            bootstrap=self._plan.bootstrap,
            registry_url=self._plan.registry_url,
            api_url=self._plan.api_url,
            token=self._plan.token,
            ready=self._ready.is_set(),
            processes=rows,
        )
