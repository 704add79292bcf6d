"""How the hub finds its own sales in Tryton again: by their reference, before any retry.

Guarantees: of two sales with one reference (a create whose answer was lost) the one that is
furthest, else the elder, is kept; the others are cancelled as long as Tryton allows it.
Does not: count cancelled sales: what a person cancelled is written anew by a retry.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from omnihub.connect.errors import Refused
from omnihub_connectors.tryton.rpc import Row, TrytonRpc

SALE = "sale.sale"
STATES = ("done", "processing", "confirmed", "quotation", "draft")
"""Furthest first."""
CANCELLABLE = ("draft", "quotation")
_REFERENCES_PER_SEARCH = 100
_FIELDS = ["number", "state", "reference", "lines"]


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale of ours."""

    id: int
    number: str | None
    state: str
    reference: str
    lines: tuple[int, ...]

    @property
    def is_confirmed(self) -> bool:
        """Tell whether it stands in the book."""
        return self.state not in CANCELLABLE

    @property
    def rank(self) -> tuple[int, int]:
        """Of two with one reference the lower rank is kept."""
        return (STATES.index(self.state), self.id)


class SaleJournal:
    """Our sales in one Tryton."""

    def __init__(self, rpc: TrytonRpc) -> None:
        self._rpc = rpc

    async def find(self, references: Collection[str]) -> dict[str, Sale]:
        """Return the sale that holds each reference; duplicates are cancelled on the way."""
        found: list[Sale] = []
        for chunk in _chunks(references):
            domain = [["reference", "in", chunk], ["state", "in", list(STATES)]]
            found += [_sale(row) for row in await self._rpc.search_read(SALE, domain, _FIELDS)]
        kept: dict[str, Sale] = {}
        for sale in sorted(found, key=lambda each: each.rank):
            kept.setdefault(sale.reference, sale)
        strays = [each for each in found if kept[each.reference] is not each]
        if ids := [each.id for each in strays if not each.is_confirmed]:
            await self._rpc.press(SALE, "cancel", ids)
        return kept

    async def press(self, button: str, ids: list[int]) -> Mapping[int, Refused]:
        """Press a button for all of `ids`; return those that Tryton refused, one by one.

        Tryton's own words may name a person, so they are not told.
        """
        if not ids:
            return {}
        try:
            await self._rpc.press(SALE, button, ids)
        except Refused:
            if len(ids) == 1:
                told = f"Tryton refuses to {button} sale {ids[0]}"
                cure = f"open the sale in Tryton, {button} it there, then retry the command"
                return {ids[0]: Refused(told, cure)}
            middle = len(ids) // 2
            halves = ids[:middle], ids[middle:]
            return {**await self.press(button, halves[0]), **await self.press(button, halves[1])}
        return {}


def _sale(row: Row) -> Sale:
    return Sale(
        id=row["id"],
        number=row["number"],
        state=row["state"],
        reference=row["reference"],
        lines=tuple(row["lines"]),
    )


def _chunks(references: Collection[str]) -> list[list[str]]:
    wanted = sorted(references)
    size = _REFERENCES_PER_SEARCH
    return [wanted[start : start + size] for start in range(0, len(wanted), size)]
