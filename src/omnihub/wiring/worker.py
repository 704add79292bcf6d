"""One worker process: every handler of the installation over the partitions of its slot.

Guarantees: no record is translated before the cross-references were read to their end; they are
followed in a thread of their own, so the loop never waits for them.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Sequence

from omnihub.broker.reader import KafkaReader
from omnihub.connect.config import channels_of, maps_of, understandings
from omnihub.connect.lanes import Lane
from omnihub.connect.observer import Observer
from omnihub.connect.personal import Tokens
from omnihub.connect.refs import CrossReferences
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.valve import Valve
from omnihub.contracts.codec import Codec
from omnihub.contracts.sealing import Sealer
from omnihub.engine.disk import DiskStores
from omnihub.engine.errors import StoreUnusable
from omnihub.engine.store import MemoryStores, Stores
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.ops.health import Health
from omnihub.ops.metrics import Metrics
from omnihub.ops.observers import ConnectMetrics, EngineMetrics
from omnihub.rules.carts import CartRule
from omnihub.rules.customers import CustomerRule
from omnihub.rules.identity import IdentityRule
from omnihub.rules.orders import OrderRule
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.product import ProductRule
from omnihub.rules.profiles import ProfileRule
from omnihub.rules.results import ResultsRule
from omnihub.rules.rule import Handler
from omnihub.rules.stock import StockRule
from omnihub.wiring.brake import SinkBrake
from omnihub.wiring.installation import WORKER_GROUP, Installation
from omnihub.wiring.log import ids_of
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.process import begin, persist

_LOOK_S = 0.02
FAILURES_IN_A_ROW = 2


def run_worker(install: Installation, slot: int, ops_port: int) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        SlotTaken, TaskRefused, InvariantBroken: see `Worker.run`.
    """
    process = begin(f"worker-{slot}", install.settings, install.environ, ops_port)
    process.health.expect("partitions")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ids = ids_of(install)
    refs = CrossReferences(maps_of(install.instances), channels_of(install.instances))
    # A codec each: they are not shared between threads.
    sealer = Sealer(vault := vault_of(install))
    reader = KafkaReader(install.cluster(), install.topics, Codec(ids, sealer))
    _follow(refs, reader, process.health, stop)
    worker = Worker(
        WorkerSettings(
            install.cluster(),
            WORKER_GROUP,
            slot_name(slot),
            commit_pause_s=install.settings.workers.commit_pause_ms / 1000,
            parked_limit=install.settings.workers.parked_limit,
        ),
        handlers(install, refs, ConnectMetrics(process.metrics), tokens_of(install, vault), sealer),
        Codec(ids, sealer),
        install.topics,
        resolver=refs.resolves,
        stores=stores_of(install, slot),
        observer=ReadyWhenAssigned(process.metrics, process.health),
        must_bulk_wait=SinkBrake(install, stop),
    )
    if not stop.is_set():
        worker.run(stop)


def stores_of(install: Installation, slot: int) -> Stores:
    """Return where the rows of this slot are kept."""
    workers = install.settings.workers
    if workers.rows == "memory":
        return MemoryStores()
    return DiskStores(install.data_dir / "state" / f"worker-{slot}", workers.cached_rows)


def slot_name(slot: int) -> str:
    """Return what this slot is called in the group: the same after a restart, never elsewhere."""
    return f"{socket.gethostname()}-{slot}"


def handlers(
    install: Installation,
    refs: CrossReferences,
    observer: Observer,
    tokens: Tokens,
    sealer: Sealer,
) -> Sequence[Handler]:
    """Return every handler that workers run."""
    connected: list[Handler] = []
    for connector in install.connector_types():
        known = understandings(install.instances, connector, refs, tokens)
        connected += [Split(connector, known, sealer.open_body, lane) for lane in Lane]
        connected.append(Valve(connector))
        connected.append(
            Translate(
                connector,
                known,
                install.topics.inbox_of,
                observer,
                sealer.open_body,
                tokens.digest,
            )
        )
    return [*connected, *rules_of(install)]


def rules_of(install: Installation) -> list[Handler]:
    """Return one rule for each of `installation.RULES`."""
    return [
        ProductRule(),
        StockRule(install.stock_policy()),
        OrderRule(install.order_policy()),
        CartRule(),
        CustomerRule(),
        IdentityRule(),
        ProfileRule(),
        ResultsRule(),
        OutboundRule(),
    ]


def _follow(
    refs: CrossReferences, reader: KafkaReader, health: Health, stop: threading.Event
) -> None:
    """Follow the cross-references in a thread; return when they are read to their end."""
    threading.Thread(
        target=lambda: asyncio.run(_follow_forever(refs, reader, health)),
        name="cross-references",
        daemon=True,
    ).start()
    while not refs.is_caught_up and not stop.wait(_LOOK_S):
        pass


async def _follow_forever(refs: CrossReferences, reader: KafkaReader, health: Health) -> None:
    never = asyncio.Event()
    await persist("cross-references", health, lambda: refs.follow(reader), never)


class ReadyWhenAssigned(EngineMetrics):
    """Engine metrics, and readiness: a worker that owns partitions and commits can work."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        super().__init__(metrics, WORKER_GROUP)
        self._health = health
        self._failures = 0

    def assigned(self, partitions: int) -> None:
        """So many input partitions are owned now."""
        super().assigned(partitions)
        self._works()

    def committed(self, duration_s: float, records: int) -> None:
        """A transaction was committed."""
        super().committed(duration_s, records)
        if self._failures:
            self._works()

    def restoring(self, remaining: int) -> None:
        """Rows are read from their changelogs: not ready, for a reason that passes."""
        super().restoring(remaining)
        if remaining:
            self._health.fails("partitions", f"restoring, {remaining} records to go")

    def aborted(self, cause: str) -> None:
        """A turn was rolled back: one is now and then, several in a row are an outage.

        Without its rows on disk the worker cannot go on at all.
        """
        super().aborted(cause)
        self._failures += 1
        if cause == StoreUnusable.__name__:
            self._health.fails("rows", "the rows on disk cannot be used, see the log; work waits")
        elif self._failures >= FAILURES_IN_A_ROW:
            self._health.fails("partitions", f"transactions fail ({cause}); the log says why")

    def _works(self) -> None:
        self._failures = 0
        self._health.works("partitions")
        self._health.works("rows")
