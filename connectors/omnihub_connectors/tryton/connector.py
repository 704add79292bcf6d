"""Tryton ERP (8.x, JSON-RPC): products, counts, moves and sales in; moves, sales and totals back.

Guarantees: polling is a function of the offset and finds late commits; each movement and each sale
is recorded once, whatever crashes in between; what the hub wrote does not come back as news.
Does not: write products or counts, or know the time of day at which goods moved.
"""

import asyncio
from collections.abc import Mapping as TypeMapping
from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar
from zoneinfo import ZoneInfo

from omnihub.connect.errors import AuthFailed, Refused
from omnihub.connect.sdk import (
    Batch,
    Command,
    Connector,
    Context,
    Delivery,
    Finding,
    Observation,
    ObservedOrder,
    Offset,
    Stream,
)
from omnihub.model.errors import RetryableError
from omnihub.model.ids import CommandId, LocationId, Sku
from omnihub.model.record import Record
from omnihub.model.records import RecordMovement, RecordSale, Refetch, SetDayTotal
from omnihub_connectors.tryton.catalogue import Catalogue
from omnihub_connectors.tryton.config import TrytonConfig
from omnihub_connectors.tryton.feeds import (
    FIELDS,
    INACTIVE_TOO,
    MODEL_HEADER,
    SALE_STATES,
    FeedReader,
    feeds,
)
from omnihub_connectors.tryton.health import Checkup
from omnihub_connectors.tryton.mapping import TrytonMapping
from omnihub_connectors.tryton.movements import MovementSink
from omnihub_connectors.tryton.outcome import Outcome
from omnihub_connectors.tryton.rpc import TrytonRpc, result_of
from omnihub_connectors.tryton.sale_journal import SALE, STATES
from omnihub_connectors.tryton.sale_orders import observed
from omnihub_connectors.tryton.sale_payload import SALE_FIELDS, SaleRow
from omnihub_connectors.tryton.sale_rows import TOTAL_PREFIX
from omnihub_connectors.tryton.sales import SaleSink
from omnihub_connectors.tryton.totals import TotalSink

LINES_PER_WRITE = 200
ROWS_PER_PAGE = 100
"""A row is about a kilobyte: a page stays far below a Kafka message's limit."""


_TAKEN = (RecordMovement, RecordSale, SetDayTotal)


