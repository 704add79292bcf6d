"""Writes the hub's orders into Tryton as confirmed sales, each once.

Guarantees: a sale is found by its reference before it is created and again afterwards, so a lost
answer, a crash or another batch makes no second one; only the kept one is quoted and confirmed.
Its goods move with the hub's movements and not a second time: shipment and invoice method are
`manual`, so Tryton makes neither shipment nor stock move of the sale. One order that Tryton refuses
takes no other with it, and no error says anything about a person.
Does not: invoice, or follow what becomes of the order after its confirmation.
"""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from omnihub.connect.errors import Refused
from omnihub.connect.sdk import Refs
from omnihub.model.errors import OmniHubError
from omnihub.model.records import RecordSale
from omnihub.model.time import from_us
from omnihub_connectors.tryton.catalogue import Article, Catalogue
from omnihub_connectors.tryton.outcome import Outcome
from omnihub_connectors.tryton.parties import Parties, Party, buyer_of, no_party
from omnihub_connectors.tryton.rpc import Row, TrytonRpc
from omnihub_connectors.tryton.sale_journal import SALE, Sale, SaleJournal
from omnihub_connectors.tryton.sale_rows import order_reference, sale_lines

SALES_PER_TRANSACTION = 10
"""Less than half a second of SQLite's one writer: stock moves slip in between."""


class SaleSink:
    """Writes sales through one account."""

    def __init__(self, rpc: TrytonRpc, catalogue: Catalogue, refs: Refs, zone: ZoneInfo) -> None:
        self._rpc = rpc
        self._catalogue = catalogue
        self._refs = refs
        self._zone = zone
        self._journal = SaleJournal(rpc)
        self._parties = Parties(rpc, catalogue)

    async def write(self, commands: Sequence[RecordSale], outcome: Outcome) -> None:
        """Carry out `commands`; note the number of the sale of each.

        Raises:
            Transient, RateLimited, AuthFailed: of those not noted nothing is known; ask again.
        """
        for start in range(0, len(commands), SALES_PER_TRANSACTION):
            await self._record(commands[start : start + SALES_PER_TRANSACTION], outcome)

    async def _record(self, commands: Sequence[RecordSale], outcome: Outcome) -> None:
        by_reference = {order_reference(each.order_id): each for each in commands}
        known = await self._journal.find(by_reference)
        missing = [each for reference, each in by_reference.items() if reference not in known]
        if missing:
            await self._create(await self._rows(missing, outcome), outcome)
            # Looked up again: a create of ours whose answer was lost may have landed meanwhile.
            known = await self._journal.find(by_reference)
        refusals = await self._confirm([each for each in known.values() if not each.is_confirmed])
        if refusals or missing or any(not each.is_confirmed for each in known.values()):
            known = await self._journal.find(by_reference)
        for command in commands:
            _report(command, known.get(order_reference(command.order_id)), refusals, outcome)

    async def _confirm(self, sales: Sequence[Sale]) -> dict[int, Refused]:
        """Bring drafts into the book; return why some are not, by id."""
        drafts = [each.id for each in sales if each.state == "draft"]
        refused = await self._journal.press("quote", drafts)
        quoted = [each.id for each in sales if each.id not in refused]
        return {**refused, **await self._journal.press("confirm", quoted)}

    async def _create(self, rows: Sequence[tuple[RecordSale, Row]], outcome: Outcome) -> None:
        """Create sales in one transaction; of a set that is refused each half is tried again."""
        if not rows:
            return
        try:
            await self._rpc.create(SALE, [row for _, row in rows])
        except Refused:
            if len(rows) == 1:
                outcome.fail([rows[0][0]], _unwanted(rows[0][0]))
                return
            middle = len(rows) // 2
            await self._create(rows[:middle], outcome)
            await self._create(rows[middle:], outcome)

    async def _rows(
        self, commands: Sequence[RecordSale], outcome: Outcome
    ) -> list[tuple[RecordSale, Row]]:
        """Put orders into Tryton's words; those it has no words for fail alone."""
        parties = await self._parties.of(buyer_of(each) for each in commands)
        told = []
        for command in commands:
            try:
                if (party := parties.get(buyer_of(command))) is None:
                    raise no_party(command)
                told.append((command, await self._row(command, party)))
            except OmniHubError as error:
                outcome.fail([command], error)
        return told

    async def _row(self, command: RecordSale, party: Party) -> Row:
        codes = [self._refs.code_of("sku", line.sku) for line in command.lines]
        articles = await self._articles(codes)
        day = from_us(command.placed_at_us).astimezone(self._zone).date()
        return {
            "reference": order_reference(command.order_id),
            "description": f"{command.channel} {command.number}",
            **dict.fromkeys(("party", "invoice_party", "shipment_party"), party.id),
            **dict.fromkeys(("invoice_address", "shipment_address"), party.address),
            **dict.fromkeys(("invoice_method", "shipment_method"), "manual"),
            "warehouse": await self._warehouse(command),
            "currency": await self._currency(command),
            "sale_date": day,
            "lines": [["create", sale_lines(command, articles, codes)]],
        }

    async def _articles(self, codes: list[str]) -> dict[str, Article]:
        articles = await self._catalogue.articles(codes)
        if missing := sorted(set(codes) - articles.keys()):
            raise Refused(
                f"Tryton has no product with code {', '.join(missing)}",
                cure="add it in Tryton, or correct the sku map, then retry the command",
            )
        return articles

    async def _warehouse(self, command: RecordSale) -> int:
        code = self._refs.code_of("location", command.location)
        places = await self._catalogue.locations([code])
        found = await self._catalogue.warehouses(places.values())
        if code not in places or places[code] not in found:
            raise Refused(
                f"Tryton has no storage location in a warehouse with code '{code}'",
                cure="add it in Tryton, or correct the location map, then retry the command",
            )
        return found[places[code]]

    async def _currency(self, command: RecordSale) -> int:
        known = await self._catalogue.currencies([command.currency])
        if command.currency not in known:
            raise Refused(
                f"Tryton has no currency {command.currency}",
                cure="add it in Tryton, then retry the command",
            )
        return known[command.currency]


def _report(
    command: RecordSale, sale: Sale | None, refusals: dict[int, Refused], outcome: Outcome
) -> None:
    """Tell of a sale what Tryton itself now shows."""
    if sale is not None and sale.is_confirmed:
        outcome.done[command.command_id] = f"sale {sale.number}"
    elif command.command_id not in outcome.failed:
        refusal = refusals.get(sale.id) if sale is not None else None
        outcome.fail([command], refusal or _unwanted(command))


def _unwanted(command: RecordSale) -> Refused:
    return Refused(
        f"Tryton refuses the sale of order {command.number}",
        cure="look for what its products, quantities or warehouse lack, then retry the command",
    )
