"""The workload of the chaos suite: two rules in a chain, over topics of their own.

The ledger adds movements up, emits each new level, and hands it on to the tally, which counts per
location: two hops, two changelogs, other partition counts. A movement's `reason` asks for trouble.
The checker says the same again in other words (`checker.py`).
"""

import os
import time
from base64 import b64encode
from functools import cache
from random import Random
from typing import ClassVar

import msgspec

from omnihub.model.errors import ParkError, RejectedError
from omnihub.model.ids import EventId, MovementId
from omnihub.model.record import Record
from omnihub.model.records import EventMeta, MovementKind, StockLevel, StockMoved, TimerDue
from omnihub.rules.rule import Out, Rows, Rule, on, on_timer

CONTRACT = """
partition_counts: {{default: 8, first: {first}, second: {second}}}
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
  - name: omni.hospital.event.v1
    records: {{HospitalActed: "{{task}}:{{park_key}}"}}
    partitions: default
    cleanup: delete
    retention_hours: 24
  - name: omni.changelog.{{task}}.v1
    records: {{}}
    partitions: inbox
    cleanup: compact
"""
REMINDERS_US = {"remind": 1_000_000, "remind later": 12_000_000}
HUGE_BYTES = 13 * 1024 * 1024


@cache
def noise(length: int) -> str:
    """Return text that does not become smaller by being compressed, the same each time."""
    return b64encode(Random(1).randbytes(length)).decode()[:length]


"""More than the broker takes."""
SLOW_S = 0.5


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
        if moved.reason == "slow":
            keep_busy(SLOW_S)
        if moved.reason == "huge":
            out.emit(self.events, msgspec.structs.replace(moved, reason=noise(HUGE_BYTES)))
        if moved.reason == "bug":
            raise ZeroDivisionError("asked for")
        if moved.reason == "park" and not out.is_retry:
            raise ParkError("asked for", cure="wait", waits_for="pos/sku/1")
        if moved.reason in REMINDERS_US:
            due_at_us = out.accepted_at_us + REMINDERS_US[moved.reason]
            out.arm("remind", moved.sku, moved.movement_id, due_at_us)

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


def keep_busy(for_s: float) -> None:
    """Keep the interpreter busy, as an expensive rule does."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        pass
