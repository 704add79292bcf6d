"""The questions about parked records, and what was done about them.

Guarantees: as `queries`; nothing here holds the content of a parked record.
"""

from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, and_, distinct, func, select

from omnihub.model.records import ActOutcome, ParkedRecord, ReleaseAction
from omnihub.views import schema
from omnihub.views.parked import Cause, Wanted
from omnihub.views.rows import Page, Rows

_QUEUE_ORDER = ("task", "park_key", "queue_index")


class ActRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about a queue, by whom and why."""

    event_id: str
    request_id: str
    task: str
    park_key: str
    action: ReleaseAction
    outcome: ActOutcome
    requested_by: str
    reason: str
    requested_at_us: int
    accepted_at_us: int
    offset: int | None
    record_type: str
    records: int
    remaining: int
    error_class: str | None
    error: str | None
    cure: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is parked of one task."""

    task: str
    records: int
    oldest_at_us: int


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return what a row must fulfil."""
    columns = schema.PARKED.c
    equal = ("task", "error_class", "instance", "park_key")
    told = [(name, getattr(wanted, name)) for name in equal]
    found = [columns[name] == value for name, value in told if value is not None]
    if wanted.parked_before_us is not None:
        found.append(columns.parked_at_us < wanted.parked_before_us)
    return found


class HospitalViews:
    """Read access to the hospital."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def page(self, wanted: Wanted, cursor: str | None, limit: int) -> Page[ParkedRecord]:
        """Return parked records in queue order."""
        where = _conditions(wanted)
        return self._rows.page(ParkedRecord, schema.PARKED, where, _QUEUE_ORDER, cursor, limit)

    def under(self, task: str, park_key: str) -> tuple[ParkedRecord, ...]:
        """Return what waits under one key, in queue order."""
        table = schema.PARKED
        where = and_(table.c.task == task, table.c.park_key == park_key)
        return self._rows.where(ParkedRecord, table, where, "queue_index")

    def heads(self, wanted: Wanted, limit: int) -> tuple[ParkedRecord, ...]:
        """Return the first records of queues, of those that are asked for."""
        table = schema.PARKED
        first = (
            select(table.c.task, table.c.park_key, func.min(table.c.queue_index).label("first"))
            .group_by(table.c.task, table.c.park_key)
            .subquery()
        )
        is_head = and_(
            table.c.task == first.c.task,
            table.c.park_key == first.c.park_key,
            table.c.queue_index == first.c.first,
        )
        ordered = [table.c[name] for name in _QUEUE_ORDER]
        statement = select(table).join(first, is_head).where(*_conditions(wanted))
        return self._rows.read(ParkedRecord, statement.order_by(*ordered).limit(limit))

    def acts(self, task: str, park_key: str) -> tuple[ActRow, ...]:
        """Return what was done about one key, the oldest first."""
        table = schema.ACTED
        where = and_(table.c.task == task, table.c.park_key == park_key)
        return self._rows.where(ActRow, table, where, "accepted_at_us", "log_offset")

    def was_asked(self, request_id: str) -> bool:
        """Tell whether a request was acted on, as far as the views know."""
        table = schema.ACTED
        return bool(self._rows.where(ActRow, table, table.c.request_id == request_id))

    def causes(self) -> tuple[Cause, ...]:
        """Return how much waits for which reason."""
        columns = schema.PARKED.c
        by = (columns.task, columns.error_class)
        counts = (func.count(), func.count(distinct(columns.park_key)))
        oldest = func.min(columns.parked_at_us)
        statement = select(*by, *counts, oldest).group_by(*by).order_by(*by)
        with self._rows.engine.connect() as connection:
            return tuple(Cause(*row) for row in connection.execute(statement).all())

    def backlog(self) -> tuple[Backlog, ...]:
        """Return how much is parked, by task."""
        columns = schema.PARKED.c
        statement = select(columns.task, func.count(), func.min(columns.parked_at_us)).group_by(
            columns.task
        )
        with self._rows.engine.connect() as connection:
            return tuple(Backlog(*row) for row in connection.execute(statement).all())
