"""Folds topics into the tables: a row per key, the newest record wins, a tombstone deletes.

Guarantees: rows and the position up to which they hold are written in one transaction, so a view
is always the exact fold of a prefix of each partition; a view of another log is emptied first.
Does not: keep history, or need anything but the state topics for stock and products.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from omnihub.broker.ports import Entry, Reader
from omnihub.model.record import Record
from omnihub.model.records import (
    ChannelAts,
    CommandResult,
    CrossReference,
    ParkedRecord,
    Product,
    Rejected,
    StockLevel,
)
from omnihub.views import schema

Row = dict[str, Any]
Positions = dict[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Projection:
    """How records of one kind become rows of one table."""

    table: Table
    kind: type[Record]
    topics: tuple[str, ...]
    row: Callable[[Entry], Row]


def _whole(entry: Entry) -> Row:
    return {"log_key": entry.key, **msgspec.structs.asdict(_present(entry))}


def _rejected(entry: Entry) -> Row:
    record = _present(entry)
    assert isinstance(record, Rejected)
    flat = {**msgspec.structs.asdict(record.meta), **msgspec.structs.asdict(record)}
    wanted = {column.name for column in schema.REJECTED.columns}
    # Several refusals share a subject; the event id makes each a row, and a repetition the same.
    return {"log_key": record.meta.event_id, **{k: v for k, v in flat.items() if k in wanted}}


def _present(entry: Entry) -> Record:
    assert entry.record is not None
    return entry.record


PROJECTIONS = (
    Projection(schema.STOCK_LEVEL, StockLevel, ("omni.stock.state.v1",), _whole),
    Projection(schema.CHANNEL_ATS, ChannelAts, ("omni.stock.channel.state.v1",), _whole),
    Projection(schema.PRODUCT, Product, ("omni.product.state.v1",), _whole),
    Projection(schema.PARKED, ParkedRecord, ("omni.hospital.state.v1",), _whole),
    Projection(schema.CROSS_REFERENCE, CrossReference, ("omni.xref.v1",), _whole),
    Projection(schema.EFFECT, CommandResult, ("omni.result.v1",), _whole),
    Projection(
        schema.REJECTED,
        Rejected,
        ("omni.rejected.v1", "omni.stock.event.v1", "omni.product.event.v1"),
        _rejected,
    ),
)
TOPICS = tuple(topic for projection in PROJECTIONS for topic in projection.topics)
_BY_TOPIC = {topic: projection for projection in PROJECTIONS for topic in projection.topics}


class Fold:
    """Writes batches into the views. The only writer."""

    def __init__(self, engine: Engine, log_id: str) -> None:
        self._engine = engine
        self._forget_other_log(log_id)

    def positions(self) -> Positions:
        """Return the next offset to fold of every partition seen."""
        return positions_of(self._engine)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Fold a batch; all of it is visible, or nothing."""
        upserts: dict[Table, dict[str, Row]] = {}
        removed: dict[Table, set[str]] = {}
        positions: Positions = {}
        for entry in entries:
            positions[entry.at.topic, entry.at.partition] = entry.at.offset + 1
            projection = _BY_TOPIC[entry.at.topic]
            rows = upserts.setdefault(projection.table, {})
            gone = removed.setdefault(projection.table, set())
            if entry.record is None:
                rows.pop(entry.key, None)
                gone.add(entry.key)
            elif isinstance(entry.record, projection.kind):
                row = projection.row(entry)
                row |= {"log_partition": entry.at.partition, "log_offset": entry.at.offset}
                rows[row["log_key"]] = row
                gone.discard(row["log_key"])
        with self._engine.begin() as connection:
            for table, keys in removed.items():
                _delete(connection, table, keys)
            for table, rows in upserts.items():
                _upsert(connection, table, list(rows.values()))
            _upsert(
                connection,
                schema.FOLD_POSITION,
                [
                    {"topic": topic, "partition": partition, "next_offset": offset}
                    for (topic, partition), offset in positions.items()
                ],
            )

    def _forget_other_log(self, log_id: str) -> None:
        with self._engine.begin() as connection:
            if connection.scalar(select(schema.FOLDED_LOG.c.log_id)) == log_id:
                return
            for table in schema.METADATA.sorted_tables:
                connection.execute(delete(table))
            connection.execute(insert(schema.FOLDED_LOG), {"log_id": log_id})


def positions_of(engine: Engine) -> Positions:
    """Return how far the views are folded."""
    with engine.connect() as connection:
        rows = connection.execute(select(schema.FOLD_POSITION)).all()
    return {(row.topic, row.partition): row.next_offset for row in rows}


async def fold_forever(
    fold: Fold, reader: Reader, on_batch: Callable[[int], None] = lambda entries: None
) -> None:
    """Follow the topics for ever; `on_batch` is told each batch's size, 0 = caught up."""
    async for entries in reader.follow(TOPICS, start=fold.positions()):
        if entries:
            fold.apply(entries)
        on_batch(len(entries))


def _upsert(connection: Connection, table: Table, rows: list[Row]) -> None:
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    maker = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = maker(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _delete(connection: Connection, table: Table, keys: set[str]) -> None:
    ordered = sorted(keys)
    for start in range(0, len(ordered), 500):
        chunk = ordered[start : start + 500]
        connection.execute(delete(table).where(table.c.log_key.in_(chunk)))
