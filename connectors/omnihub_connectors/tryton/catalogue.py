"""What Tryton calls our products and places: its ids by code, looked up once.

Guarantees: only what was found is remembered, so a product made later is found later.
Does not: notice that a code was moved to another record; restart the connector then.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from omnihub.connect.errors import Refused
from omnihub_connectors.tryton.rpc import TrytonRpc


@dataclass(frozen=True, slots=True)
class Article:
    """A product as documents name it: the variant's id and the id of its unit."""

    id: int
    unit: int


class Catalogue:
    """Ids of one Tryton."""

    def __init__(self, rpc: TrytonRpc, lost_found: str | None) -> None:
        self._rpc = rpc
        self._lost_found = lost_found
        self._articles: dict[str, Article] = {}
        self._locations: dict[str, int] = {}
        self._outside: int | None = None
        self._warehouses: dict[int, int] = {}
        self._currencies: dict[str, int] = {}
        self._countries: dict[str, int] = {}

    async def articles(self, codes: Iterable[str]) -> dict[str, Article]:
        """Return the products that carry `codes`; a code nobody carries is missing in it."""
        wanted = set(codes)
        if missing := sorted(wanted - self._articles.keys()):
            rows = await self._rpc.search_read(
                "product.product", [["code", "in", missing]], ["code", "default_uom"]
            )
            self._articles |= {row["code"]: Article(row["id"], row["default_uom"]) for row in rows}
        return {code: self._articles[code] for code in wanted if code in self._articles}

    async def locations(self, codes: Iterable[str]) -> dict[str, int]:
        """Return the storage locations that carry `codes`; others are missing in it."""
        wanted = set(codes)
        if missing := sorted(wanted - self._locations.keys()):
            domain = [["code", "in", missing], ["type", "=", "storage"]]
            rows = await self._rpc.search_read("stock.location", domain, ["code"])
            self._locations |= {row["code"]: row["id"] for row in rows}
        return {code: self._locations[code] for code in wanted if code in self._locations}

    async def outside(self) -> int:
        """Return the lost-and-found location: what is sold goes there, what comes back too.

        Raises:
            Refused: there is none, or several and none is named in the configuration.
        """
        if self._outside is None:
            domain = [["type", "=", "lost_found"]]
            if self._lost_found is not None:
                domain.append(["name", "=", self._lost_found])
            found = await self._rpc.search_read("stock.location", domain, ["name"])
            if len(found) != 1:
                names = ", ".join(f"'{row['name']}'" for row in found) or "none"
                raise Refused(
                    f"Tryton has {len(found)} lost-and-found locations that fit: {names}",
                    cure="name one in `lost_found` of the instance's config",
                )
            self._outside = found[0]["id"]
        return self._outside

    async def warehouses(self, places: Iterable[int]) -> dict[int, int]:
        """Return the warehouse around each storage location; one without is missing in it."""
        wanted = set(places)
        for place in sorted(wanted - self._warehouses.keys()):
            domain = [["parent", "parent_of", [place]], ["type", "=", "warehouse"]]
            rows = await self._rpc.search_read("stock.location", domain, ["name"], limit=1)
            self._warehouses.update((place, row["id"]) for row in rows)
        return {place: self._warehouses[place] for place in wanted if place in self._warehouses}

    async def currencies(self, codes: Iterable[str]) -> dict[str, int]:
        """Return currencies by ISO 4217 code; those Tryton does not use are missing in it."""
        return await self._coded("currency.currency", codes, self._currencies)

    async def countries(self, codes: Iterable[str]) -> dict[str, int]:
        """Return countries by ISO 3166 code; a Tryton may have none at all."""
        return await self._coded("country.country", codes, self._countries)

    async def _coded(
        self, model: str, codes: Iterable[str], known: dict[str, int]
    ) -> dict[str, int]:
        wanted = {code for code in codes if code}
        if missing := sorted(wanted - known.keys()):
            rows = await self._rpc.search_read(model, [["code", "in", missing]], ["code"])
            known |= {row["code"]: row["id"] for row in rows}
        return {code: known[code] for code in wanted if code in known}