class Tryton(Connector[TrytonConfig]):
    """The I/O half."""

    name: ClassVar[str] = "tryton"
    config_type = TrytonConfig
    mapping_type = TrytonMapping
    accepts: ClassVar[tuple[type[Record], ...]] = (
        RecordMovement,
        RecordSale,
        SetDayTotal,
        Refetch,
    )
    write_limit: ClassVar[int] = LINES_PER_WRITE
    # A sale costs Tryton many times what a move does: stock must not wait behind the books.
    lanes: ClassVar[TypeMapping[type[Record], str]] = {RecordSale: "books", SetDayTotal: "books"}

    def __init__(self, config: TrytonConfig, context: Context) -> None:
        super().__init__(config, context)
        self._rpc = TrytonRpc(context.http, config.account)
        self._feeds = feeds(config.locations, with_sales=config.read_sales)
        self._reader = FeedReader(self._rpc, config.late_commit_s, config.poll_interval_s)
        self._catalogue = Catalogue(self._rpc, config.lost_found)
        zone = ZoneInfo(config.timezone)
        self._movements = MovementSink(self._rpc, self._catalogue, context.refs, zone)
        self._sales = SaleSink(self._rpc, self._catalogue, context.refs, zone)
        self._totals = TotalSink(self._rpc, self._catalogue)
        self._write_from_s = 0.0

    async def check(self) -> list[Finding]:
        """Test server, account, clock, rights, locations and leftovers; changes nothing."""
        return await Checkup(self._rpc, self.config).findings()

    def streams(self) -> list[Stream]:
        """Products, their templates, counted lines, moves; sales where they are read."""
        return [Stream(name, self.config.poll_interval_s) for name in self._feeds]

    async def poll(self, stream: Stream, at: Offset | None, limit: int) -> Batch:
        """Return one page as one delivery."""
        return await self._reader.read(self._feeds[stream.name], at, min(limit, ROWS_PER_PAGE))

    async def refetch(self, command: Refetch) -> list[Delivery]:
        """Read one row again; a row that is gone gives nothing."""
        if (fields := FIELDS.get(command.type)) is None:
            raise Refused(f"no rows of '{command.type}' are read", cure="skip the command")
        content = await self._rpc.fetch(
            f"model.{command.type}.search_read",
            [["id", "=", int(command.entity_id)]],
            0,
            1,
            None,
            fields,
            repeatable=True,
            **INACTIVE_TOO,
        )
        name = f"{command.type} {command.entity_id}"
        return [Delivery(name, content, {MODEL_HEADER: command.type})]

    async def write(self, commands: Sequence[Command]) -> dict[CommandId, str]:
        """Record movements and sales, set totals; each kind is written as a batch of its own."""
        outcome = Outcome()
        outcome.failed |= {
            each.command_id: _stranger(each) for each in commands if not isinstance(each, _TAKEN)
        }
        try:
            if movements := [each for each in commands if isinstance(each, RecordMovement)]:
                await self._record(movements, outcome)
            if sales := [each for each in commands if isinstance(each, RecordSale)]:
                await self._sales.write(sales, outcome)
            if totals := [each for each in commands if isinstance(each, SetDayTotal)]:
                await self._totals.write(totals, outcome)
        except (RetryableError, AuthFailed, Refused) as error:
            outcome.fail_the_rest(commands, error)
        return dict(outcome.settle())

    async def read_back(self) -> list[Observation]:
        """Return what is on hand at each followed location today; what is missing is zero."""
        today = await self._rpc.call("model.ir.date.today", repeatable=True)
        places = await self._catalogue.locations(self.config.locations)
        observed: list[Observation] = []
        for code, place in sorted(places.items()):
            location = LocationId(self.context.refs.resolve("location", code))
            rows = await self._rpc.call(
                "model.product.product.search_read",
                [["quantity", "!=", 0]],
                0,
                None,
                None,
                ["code", "quantity"],
                repeatable=True,
                locations=[place],
                stock_date_end=today,
                with_childs=False,
                **INACTIVE_TOO,
            )
            observed += [
                Observation(
                    sku=Sku(self.context.refs.resolve("sku", row["code"])),
                    location=location,
                    quantity_milli=round(row["quantity"] * 1000),
                    code=f"{code}/{row['code']}",
                )
                for row in rows
            ]
        return observed

    async def read_back_orders(self) -> list[ObservedOrder]:
        """Return every sale that stands in the book; day totals and drafts do not."""
        tenant, instance, refs = self.context.tenant, self.context.instance, self.context.refs
        return [observed(sale, tenant, instance, refs) for sale in await self._sales_in_book()]

    async def read_back_totals(self) -> dict[str, Decimal]:
        """Return the day totals by target, in the main unit of their currency."""
        domain = [["reference", "like", f"{TOTAL_PREFIX}%"], ["state", "in", list(STATES)]]
        rows = await self._rpc.search_read(SALE, domain, ["reference", "total_amount"])
        return {row["reference"].removeprefix(TOTAL_PREFIX): row["total_amount"] for row in rows}

    async def _sales_in_book(self) -> list[SaleRow]:
        found: list[SaleRow] = []
        domain = ["state", "in", list(SALE_STATES)]
        while True:
            behind = ["id", ">", found[-1].id if found else 0]
            content = await self._rpc.fetch(
                f"model.{SALE}.search_read",
                [domain, behind],
                0,
                ROWS_PER_PAGE,
                [["id", "ASC"]],
                SALE_FIELDS,
                repeatable=True,
                **INACTIVE_TOO,
            )
            page = [SaleRow.model_validate(row) for row in result_of(SALE, content)]
            found += page
            if len(page) < ROWS_PER_PAGE:
                return found

    async def _record(self, movements: Sequence[RecordMovement], outcome: Outcome) -> None:
        clock = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._write_from_s - clock.time()))
        self._write_from_s = clock.time() + self.config.write_interval_s
        await self._movements.write(movements, outcome)


def _stranger(command: Command) -> Refused:
    return Refused(
        f"Tryton takes no {type(command).__name__} here",
        cure="remove `levels` and `messages` of this instance from omnihub.yaml, then skip",
    )
