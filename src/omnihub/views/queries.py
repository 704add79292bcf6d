"""The questions that the API and the command line ask of the views.

Guarantees: answers are canonical records, see `rows`. Does not: answer newer than the fold, or
open what is sealed.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Engine

from omnihub.broker.ports import Offsets, Position
from omnihub.model.ids import ChannelId, LocationId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    ChannelAts,
    CommandResult,
    CrossReference,
    Product,
    StockLevel,
)
from omnihub.views import schema
from omnihub.views.customers import CustomerViews
from omnihub.views.fold import positions_of
from omnihub.views.hospital import HospitalViews
from omnihub.views.orders import OrderViews
from omnihub.views.rows import Page, Rows


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


class Views:
    """Read access for one tenant."""

    def __init__(self, engine: Engine, tenant: TenantId) -> None:
        self._engine = engine
        self._tenant = tenant
        self._rows = Rows(engine, tenant)
        self.orders = OrderViews(self._rows)
        self.customers = CustomerViews(self._rows)
        self.hospital = HospitalViews(self._rows)

    def levels_of(self, sku: Sku) -> tuple[StockLevel, ...]:
        """Return the level of `sku` at every location that has one."""
        return self._rows.all(StockLevel, schema.STOCK_LEVEL, "location", sku=sku)

    def level_at(self, sku: Sku, location: LocationId) -> StockLevel | None:
        """Return the level of `sku` at one location, or None."""
        return self._rows.one(StockLevel, schema.STOCK_LEVEL, sku=sku, location=location)

    def channels_of(self, sku: Sku) -> tuple[ChannelAts, ...]:
        """Return what each channel may sell of `sku`."""
        return self._rows.all(ChannelAts, schema.CHANNEL_ATS, "channel", sku=sku)

    def channel_ats(self, channel: ChannelId, sku: Sku) -> ChannelAts | None:
        """Return what `channel` may sell of `sku`."""
        return self._rows.one(ChannelAts, schema.CHANNEL_ATS, sku=sku, channel=channel)

    def product(self, sku: Sku) -> Product | None:
        """Return the product, or None."""
        return self._rows.one(Product, schema.PRODUCT, sku=sku)

    def levels(
        self, location: LocationId | None, cursor: str | None, limit: int
    ) -> Page[StockLevel]:
        """Return levels by SKU and location, of one location or all."""
        table = schema.STOCK_LEVEL
        where = [table.c.tenant == self._tenant]
        if location is not None:
            where.append(table.c.location == location)
        return self._rows.page(StockLevel, table, where, ("sku", "location"), cursor, limit)

    def channel_levels(
        self, channel: ChannelId, cursor: str | None, limit: int
    ) -> Page[ChannelAts]:
        """Return what a channel may sell, by SKU."""
        table = schema.CHANNEL_ATS
        where = [table.c.tenant == self._tenant, table.c.channel == channel]
        return self._rows.page(ChannelAts, table, where, ("sku", "channel"), cursor, limit)

    def rejected(self, cursor: str | None, limit: int) -> Page[RejectedRow]:
        """Return refusals, in the order of acceptance."""
        table = schema.REJECTED
        where = [table.c.tenant == self._tenant]
        order = ("accepted_at_us", "event_id")
        return self._rows.page(RejectedRow, table, where, order, cursor, limit)

    def effects_on(self, target: str) -> tuple[CommandResult, ...]:
        """Return the last result of each instance for a target such as a SKU."""
        return self._rows.all(CommandResult, schema.EFFECT, "instance", target=target)

    def cross_references(
        self, instance: str | None, kind: str | None, cursor: str | None, limit: int
    ) -> Page[CrossReference]:
        """Return cross-references by instance, kind and code."""
        table = schema.CROSS_REFERENCE
        where = [table.c.tenant == self._tenant]
        where += [table.c.instance == instance] if instance else []
        where += [table.c.kind == kind] if kind else []
        return self._rows.page(
            CrossReference, table, where, ("instance", "kind", "code"), cursor, limit
        )

    def positions(self) -> Offsets:
        """Return how far the views are folded."""
        return positions_of(self._engine)

    def changes_since(self, seen: Offsets, topics: Sequence[str]) -> list[tuple[Position, Record]]:
        """Return the newest record of everything in `topics` changed at or after `seen`.

        Compacted like the topics: an intermediate value that was overwritten is not told.
        """
        return [change for topic in topics for change in self._rows.changed(topic, seen)]
