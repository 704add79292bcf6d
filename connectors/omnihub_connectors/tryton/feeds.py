"""What is polled from Tryton: feeds, each ordered by a time stamp and the row's id.

Guarantees: `read` is a function of the offset; late commits are found (see `window`); what a page
holds are the bytes of Tryton's answer. Does not: see rows that were deleted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omnihub.connect.sdk import Batch, Delivery, Offset
from omnihub_connectors.tryton.journal import PREFIX
from omnihub_connectors.tryton.rpc import Domain, Row, TrytonRpc, result_of
from omnihub_connectors.tryton.sale_payload import SALE_FIELDS
from omnihub_connectors.tryton.window import Digest, Mark, Window

MODEL_HEADER = "model"
PRODUCT, COUNT_LINE, MOVE = "product.product", "stock.inventory.line", "stock.move"
SALE = "sale.sale"
PRODUCT_FIELDS = [
    "code",
    "active",
    "identifiers.code",
    "template.name",
    "template.active",
    "template.account_category.name",
    "template.default_uom.symbol",
    "template.write_date",
    "last_modified_at",
]
COUNT_FIELDS = [
    "product.code",
    "quantity",
    "create_date",
    "inventory.number",
    "inventory.date",
    "inventory.empty_quantity",
    "inventory.location.code",
    "inventory.write_date",
]
MOVE_FIELDS = [
    "product.code",
    "internal_quantity",
    "from_location.code",
    "from_location.type",
    "to_location.code",
    "to_location.type",
    "effective_date",
    "state",
    "origin",
    "shipment",
    "shipment.reference",
    "create_date",
    "last_modified_at",
]
INACTIVE_TOO = {"active_test": False}
"""Context: archived records, and what belongs to them, are searched as well."""
FIELDS = {
    PRODUCT: PRODUCT_FIELDS,
    COUNT_LINE: COUNT_FIELDS,
    MOVE: MOVE_FIELDS,
    SALE: SALE_FIELDS,
}
"""What of one record is read again."""
DELIVERY_FIELDS = [
    *MOVE_FIELDS,
    "shipment.outgoing_moves.product.code",
    "shipment.outgoing_moves.sale.reference",
]
SALE_STATES = ("confirmed", "processing", "done")
_TO_CUSTOMERS = "stock.shipment.out,%"


@dataclass(frozen=True, slots=True)
class Feed:
    """Rows of `model` that match `domain`, by `stamp` (a field, perhaps of a related record).

    `fields` are what is read of each; those of the model unless told.
    """

    name: str
    model: str
    stamp: str
    domain: Domain
    fields: tuple[str, ...] = ()

    def mark(self, row: Row) -> Mark:
        """Return the place of `row`."""
        value: Any = row
        *related, last = self.stamp.split(".")
        for name in related:
            value = value[f"{name}."]
        stamp: datetime = value[last]
        return Mark(stamp, row["id"])

    def after(self, mark: Mark) -> Domain:
        """Return what matches the rows behind `mark`."""
        same = [[self.stamp, "=", mark.at], ["id", ">", mark.id]]
        return ["OR", [self.stamp, ">", mark.at], same]

    def up_to(self, mark: Mark) -> Domain:
        """Return what matches the rows not behind `mark`."""
        same = [[self.stamp, "=", mark.at], ["id", "<=", mark.id]]
        return ["OR", [self.stamp, "<", mark.at], same]


def feeds(locations: tuple[str, ...], *, with_sales: bool = False) -> dict[str, Feed]:
    """Return the feeds of an instance that follows `locations`, by name.

    `with_sales`: sales of staff as well; deliveries to customers then come with their sale.
    """
    here = list(locations)
    counted = [["inventory.state", "=", "done"], ["inventory.location.code", "in", here]]
    moved = [
        ["state", "in", ["done", "cancelled"]],
        ["effective_date", "!=", None],
        ["OR", ["from_location.code", "in", here], ["to_location.code", "in", here]],
    ]
    all_feeds = [
        Feed("products", PRODUCT, "last_modified_at", []),
        # A new name is written to the template alone.
        Feed("templates", PRODUCT, "template.write_date", []),
        # Lines have no stamp of their confirmation; their inventory has.
        Feed("counts", COUNT_LINE, "inventory.write_date", counted),
        Feed("moves", MOVE, "last_modified_at", moved if not with_sales else [*moved, _ELSEWHERE]),
    ]
    if with_sales:
        delivered = [*moved, ["shipment", "like", _TO_CUSTOMERS]]
        fields = tuple(DELIVERY_FIELDS)
        all_feeds += [
            Feed("deliveries", MOVE, "last_modified_at", delivered, fields),
            Feed("sales", SALE, "write_date", [["state", "in", list(SALE_STATES)], _OF_STAFF]),
        ]
    return {feed.name: feed for feed in all_feeds}


_ELSEWHERE = ["OR", ["shipment", "=", None], ["shipment", "not like", _TO_CUSTOMERS]]
_OF_STAFF = ["OR", ["reference", "=", None], ["reference", "not like", f"{PREFIX}%"]]


@dataclass(frozen=True, slots=True)
class FeedReader:
    """Reads pages of a feed."""

    rpc: TrytonRpc
    overlap_s: float
    interval_s: float

    async def read(self, feed: Feed, at: Offset | None, limit: int) -> Batch:
        """Return one page behind `at` as one delivery of at most `limit` rows.

        At the end of the feed it looks back for latecomers, and if there are any goes back.
        """
        window = Window.from_offset(at)
        content = await self._page(feed, window.frontier, limit)
        marks = [feed.mark(row) for row in result_of(feed.name, content)]
        if len(marks) < limit and await self._has_latecomers(feed, window):
            return Batch((), window.rewound().offset(), more=True)
        if not marks:
            rested = window.rested(self.overlap_s, self.interval_s)
            return Batch((), rested.offset() if at is not None else None)
        page = Delivery(f"{feed.name} {marks[0].at}", content, {MODEL_HEADER: feed.model})
        ahead = window.advanced(marks, self.overlap_s)
        return Batch((page,), ahead.offset(), more=len(marks) == limit)

    async def _page(self, feed: Feed, behind: Mark, limit: int) -> bytes:
        return await self.rpc.fetch(
            f"model.{feed.model}.search_read",
            [*feed.domain, feed.after(behind)],
            0,
            limit,
            [[feed.stamp, "ASC"], ["id", "ASC"]],
            list(feed.fields) or FIELDS[feed.model],
            repeatable=True,
            **INACTIVE_TOO,
        )

    async def _has_latecomers(self, feed: Feed, window: Window) -> bool:
        if not window.seen:
            return False
        between = [feed.after(window.floor), feed.up_to(window.frontier)]
        ids: list[int] = await self.rpc.call(
            f"model.{feed.model}.search",
            [*feed.domain, *between],
            0,
            None,
            None,
            repeatable=True,
            **INACTIVE_TOO,
        )
        return Digest.of(ids) != window.digest
