"""Reads the hub's public topics: facts, states, commands and results.

Guarantees: committed records only, from the first to the end found at the call.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omnihub.broker.ports import Entry
from omnihub.broker.reader import KafkaReader
from omnihub.model.records import (
    CommandResult,
    Outcome,
    RecordMovement,
    Rejected,
    SetStockLevel,
    StockCounted,
    StockLevel,
    StockMoved,
)
from omnihub.wiring.installation import Installation, open_installation
from omnihub.wiring.log import codec_of, reader_of
from omnihub_demo.facts import COUNT, MOVE, Fact
from omnihub_demo.folders import Folders
from omnihub_demo.ledger import Shelf
from omnihub_demo.readings import Effect, ToldFact
from omnihub_demo.verdict import ERP, POS, WEB

EVENTS, STATE, RESULTS = "omni.stock.event.v1", "omni.stock.state.v1", "omni.result.v1"
REFUSALS = "omni.rejected.v1"
COMMANDS = (f"omni.command.{ERP}.v1", f"omni.command.{WEB}.v1")
STALE = "stale_count"
LINE = "line:"


@dataclass(frozen=True)
class LogReading:
    """What the public topics say."""

    told: tuple[ToldFact, ...]
    levels_milli: dict[Shelf, int]
    order_faults: int
    effects: tuple[Effect, ...]
    open_commands: int
    rejected: dict[str, int]


def open_log(folders: Folders, environ: Mapping[str, str]) -> tuple[Installation, KafkaReader]:
    """Return the installation that runs in `folders`, and a reader of its log."""
    install = open_installation(folders.config, environ)
    return install, reader_of(install, codec_of(install))


async def read_log(reader: KafkaReader) -> LogReading:
    """Read everything."""
    events = await reader.read_all([EVENTS, REFUSALS])
    levels_milli, order_faults = newest_levels(await reader.read_all([STATE]))
    commands = await reader.read_all(COMMANDS)
    results = await reader.read_all([RESULTS])
    return LogReading(
        told=tuple(told_facts(entry.record for entry in events)),
        levels_milli=levels_milli,
        order_faults=order_faults,
        effects=tuple(effects_of(commands, results)),
        open_commands=_open_commands(commands, results),
        rejected=_rejected(entry.record for entry in events),
    )


def told_facts(records: Iterable[Any]) -> Iterator[ToldFact]:
    """Yield the facts among public events."""
    for record in records:
        if isinstance(record, StockMoved):
            yield ToldFact(record.meta.source, _id_of(record.movement_id), _moved(record))
        elif isinstance(record, StockCounted):
            fact = Fact(COUNT, record.location, record.sku, record.quantity_milli)
            yield ToldFact(record.meta.source, _id_of(record.count_id), fact)
        elif isinstance(record, Rejected) and record.reason_code == STALE:
            yield ToldFact(POS, record.meta.entity.removeprefix(LINE), None)


def newest_levels(entries: Iterable[Entry]) -> tuple[dict[Shelf, int], int]:
    """Return the newest level of each shelf, and how often one did not follow its predecessor."""
    levels: dict[Shelf, StockLevel] = {}
    faults = 0
    for entry in entries:
        level = entry.record
        if isinstance(level, StockLevel):
            shelf = (level.location, level.sku)
            before = levels.get(shelf)
            faults += before is not None and level.seq <= before.seq
            levels[shelf] = level
    return {shelf: level.on_hand_milli for shelf, level in levels.items()}, faults


def effects_of(commands: Iterable[Entry], results: Iterable[Entry]) -> Iterator[Effect]:
    """Yield the acknowledged effects of stock commands."""
    of_stock = {
        entry.record.command_id
        for entry in commands
        if isinstance(entry.record, SetStockLevel | RecordMovement)
    }
    for entry in results:
        result = entry.record
        if (
            isinstance(result, CommandResult)
            and result.outcome is Outcome.DONE
            and result.command_id in of_stock
        ):
            yield Effect(result.instance, result.accepted_at_us, result.finished_at_us)


def _open_commands(commands: Iterable[Entry], results: Iterable[Entry]) -> int:
    asked = {getattr(entry.record, "command_id", None) for entry in commands}
    answered = {getattr(entry.record, "command_id", None) for entry in results}
    return len(asked - answered)


def _rejected(records: Iterable[Any]) -> dict[str, int]:
    reasons = (record.reason_code for record in records if isinstance(record, Rejected))
    return dict(Counter(reasons))


def _id_of(named: str) -> str:
    """Return a till's natural id without the instance before it."""
    return named.removeprefix(f"{POS}:")


def _moved(event: StockMoved) -> Fact:
    if event.to_location is None:
        return Fact(MOVE, event.from_location or "", event.sku, -event.quantity_milli)
    return Fact(MOVE, event.to_location, event.sku, event.quantity_milli)
