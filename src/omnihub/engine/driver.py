"""Runs handlers without a broker: the real tasks over a log in memory, with a virtual clock.

Guarantees: the same task code as in a worker; a turn's outputs, rows and offsets become visible
together or not at all; `crash_at(stage, n)` ends the process at that stage of the n-th transaction
from now, and `restart` rebuilds every row from the changelogs (and what `stores` kept on disk).
Time moves only by `advance`.
Does not: rebalance, or run several workers (the lab tests do).
"""

from collections.abc import Callable, Sequence

from omnihub.broker.memory import MemoryLog, Stored
from omnihub.broker.ports import Offsets
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.engine.observer import EngineObserver, Unobserved
from omnihub.engine.store import Changelog, MemoryStores, Stores, row_key
from omnihub.engine.task import PARKED_LIMIT, Task
from omnihub.model.errors import RetryableError
from omnihub.model.record import Record
from omnihub.model.time import SECOND_US
from omnihub.rules.rule import Handler, R

STAGES = ("begun", "produced", "offsets sent", "committed")
OUTAGES_IN_A_ROW = 100


class Crash(BaseException):
    """The process was killed: no handler may catch it."""


class TestDriver:
    """A worker that owns every partition of its handlers' inboxes.

    driver = TestDriver([StockRule(policy)])
    driver.append("omni.stock.inbox.v1", counted)
    driver.run()
    assert driver.state("omni.stock.state.v1") == {...}
    """

    __test__ = False

    def __init__(
        self,
        handlers: Sequence[Handler],
        topics: Topics | None = None,
        *,
        codec: Codec | None = None,
        now_us: int = 0,
        batch_records: int = 100,
        resolver: Callable[[str], bool] = lambda _: False,
        observer: EngineObserver | None = None,
        parked_limit: int = PARKED_LIMIT,
        stores: Stores | None = None,
    ) -> None:
        self.topics = topics or Topics.load()
        self.codec = codec or Codec.offline()
        self.now_us = now_us
        self.log = MemoryLog(self.topics, self.codec, lambda: self.now_us)
        self.resolver = resolver
        self._handlers = list(handlers)
        self._observer = observer or Unobserved()
        self._batch_records = batch_records
        self._parked_limit = parked_limit
        self._stores = stores or MemoryStores()
        self._committed: Offsets = {}
        self._crash: tuple[str, int] | None = None
        self.tasks: list[Task] = []
        self._runs = 0
        for handler in self._handlers:
            self.log.create(self.topics.changelog(handler.name, handler.inbox))
        self.restart()

    def append(
        self, topic: str, record: Record | bytes, *, at_us: int | None = None, key: str = ""
    ) -> None:
        """Append an input record accepted at `at_us` (now, if not told); bytes go as they are."""
        spec = self.topics.spec(topic)
        if isinstance(record, bytes):
            value, decides = record, key
        else:
            value, decides = self.codec.encode(record), spec.partition_key_of(record)
            key = spec.key_of(record)
        partition = partition_for(decides.encode(), spec.partitions)
        stamp_ms = (self.now_us if at_us is None else at_us) // 1000
        self.log.write(topic, partition, key.encode(), value, stamp_ms)

    def advance(self, seconds: float) -> None:
        """Move the clock and let what is due happen."""
        self.now_us += round(seconds * SECOND_US)
        self.run()

    def crash_at(self, stage: str, n: int = 1) -> None:
        """Kill the process at `stage` of the n-th transaction from now."""
        if stage not in STAGES:
            raise ValueError(f"stage is '{stage}': no such stage. Use one of {STAGES}.")
        self._crash = (stage, n)

    def restart(self) -> None:
        """Forget everything in memory and restore it from the changelogs."""
        self._crash = None
        self._stores.close()
        self._runs += 1
        self.tasks = [
            self._open(handler, partition)
            for handler in self._handlers
            for partition in range(self.topics.spec(handler.inbox).partitions)
        ]

    def run(self) -> None:
        """Take turns until nothing is left to do.

        Raises:
            Crash: at the stage asked for; then only `restart` goes on.
            RetryableError: an outage that did not end.
        """
        outages = 0
        while True:
            try:
                if not self._turn():
                    return
                outages = 0
            except RetryableError:
                outages += 1
                if outages >= OUTAGES_IN_A_ROW:
                    raise
                for task in self.tasks:
                    task.drop()

    def records(self, topic: str, kind: type[R]) -> list[R]:
        """Return the committed records of one type on a topic, partition by partition."""
        lanes = (self.log.read(topic, p) for p in range(self.topics.spec(topic).partitions))
        decoded = (self.codec.decode(s.value) for lane in lanes for s in lane if s.value)
        return [record for record in decoded if isinstance(record, kind)]

    def state(self, topic: str) -> dict[str, Record]:
        """Return what compaction leaves of a state topic."""
        return self.log.compacted(topic)

    def rows(self, task: str) -> dict[str, Record]:
        """Return all rows of a task as a restore would find them, by `type/key`."""
        changelog = next(t.changelog for t in self.tasks if t.name == task)
        partitions = len(self.log.ends(changelog))
        found: dict[str, bytes | None] = {}
        for partition in range(partitions):
            for stored in self.log.read(changelog, partition):
                kind, key = row_key(stored.key)
                found[f"{kind.__name__}/{partition}/{key}"] = stored.value
        return {at: self.codec.decode(value) for at, value in found.items() if value is not None}

    def _open(self, handler: Handler, partition: int) -> Task:
        changelog = self.topics.changelog(handler.name, handler.inbox).name
        store = self._stores.store(changelog, partition, self.codec)
        task = Task(
            handler,
            partition,
            store,
            self.codec,
            self.topics,
            self._observer,
            f"run-{self._runs}",
            self._parked_limit,
        )
        lane = self.log.read(changelog, partition)
        start = store.resume(Changelog("in memory", 0, len(lane)))
        store.restore([(stored.key, stored.value) for stored in lane[start:]], len(lane))
        task.open(task.position or 0)
        committed = self._committed.get((handler.inbox, partition), 0)
        if task.next_offset != committed:
            raise AssertionError(f"rows reach {task.next_offset}, offsets say {committed}")
        return task

    def _turn(self) -> bool:
        for task in self.tasks:
            waiting = self.log.read(task.inbox, task.partition, task.next_offset)
            self._process(task, waiting[: self._batch_records])
            task.wake(self.now_us)
            task.tend_parked(self.resolver, self.now_us)
        dirty = [task for task in self.tasks if task.is_dirty]
        if dirty:
            self._commit(dirty)
        return bool(dirty)

    def _process(self, task: Task, batch: Sequence[Stored]) -> None:
        for stored in batch:
            record = (stored.offset, stored.timestamp_ms, stored.key, stored.value)
            if task.attempts.is_pending:
                for _ in task.attempt(record, batch[-1].offset + 1):
                    self._commit([task])
            else:
                task.process(*record)

    def _commit(self, dirty: Sequence[Task]) -> None:
        self._stage("begun")
        staged = [output for task in dirty for output in task.outputs.staged]
        changes = [(task, record) for task in dirty for record in task.changes()]
        self._stage("produced")
        self._stage("offsets sent")
        for output in staged:
            topic, partition, key, value, stamp_ms, headers = output
            self.log.write(topic, partition, key, value, stamp_ms, headers)
        for task, (key, value) in changes:
            self.log.write(task.changelog, task.partition, key, value, 0)
        for task in dirty:
            self._committed[task.inbox, task.partition] = task.next_offset
        self._stage("committed")
        for task in dirty:
            task.keep(markers=0)

    def _stage(self, stage: str) -> None:
        if self._crash is None or self._crash[0] != stage:
            return
        self._crash = (stage, self._crash[1] - 1)
        if self._crash[1] == 0:
            raise Crash(stage)
