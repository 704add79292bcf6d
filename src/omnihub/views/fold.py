"""Folds topics into the tables: a row per key, the newest record wins, a tombstone deletes.

Guarantees: rows and the position up to which they hold are written in one transaction, so a view
is always the exact fold of a prefix of each partition; a view of another log is emptied first.
Does not: keep history, need anything but the state topics for what they hold, or open what is
sealed: personal fields lie in the tables as in the topics.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from omnihub.broker.ports import Entry, Offsets, Reader
from omnihub.model.record import Record
from omnihub.model.records import (
    Cart,
    ChannelAts,
    CommandResult,
    ConsentRow,
    CrossReference,
    CustomerProfile,
    CustomerRedirect,
    Fulfilment,
    HospitalActed,
    Order,
    ParkedRecord,
    Payment,
    Price,
    Product,
    Rejected,
    Reservation,
    Return,
    StockLevel,
    SubjectLink,
)
from omnihub.views import schema

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Index:
    """Further rows of a record in a table of their own, to find it by what it holds several of."""

    table: Table
    rows: Callable[[Entry], list[Row]]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """How records of one kind become rows of one table."""

    table: Table
    kind: type[Record]
    topics: tuple[str, ...]
    row: Callable[[Entry], Row]
    index: Index | None = None


def _whole(entry: Entry) -> Row:
    return {"log_key": entry.key, **msgspec.structs.asdict(_present(entry))}


def _kept(*columns: str) -> Callable[[Entry], Row]:
    """Keep the whole record as JSON beside the fields that are asked for."""

    def row(entry: Entry) -> Row:
        record = _present(entry)
        asked = {name: getattr(record, name) for name in columns}
        return {"log_key": entry.key, "record": msgspec.json.encode(record).decode(), **asked}

    return row


def _tokens(entry: Entry) -> list[Row]:
    record = _present(entry)
    assert isinstance(record, CustomerProfile)
    of = {"log_key": entry.key, "tenant": record.tenant, "customer_id": record.customer_id}
    told = {(one.kind.value, one.scope, one.token) for one in record.identifiers}
    return [of | {"kind": kind, "scope": scope, "token": token} for kind, scope, token in told]


def _rejected(entry: Entry) -> Row:
    record = _present(entry)
    assert isinstance(record, Rejected)
    flat = {**msgspec.structs.asdict(record.meta), **msgspec.structs.asdict(record)}
    wanted = {column.name for column in schema.REJECTED.columns}
    return {"log_key": _log_key(entry), **{k: v for k, v in flat.items() if k in wanted}}


def _acted(entry: Entry) -> Row:
    """Tell what was done, without the sealed record that an edit replaced."""
    fields = msgspec.structs.asdict(_present(entry))
    del fields["original"]
    return {"log_key": _log_key(entry), **fields}


def _present(entry: Entry) -> Record:
    assert entry.record is not None
    return entry.record


_REFUSING = (
    *("stock", "product", "order", "return", "price", "cart"),
    *("customer", "identity", "profile"),
)
_AS_ORDER = _kept(
    *("tenant", "order_id", "status", "channel", "source", "number", "subject"),
    *("placed_at_us", "accepted_at_us"),
)
_AS_PRICE = _kept(
    *("tenant", "sku", "price_list", "channel", "location"),
    *("valid_from_us", "valid_to_us", "priority"),
)
_AS_FULFILMENT = _kept("tenant", "order_id", "fulfilment_id", "location", "status")
_AS_RETURN = _kept("tenant", "order_id", "return_id", "status")
_AS_CART = _kept("tenant", "cart_id", "channel", "subject", "status")
PROJECTIONS = (
    Projection(schema.STOCK_LEVEL, StockLevel, ("omni.stock.state.v1",), _whole),
    Projection(schema.CHANNEL_ATS, ChannelAts, ("omni.stock.channel.state.v1",), _whole),
    Projection(schema.PRODUCT, Product, ("omni.product.state.v1",), _whole),
    Projection(schema.PRICE, Price, ("omni.price.state.v1",), _AS_PRICE),
    Projection(schema.ORDER, Order, ("omni.order.state.v1",), _AS_ORDER),
    Projection(schema.FULFILMENT, Fulfilment, ("omni.fulfilment.state.v1",), _AS_FULFILMENT),
    Projection(schema.RESERVATION, Reservation, ("omni.reservation.state.v1",), _whole),
    Projection(schema.PAYMENT, Payment, ("omni.payment.state.v1",), _whole),
    Projection(schema.RETURN, Return, ("omni.return.state.v1",), _AS_RETURN),
    Projection(
        schema.CUSTOMER,
        CustomerProfile,
        ("omni.profile.state.v1",),
        _kept("tenant", "customer_id"),
        Index(schema.CUSTOMER_TOKEN, _tokens),
    ),
    Projection(schema.SUBJECT_LINK, SubjectLink, ("omni.identity.state.v1",), _whole),
    Projection(
        schema.CUSTOMER_REDIRECT, CustomerRedirect, ("omni.customer.redirect.state.v1",), _whole
    ),
    Projection(schema.CONSENT, ConsentRow, ("omni.consent.state.v1",), _whole),
    Projection(schema.CART, Cart, ("omni.cart.state.v1",), _AS_CART),
    Projection(schema.PARKED, ParkedRecord, ("omni.hospital.state.v1",), _whole),
    Projection(schema.ACTED, HospitalActed, ("omni.hospital.event.v1",), _acted),
    Projection(schema.CROSS_REFERENCE, CrossReference, ("omni.xref.v1",), _whole),
    Projection(schema.EFFECT, CommandResult, ("omni.result.v1",), _whole),
    Projection(
        schema.REJECTED,
        Rejected,
        ("omni.rejected.v1", *(f"omni.{name}.event.v1" for name in _REFUSING)),
        _rejected,
    ),
)
TOPICS = tuple(topic for projection in PROJECTIONS for topic in projection.topics)
BY_TOPIC = {topic: projection for projection in PROJECTIONS for topic in projection.topics}


class Fold:
    """Writes batches into the views. The only writer."""

    def __init__(self, engine: Engine, log_id: str) -> None:
        self._engine = engine
        self._forget_other_log(log_id)

    def positions(self) -> Offsets:
        """Return the next offset to fold of every partition seen."""
        return positions_of(self._engine)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Fold a batch; all of it is visible, or nothing."""
        newest: dict[Projection, dict[str, Entry]] = {}
        positions: Offsets = {}
        for entry in entries:
            positions[entry.at.topic, entry.at.partition] = entry.at.offset + 1
            projection = BY_TOPIC[entry.at.topic]
            if entry.record is None or isinstance(entry.record, projection.kind):
                newest.setdefault(projection, {})[_log_key(entry)] = entry
        with self._engine.begin() as connection:
            for projection, changed in newest.items():
                _write(connection, projection, changed)
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


def positions_of(engine: Engine) -> Offsets:
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


def _write(connection: Connection, projection: Projection, changed: dict[str, Entry]) -> None:
    present = [entry for entry in changed.values() if entry.record is not None]
    gone = {key for key, entry in changed.items() if entry.record is None}
    _delete(connection, projection.table, gone)
    _upsert(connection, projection.table, [_row(projection, entry) for entry in present])
    if index := projection.index:
        _delete(connection, index.table, set(changed))
        _upsert(connection, index.table, [row for entry in present for row in index.rows(entry)])


def _row(projection: Projection, entry: Entry) -> Row:
    at = {"log_partition": entry.at.partition, "log_offset": entry.at.offset}
    return projection.row(entry) | at


def _log_key(entry: Entry) -> str:
    """Of events that share a key each is a row of its own, and a repetition is the same."""
    record = entry.record
    if isinstance(record, HospitalActed):
        return record.event_id
    return record.meta.event_id if isinstance(record, Rejected) else entry.key


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
