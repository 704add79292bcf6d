"""Who buys, as Tryton knows them: one party per person, found again by its code.

Guarantees: a party is created once, because Tryton keeps codes unique; the code says nothing about
the person (it is the hub's random id). An address that the party does not have yet is added.
Does not: overwrite names, mail addresses or numbers that somebody may have corrected in Tryton; put
anything personal into errors: Tryton's own words are dropped.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub.connect.errors import Refused
from omnihub.model.personal import Personal
from omnihub.model.records import Contact, RecordSale
from omnihub_connectors.tryton.catalogue import Catalogue
from omnihub_connectors.tryton.feeds import INACTIVE_TOO
from omnihub_connectors.tryton.journal import PREFIX
from omnihub_connectors.tryton.rpc import MAX_ROWS_PER_CREATE, Row, TrytonRpc

PARTY, ADDRESS = "party.party", "party.address"
_FIELDS = ["code", "addresses.street", "addresses.postal_code", "addresses.city"]


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in Tryton's fields; `country` is an ISO code."""

    street: str = field(default="", repr=False)
    postal_code: str = field(default="", repr=False)
    city: str = field(default="", repr=False)
    country: str = ""

    def row(self, countries: Mapping[str, int]) -> Row:
        """Return it as Tryton creates it; a country Tryton does not know is a line of its own."""
        known = countries.get(self.country)
        lines = [self.street] if known or not self.country else [self.street, self.country]
        values = {"postal_code": self.postal_code, "city": self.city, "country": known}
        told = {name: value for name, value in values.items() if value}
        return {**told, "street": "\n".join(line for line in lines if line)}


@dataclass(frozen=True, slots=True)
class Buyer:
    """A party to be found or made."""

    code: str
    name: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    address: Address = Address()


@dataclass(frozen=True, slots=True)
class Party:
    """A party in Tryton with one of its addresses."""

    id: int
    address: int


def buyer_of(command: RecordSale) -> Buyer:
    """Return who buys; orders of nobody known have one party per channel."""
    contact = command.contact
    if contact is None:
        return channel_buyer(f"Customers of {command.channel}", f"channel:{command.channel}")
    return Buyer(
        code=f"{PREFIX}{contact.subject}",
        name=_revealed(contact.name) or _revealed(contact.email) or f"Order {command.number}",
        email=_revealed(contact.email),
        phone=_revealed(contact.phone),
        address=_address(contact),
    )


def channel_buyer(name: str, code: str) -> Buyer:
    """Return a party that stands for many people."""
    return Buyer(code=f"{PREFIX}{code}", name=name)


class Parties:
    """The parties of one Tryton."""

    def __init__(self, rpc: TrytonRpc, catalogue: Catalogue) -> None:
        self._rpc = rpc
        self._catalogue = catalogue

    async def of(self, buyers: Iterable[Buyer]) -> dict[Buyer, Party]:
        """Return the party of each buyer; one whom Tryton refuses is missing in it."""
        wanted = list(dict.fromkeys(buyers))
        countries = await self._catalogue.countries(each.address.country for each in wanted)
        known = await self._find(wanted)
        missing = {each.code: each for each in wanted if each.code not in known}
        if missing:
            await self._create(list(missing.values()), countries)
            known = await self._find(wanted)
        lacking = [each for each in wanted if each.code in known and _at(each, known) is None]
        if lacking:
            await self._add_addresses(lacking, known, countries)
            known = await self._find(wanted)
        return {
            each: Party(known[each.code]["id"], address)
            for each in wanted
            if each.code in known and (address := _at(each, known)) is not None
        }

    async def _find(self, buyers: Sequence[Buyer]) -> dict[str, Row]:
        """Return parties with their addresses by code; archived ones keep their code, too."""
        rows: list[Row] = await self._rpc.call(
            f"model.{PARTY}.search_read",
            [["code", "in", sorted({each.code for each in buyers})]],
            0,
            None,
            None,
            _FIELDS,
            repeatable=True,
            **INACTIVE_TOO,
        )
        return {row["code"]: row for row in rows}

    async def _create(self, buyers: Sequence[Buyer], countries: Mapping[str, int]) -> None:
        """Create parties; of a set that is refused each half is tried again, down to one."""
        for start in range(0, len(buyers), MAX_ROWS_PER_CREATE):
            chunk = buyers[start : start + MAX_ROWS_PER_CREATE]
            try:
                await self._rpc.create(PARTY, [_row(each, countries) for each in chunk])
            except Refused:
                if len(chunk) > 1:
                    middle = len(chunk) // 2
                    await self._create(chunk[:middle], countries)
                    await self._create(chunk[middle:], countries)

    async def _add_addresses(
        self, buyers: Sequence[Buyer], known: Mapping[str, Row], countries: Mapping[str, int]
    ) -> None:
        rows = [{**each.address.row(countries), "party": known[each.code]["id"]} for each in buyers]
        for row in rows:
            try:
                await self._rpc.create(ADDRESS, [row])
            except Refused:
                continue  # its buyer stays without a party, and says so


def no_party(command: RecordSale) -> Refused:
    """Return why a sale without party cannot be written."""
    return Refused(
        f"Tryton refuses the party or the address of order {command.number}",
        cure="add the party by hand in Tryton with the code that the order's subject gives "
        f"('{buyer_of(command).code}'), then retry the command",
    )


def _row(buyer: Buyer, countries: Mapping[str, int]) -> Row:
    told = (("email", buyer.email), ("phone", buyer.phone))
    return {
        "name": buyer.name,
        "code": buyer.code,
        "addresses": [["create", [buyer.address.row(countries)]]],
        "contact_mechanisms": [
            ["create", [{"type": kind, "value": value} for kind, value in told if value]]
        ],
    }


def _at(buyer: Buyer, known: Mapping[str, Row]) -> int | None:
    """Return the party's address that is the buyer's; for a buyer without one, its first."""
    addresses: list[Row] = known[buyer.code]["addresses."]
    for row in addresses:
        if buyer.address == Address() or _is_at(row, buyer.address):
            found: int = row["id"]
            return found
    return None


def _is_at(row: Row, address: Address) -> bool:
    street, postal_code, city = (
        (row[name] or "").strip() for name in ("street", "postal_code", "city")
    )
    streets = {address.street, f"{address.street}\n{address.country}".strip()}
    return street in streets and (postal_code, city) == (address.postal_code, address.city)


def _address(contact: Contact) -> Address:
    told = _revealed(contact.address)
    if not told:
        return Address()
    parts: dict[str, Any] = json.loads(told)
    lines = parts.get("lines") or []
    city = " ".join(str(parts[name]) for name in ("city", "region") if parts.get(name))
    return Address(
        street="\n".join(str(line).strip() for line in lines if str(line).strip()),
        postal_code=str(parts.get("postcode") or "").strip(),
        city=city.strip(),
        country=str(parts.get("country") or "").strip(),
    )


def _revealed(value: Personal | bytes | None) -> str | None:
    """The book of sales is a system with the right to know its customers."""
    return value.reveal() if isinstance(value, Personal) else None
