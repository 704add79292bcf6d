"""Reads tables of the views as canonical records, whole or page by page.

Guarantees: lists are in the order asked for and continue after an opaque cursor, so a page never
repeats or skips a row that stays. A cursor from outside may be anything; it is checked.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Column, Engine, Row, Select, Table, and_, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from omnihub.broker.ports import Offsets, Position
from omnihub.model.errors import RejectedError
from omnihub.model.ids import TenantId
from omnihub.model.record import Record
from omnihub.views.fold import BY_TOPIC

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items; `next_cursor` continues after the last one, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one tenant."""

    engine: Engine
    tenant: TenantId

    def all(self, kind: type[T], table: Table, *order: str, **equal: str) -> tuple[T, ...]:
        """Return the tenant's records whose columns are `equal` to these, in `order`."""
        where = [table.c[name] == value for name, value in equal.items()]
        return self.where(kind, table, and_(table.c.tenant == self.tenant, *where), *order)

    def one(self, kind: type[T], table: Table, **equal: str) -> T | None:
        """Return the tenant's record whose columns are `equal` to these, or None."""
        return next(iter(self.all(kind, table, "log_key", **equal)), None)

    def where(
        self, kind: type[T], table: Table, condition: ColumnElement[bool], *order: str
    ) -> tuple[T, ...]:
        """Return the records of every tenant that fulfil `condition`, in `order`."""
        ordered = (table.c[name] for name in order)
        return self.read(kind, select(table).where(condition).order_by(*ordered))

    def read(self, kind: type[T], statement: Select[Any]) -> tuple[T, ...]:
        """Return the records that `statement` selects."""
        with self.engine.connect() as connection:
            rows = connection.execute(statement).all()
        return tuple(_read(kind, row) for row in rows)

    def page(
        self,
        kind: type[T],
        table: Table,
        where: Sequence[ColumnElement[bool]],
        order: tuple[str, ...],
        cursor: str | None,
        limit: int,
        *,
        newest_first: bool = False,
    ) -> Page[T]:
        """Return up to `limit` records after `cursor`.

        Raises:
            RejectedError: the cursor is not one of ours.
        """
        columns: list[Column[Any]] = [table.c[name] for name in order]
        sorting = [column.desc() for column in columns] if newest_first else columns
        statement = select(table).where(*where).order_by(*sorting).limit(limit + 1)
        if cursor is not None:
            at, last = tuple_(*columns), tuple_(*_after(cursor, table, order))
            statement = statement.where(at < last if newest_first else at > last)
        with self.engine.connect() as connection:
            rows = connection.execute(statement).all()
        more = len(rows) > limit
        items = tuple(_read(kind, row) for row in rows[:limit])
        end = rows[limit - 1] if more else None
        return Page(items, _cursor([getattr(end, name) for name in order]) if end else None)

    def changed(self, topic: str, seen: Offsets) -> list[tuple[Position, Record]]:
        """Return the newest record of every row of `topic` changed at or after `seen`."""
        projection = BY_TOPIC[topic]
        table = projection.table
        newer = [
            and_(table.c.log_partition == partition, table.c.log_offset >= offset)
            for (of, partition), offset in seen.items()
            if of == topic
        ]
        known = [partition for of, partition in seen if of == topic]
        where = and_(
            or_(*newer, table.c.log_partition.not_in(known)), table.c.tenant == self.tenant
        )
        statement = select(table).where(where).order_by(table.c.log_partition, table.c.log_offset)
        with self.engine.connect() as connection:
            rows = connection.execute(statement).all()
        return [
            (Position(topic, row.log_partition, row.log_offset), _read(projection.kind, row))
            for row in rows
        ]


def _read(kind: type[T], row: Row[Any]) -> T:
    columns = row._mapping
    if "record" in columns:
        return msgspec.json.decode(columns["record"], type=kind)
    return msgspec.convert({name: columns[name] for name in kind.__struct_fields__}, kind)


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
