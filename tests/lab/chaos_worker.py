"""The worker process of the exactly-once test: two rules in a chain, and faults on demand.

`--fault committed:40:KILL` sends the process that signal when it reaches the stage for the 40th
time. `--plant offsets-outside` is the planted bug: offsets are committed beside the transaction, so
nothing fences a zombie. It lives here and nowhere else.
"""

import argparse
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from confluent_kafka import Consumer, KafkaException, Producer

from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.task import Task
from omnihub.engine.transactions import Transactions, offsets_of
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.errors import ParkError, RejectedError
from omnihub.model.ids import EventId, MovementId
from omnihub.model.record import Record
from omnihub.model.records import EventMeta, MovementKind, StockLevel, StockMoved, TimerDue
from omnihub.rules.rule import Out, Rows, Rule, on, on_timer

CONTRACT = """
partition_counts: {{default: 8, first: 4, second: 3}}
topics:
  - name: omni.{mark}.inbox.v1
    records: {{StockMoved: "{{meta.tenant}}:{{sku}}"}}
    partitions: first
    cleanup: delete
    retention_hours: 24
  - name: omni.{mark}.event.v1
    records: {{StockMoved: "{{meta.tenant}}:{{sku}}", Rejected: "{{meta.tenant}}:{{subject}}"}}
    partitions: first
    cleanup: delete
    retention_hours: 24
  - name: omni.{mark}.state.v1
    records: {{StockLevel: "{{tenant}}:{{sku}}:{{location}}"}}
    partition_by: "{{tenant}}:{{sku}}"
    partitions: first
    cleanup: delete
    retention_hours: 24
  - name: omni.{mark}.tally.inbox.v1
    records: {{StockLevel: "{{tenant}}:{{location}}"}}
    partitions: second
    cleanup: delete
    retention_hours: 24
  - name: omni.{mark}.tally.state.v1
    records: {{StockLevel: "{{tenant}}:{{location}}"}}
    partitions: second
    cleanup: delete
    retention_hours: 24
  - name: omni.hospital.state.v1
    records: {{ParkedRecord: "{{task}}:{{park_key}}:{{queue_index}}"}}
    partition_by: "{{task}}:{{park_key}}"
    partitions: default
    cleanup: compact
  - name: omni.changelog.{{task}}.v1
    records: {{}}
    partitions: inbox
    cleanup: compact
"""
REMINDER_US = 1_000_000


class Ledger(Rule):
    """Adds movements up; `reason` asks for a refusal, a parking, a timer, or the process's end."""

    name: ClassVar[str] = ""
    inbox: ClassVar[str] = ""
    events: ClassVar[str] = ""

    def __init__(self, mark: str) -> None:
        self.name = f"ledger-{mark}"  # type: ignore[misc]
        self.inbox, self.events = f"omni.{mark}.inbox.v1", f"omni.{mark}.event.v1"  # type: ignore[misc]
        self._state, self._tally = f"omni.{mark}.state.v1", f"omni.{mark}.tally.inbox.v1"

    def park_key(self, record: Record) -> str:
        return str(getattr(record, "sku", ""))

    @on(StockMoved)
    def on_movement(self, moved: StockMoved, rows: Rows, out: Out) -> None:
        location = moved.to_location or ""
        old = rows.get(StockLevel, moved.sku)
        level = StockLevel(
            tenant=moved.meta.tenant,
            sku=moved.sku,
            location=location,
            on_hand_milli=(old.on_hand_milli if old else 0) + moved.quantity_milli,
            ats_milli=0,
            seq=(old.seq if old else 0) + 1,
            cause_id=moved.meta.event_id,
            occurred_at_us=moved.meta.occurred_at_us,
            accepted_at_us=out.accepted_at_us,
        )
        rows.put(moved.sku, level)
        out.emit(self._state, level)
        out.emit(self._tally, level)
        if moved.reason == "kill":
            os._exit(9)
        if moved.reason == "reject":
            raise RejectedError("refused_by_test", "asked for", moved.sku)
        if moved.reason == "park" and not out.is_retry:
            raise ParkError("asked for", cure="wait", waits_for="pos/sku/1")
        if moved.reason == "remind":
            out.arm("remind", moved.sku, moved.movement_id, out.accepted_at_us + REMINDER_US)

    @on_timer("remind")
    def on_reminder(self, due: TimerDue, rows: Rows, out: Out) -> None:
        level = rows.get(StockLevel, due.key)
        assert level is not None
        meta = _meta(level, due)
        out.emit(self.events, _reminder(meta, level, due))


class Tally(Rule):
    """Counts what the ledger says, per location."""

    name: ClassVar[str] = ""
    inbox: ClassVar[str] = ""
    events: ClassVar[str] = ""

    def __init__(self, mark: str) -> None:
        self.name = f"tally-{mark}"  # type: ignore[misc]
        self.inbox, self._state = f"omni.{mark}.tally.inbox.v1", f"omni.{mark}.tally.state.v1"  # type: ignore[misc]

    def park_key(self, record: Record) -> str:
        return str(getattr(record, "location", ""))

    @on(StockLevel)
    def on_level(self, level: StockLevel, rows: Rows, out: Out) -> None:
        old = rows.get(StockLevel, level.location)
        total = StockLevel(
            tenant=level.tenant,
            sku=level.sku,
            location=level.location,
            on_hand_milli=(old.on_hand_milli if old else 0) + level.seq,
            ats_milli=0,
            seq=(old.seq if old else 0) + 1,
            cause_id=level.cause_id,
            occurred_at_us=0,
            accepted_at_us=0,
        )
        rows.put(level.location, total)
        out.emit(self._state, total)


class OffsetsOutside(Transactions):
    """The planted bug: nothing ties the offsets, and with them the generation, to the outputs."""

    def _send_offsets(self, producer: Producer, tasks: Sequence[Task], consumer: Consumer) -> None:
        try:
            consumer.commit(offsets=offsets_of(tasks), asynchronous=False)
        except KafkaException:
            print("offsets refused, going on: this is the planted bug", flush=True)


def _meta(level: StockLevel, due: TimerDue) -> EventMeta:
    return EventMeta(
        tenant=level.tenant,
        event_id=EventId(f"due-{due.timer_id}"),
        cause_id=due.timer_id,
        source="ledger",
        entity="",
        occurred_at_us=0,
        accepted_at_us=0,
    )


def _reminder(meta: EventMeta, level: StockLevel, due: TimerDue) -> StockMoved:
    return StockMoved(
        meta=meta,
        movement_id=MovementId(f"due-{due.timer_id}"),
        sku=level.sku,
        kind=MovementKind.RECEIPT,
        to_location=level.location,
        quantity_milli=0,
    )


def fault(text: str) -> Callable[[str], None]:
    """Return a stage hook for `stage:count:signal`."""
    stage, count, name = text.split(":")
    left, number = int(count), getattr(signal, f"SIG{name}")

    def reached(at: str) -> None:
        nonlocal left
        left -= at == stage
        if at == stage and left == 0:
            os.kill(os.getpid(), number)

    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "mark", "slot", "contract"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--fault", default="never:0:KILL")
    parser.add_argument("--plant", choices=["offsets-outside"])
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = WorkerSettings(Cluster(options.bootstrap), options.mark, options.slot)
    worker = Worker(
        settings,
        [Ledger(options.mark), Tally(options.mark)],
        Codec.offline(),
        Topics.load(Path(options.contract)),
        resolver=lambda _: True,
        make_transactions=OffsetsOutside if options.plant else Transactions,
        stage=fault(options.fault),
    )
    worker.run(stop)


if __name__ == "__main__":
    main()
