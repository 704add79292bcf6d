"""Keeps what other channels sold in Tryton as one draft sale per channel, day and currency.

Guarantees: the sale shows the newest total that was asked for; it is found by its reference and
written over, never added to. A draft moves no goods, is never invoiced, and stays open for the next
total. Does not: touch a total that somebody confirmed in Tryton: that day is closed there.
"""

from collections.abc import Sequence

from omnihub.connect.errors import Refused
from omnihub.model.records import SetDayTotal
from omnihub_connectors.tryton.catalogue import Catalogue
from omnihub_connectors.tryton.outcome import Outcome
from omnihub_connectors.tryton.parties import Buyer, Parties, Party, channel_buyer
from omnihub_connectors.tryton.rpc import Row, TrytonRpc
from omnihub_connectors.tryton.sale_journal import SALE, Sale, SaleJournal
from omnihub_connectors.tryton.sale_rows import day_of, total_line, total_reference


class TotalSink:
    """Writes day totals through one account."""

    def __init__(self, rpc: TrytonRpc, catalogue: Catalogue) -> None:
        self._rpc = rpc
        self._catalogue = catalogue
        self._journal = SaleJournal(rpc)
        self._parties = Parties(rpc, catalogue)

    async def write(self, commands: Sequence[SetDayTotal], outcome: Outcome) -> None:
        """Carry out `commands`, of which the last for a target counts.

        Raises:
            Transient, RateLimited, AuthFailed: of those not noted nothing is known; ask again.
        """
        newest = {total_reference(each): each for each in commands}
        known = await self._journal.find(newest)
        missing = [each for reference, each in newest.items() if reference not in known]
        if missing:
            await self._create(missing, outcome)
            known = await self._journal.find(newest)
        written = await self._overwrite(newest, known)
        for command in commands:
            sale = known.get(total_reference(command))
            if sale is not None and sale.id in written:
                outcome.done[command.command_id] = f"sale {sale.id}"
            elif command.command_id not in outcome.failed:
                outcome.fail([command], _closed(command, sale))

    async def _create(self, commands: Sequence[SetDayTotal], outcome: Outcome) -> None:
        currencies = await self._catalogue.currencies(each.currency for each in commands)
        parties = await self._parties.of(_buyer(each) for each in commands)
        for command in commands:
            currency, party = currencies.get(command.currency), parties.get(_buyer(command))
            if currency is None or party is None:
                told = f"Tryton has no currency {command.currency} or refuses the party of totals"
                outcome.fail([command], Refused(told, "add it in Tryton, then retry the command"))
            else:
                await self._rpc.create(SALE, [_row(command, party, currency)])

    async def _overwrite(
        self, newest: dict[str, SetDayTotal], known: dict[str, Sale]
    ) -> frozenset[int]:
        """Write totals over drafts, all in one transaction; return which sales show them."""
        drafts = {
            sale.id: (sale, newest[reference])
            for reference, sale in known.items()
            if sale.state == "draft"
        }
        if drafts:
            pairs = [
                part
                for sale, command in drafts.values()
                for part in ([sale.id], _changes(sale, command))
            ]
            await self._rpc.call(f"model.{SALE}.write", *pairs)
        return frozenset(drafts)


def _buyer(command: SetDayTotal) -> Buyer:
    return channel_buyer(f"Daily totals {command.channel}", f"total:{command.channel}")


def _row(command: SetDayTotal, party: Party, currency: int) -> Row:
    return {
        "reference": total_reference(command),
        "party": party.id,
        "currency": currency,
        "sale_date": day_of(command.day),
        "description": _description(command),
        **dict.fromkeys(("invoice_method", "shipment_method"), "manual"),
        "lines": [["create", [total_line(command)]]],
    }


def _changes(sale: Sale, command: SetDayTotal) -> Row:
    """Return what makes a draft show the total, whatever was done to its lines."""
    first, rest = sale.lines[:1], sale.lines[1:]
    line = total_line(command)
    lines: list[list[object]] = [["write", [*first], line] if first else ["create", [line]]]
    if rest:
        lines.append(["delete", list(rest)])
    return {"description": _description(command), "lines": lines}


def _description(command: SetDayTotal) -> str:
    return f"{command.orders} orders of {command.channel} on {day_of(command.day)}"


def _closed(command: SetDayTotal, sale: Sale | None) -> Refused:
    state = sale.state if sale is not None else "gone"
    return Refused(
        f"the total of {command.channel} for {day_of(command.day)} is '{state}' in Tryton",
        cure="set that sale back to draft or cancel it in Tryton, then retry the command",
    )
