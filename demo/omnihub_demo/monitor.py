"""What a spectator sees while the play runs: sampled once a second, beside the play.

Guarantees: figures come from the processes' own /metrics and from the public topic of results;
counters of a worker that was killed go on after its restart. Does not: judge anything.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnihub.broker.reader import KafkaReader
from omnihub.model.records import CommandResult, Outcome
from omnihub_demo.bars import Freshness, freshness
from omnihub_demo.hub import Hub
from omnihub_demo.log import RESULTS
from omnihub_demo.readings import Effect

SAMPLE_S = 1.0
RECENT = 400
PROCESSED = "omnihub_events_processed_total{"
LAG = "omnihub_consumer_lag_records{"
STOCK = 'flow="stock"'


@dataclass
class Spectacle:
    """The state of the show."""

    title: str
    total: int
    phase: str = "starting"
    began: float = field(default_factory=time.monotonic)
    events: int = 0
    events_per_s: float = 0.0
    lag: int = 0
    workers: dict[str, str] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)
    fresh: dict[str, Freshness] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Return how long it has run."""
        return time.monotonic() - self.began


class Monitor:
    """Fills a spectacle."""

    def __init__(self, hub: Hub, reader: KafkaReader, show: Spectacle) -> None:
        self._hub = hub
        self._reader = reader
        self._show = show
        self._counted: dict[str, float] = {}
        self._events = 0.0
        self._ages: dict[str, deque[Effect]] = defaultdict(lambda: deque(maxlen=RECENT))

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sample())
            group.create_task(self._follow())

    async def _sample(self) -> None:
        while True:
            before, at = self._events, time.monotonic()
            lag = 0.0
            for worker in self._hub.workers():
                self._show.workers[worker.name] = worker.state
                metrics = await self._hub.metrics(worker)
                lag += _sum(metrics, LAG)
                self._count(worker.name, _sum(metrics, PROCESSED, STOCK))
            self._show.lag = round(lag)
            self._show.events = round(self._events)
            await asyncio.sleep(SAMPLE_S)
            seconds = time.monotonic() - at
            self._show.events_per_s = (self._events - before) / seconds

    def _count(self, worker: str, counted: float) -> None:
        known = self._counted.get(worker, 0.0)
        self._events += counted - known if counted >= known else counted
        self._counted[worker] = counted

    async def _follow(self) -> None:
        async for entries in self._reader.follow([RESULTS]):
            for entry in entries:
                result = entry.record
                if isinstance(result, CommandResult) and result.outcome is Outcome.DONE:
                    effect = Effect(result.instance, result.accepted_at_us, result.finished_at_us)
                    self._ages[effect.system].append(effect)
            for system, effects in self._ages.items():
                if (figures := freshness(effects)) is not None:
                    self._show.fresh[system] = figures


def _sum(metrics: Mapping[str, float], name: str, label: str = "") -> float:
    return sum(v for sample, v in metrics.items() if sample.startswith(name) and label in sample)
