"""The questions that the API and the command line ask of the views.

Guarantees: answers are canonical records; lists are in key order and continue after an opaque
cursor, so a page never repeats or skips a row that stays. Does not: answer newer than the fold.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Column, Engine, Row, Table, and_, func, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from omnihub.broker.ports import Position
from omnihub.model.errors import RejectedError
from omnihub.model.ids import ChannelId, LocationId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    ChannelAts,
    CommandResult,
    CrossReference,
    ParkedRecord,
    Product,
    StockLevel,
)
from omnihub.views import schema
from omnihub.views.fold import Positions, positions_of

STOCK_TOPIC = "omni.stock.state.v1"
CHANNEL_TOPIC = "omni.stock.channel.state.v1"
R = TypeVar("R", bound=Record)
T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items; `next_cursor` continues after the last one, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


class RejectedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as an operator reads it."""

    event_id: str
    cause_id: str
    source: str
    entity: str
    reason_code: str
    detail: str
    subject_type: str
    subject: str
    accepted_at_us: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is parked of one task."""

    task: str
    records: int
    oldest_at_us: int


class Views:
    """Read access for one tenant."""

    def __init__(self, engine: Engine, tenant: TenantId) -> None:
        self._engine = engine
        self._tenant = tenant

    def levels_of(self, sku: Sku) -> tuple[StockLevel, ...]:
        """Return the level of `sku` at every location that has one."""
        table = schema.STOCK_LEVEL
        where = and_(table.c.tenant == self._tenant, table.c.sku == sku)
        return self._records(StockLevel, table, where, table.c.location)

    def channels_of(self, sku: Sku) -> tuple[ChannelAts, ...]:
        """Return what each channel may sell of `sku`."""
        table = schema.CHANNEL_ATS
        where = and_(table.c.tenant == self._tenant, table.c.sku == sku)
        return self._records(ChannelAts, table, where, table.c.channel)

    def channel_ats(self, channel: ChannelId, sku: Sku) -> ChannelAts | None:
        """Return what `channel` may sell of `sku`."""
        return next((row for row in self.channels_of(sku) if row.channel == channel), None)

    def product(self, sku: Sku) -> Product | None:
        """Return the product, or None."""
        table = schema.PRODUCT
        where = and_(table.c.tenant == self._tenant, table.c.sku == sku)
        return next(iter(self._records(Product, table, where, table.c.sku)), None)

    def levels(
        self, location: LocationId | None, cursor: str | None, limit: int
    ) -> Page[StockLevel]:
        """Return levels by SKU and location, of one location or all."""
        table = schema.STOCK_LEVEL
        where = [table.c.tenant == self._tenant]
        if location is not None:
            where.append(table.c.location == location)
        return self._page(StockLevel, table, where, ("sku", "location"), cursor, limit)

    def channel_levels(
        self, channel: ChannelId, cursor: str | None, limit: int
    ) -> Page[ChannelAts]:
        """Return what a channel may sell, by SKU."""
        table = schema.CHANNEL_ATS
        where = [table.c.tenant == self._tenant, table.c.channel == channel]
        return self._page(ChannelAts, table, where, ("sku", "channel"), cursor, limit)

    def parked(self, task: str | None, cursor: str | None, limit: int) -> Page[ParkedRecord]:
        """Return parked records in queue order."""
        table = schema.PARKED
        where = [table.c.task == task] if task else []
        order = ("task", "park_key", "queue_index")
        return self._page(ParkedRecord, table, where, order, cursor, limit)

    def parked_under(self, task: str, park_key: str) -> tuple[ParkedRecord, ...]:
        """Return what waits under one key, in queue order."""
        table = schema.PARKED
        where = and_(table.c.task == task, table.c.park_key == park_key)
        return self._records(ParkedRecord, table, where, table.c.queue_index)

    def backlog(self) -> tuple[Backlog, ...]:
        """Return how much is parked, by task."""
        table = schema.PARKED
        statement = select(table.c.task, func.count(), func.min(table.c.parked_at_us)).group_by(
            table.c.task
        )
        with self._engine.connect() as connection:
            return tuple(Backlog(*row) for row in connection.execute(statement).all())

    def rejected(self, cursor: str | None, limit: int) -> Page[RejectedRow]:
        """Return refusals, in the order of acceptance."""
        table = schema.REJECTED
        where = [table.c.tenant == self._tenant]
        order = ("accepted_at_us", "event_id")
        return self._page(RejectedRow, table, where, order, cursor, limit)

    def effects_on(self, target: str) -> tuple[CommandResult, ...]:
        """Return the last result of each instance for a target such as a SKU."""
        table = schema.EFFECT
        where = and_(table.c.tenant == self._tenant, table.c.target == target)
        return self._records(CommandResult, table, where, table.c.instance)

    def cross_references(
        self, instance: str | None, kind: str | None, cursor: str | None, limit: int
    ) -> Page[CrossReference]:
        """Return cross-references by instance, kind and code."""
        table = schema.CROSS_REFERENCE
        where = [table.c.tenant == self._tenant]
        where += [table.c.instance == instance] if instance else []
        where += [table.c.kind == kind] if kind else []
        return self._page(CrossReference, table, where, ("instance", "kind", "code"), cursor, limit)

    def positions(self) -> Positions:
        """Return how far the views are folded."""
        return positions_of(self._engine)

    def changes_since(self, seen: Positions) -> list[tuple[Position, StockLevel | ChannelAts]]:
        """Return the newest value of every level changed at or after `seen`, in log order.

        Compacted like the topics: an intermediate value that was overwritten is not told.
        """
        found: list[tuple[Position, StockLevel | ChannelAts]] = []
        found += self._changed(StockLevel, schema.STOCK_LEVEL, STOCK_TOPIC, seen)
        found += self._changed(ChannelAts, schema.CHANNEL_ATS, CHANNEL_TOPIC, seen)
        return found

    def _changed(
        self, kind: type[R], table: Table, topic: str, seen: Positions
    ) -> list[tuple[Position, R]]:
        newer = [
            and_(table.c.log_partition == partition, table.c.log_offset >= offset)
            for (of, partition), offset in seen.items()
            if of == topic
        ]
        known = [partition for of, partition in seen if of == topic]
        where = or_(*newer, table.c.log_partition.not_in(known))
        statement = (
            select(table)
            .where(where, table.c.tenant == self._tenant)
            .order_by(table.c.log_partition, table.c.log_offset)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(statement).all()
        return [
            (Position(topic, row.log_partition, row.log_offset), _read(kind, row)) for row in rows
        ]

    def _records(
        self, kind: type[T], table: Table, where: ColumnElement[bool], order: Column[Any]
    ) -> tuple[T, ...]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(where).order_by(order)).all()
        return tuple(_read(kind, row) for row in rows)

    def _page(
        self,
        kind: type[T],
        table: Table,
        where: Sequence[ColumnElement[bool]],
        order: tuple[str, ...],
        cursor: str | None,
        limit: int,
    ) -> Page[T]:
        columns = [table.c[name] for name in order]
        statement = select(table).where(*where).order_by(*columns).limit(limit + 1)
        if cursor is not None:
            statement = statement.where(tuple_(*columns) > tuple_(*_after(cursor, table, order)))
        with self._engine.connect() as connection:
            rows = connection.execute(statement).all()
        more = len(rows) > limit
        items = tuple(_read(kind, row) for row in rows[:limit])
        last = rows[limit - 1] if more else None
        return Page(items, _cursor([getattr(last, name) for name in order]) if last else None)


def _read(kind: type[T], row: Row[Any]) -> T:
    fields = kind.__struct_fields__
    return msgspec.convert({name: row._mapping[name] for name in fields}, kind)


def _cursor(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _after(cursor: str, table: Table, order: tuple[str, ...]) -> list[Any]:
    """Return the values in a cursor; it comes from outside and may be anything."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        kinds = [table.c[name].type.python_type for name in order]
        if [type(value) for value in values] == kinds and _fits(values):
            return list(values)
    except (ValueError, TypeError, UnicodeError, binascii.Error, RecursionError):
        pass
    raise RejectedError("bad_cursor", "the cursor is not one of ours; start without it", "cursor")


def _fits(values: list[Any]) -> bool:
    """Tell whether the database can take them: 64 bits, and no lone surrogates."""
    text = "".join(value for value in values if isinstance(value, str))
    text.encode()
    return all(not isinstance(value, int) or abs(value) < 2**63 for value in values)
