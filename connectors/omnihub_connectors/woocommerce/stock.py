"""Stock levels out: absolute quantities, many products a call.

Guarantees: the same command twice has one effect (the quantity is set, not added); an item that
the shop refuses does not hold up the others; a product that was replaced under a new id is found
again by its SKU. Does not: sell fractions; a quantity is rounded down to whole pieces.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from omnihub.connect.errors import PartialWrite, Refused, Transient
from omnihub.connect.sdk import Refs
from omnihub.model.errors import OmniHubError, RetryableError, Unmapped
from omnihub.model.ids import CommandId
from omnihub.model.records import SetStockLevel
from omnihub_connectors.woocommerce.payload import STOCKED_FIELDS, STOCKLESS_TYPES, Stocked
from omnihub_connectors.woocommerce.rest import Failure, Rest, decode, refused

BATCH_LIMIT = 100
GONE = ("woocommerce_rest_product_invalid_id", "woocommerce_rest_product_variation_invalid_id")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the quantity of a SKU is kept; `parent_id` is 0 unless it is a variation."""

    id: int
    parent_id: int

    @property
    def batch(self) -> str:
        """Return the batch endpoint that changes it."""
        if self.parent_id:
            return f"products/{self.parent_id}/variations/batch"
        return "products/batch"


class Item(msgspec.Struct):
    """One item of a batch answer: the product, or the reason why not."""

    id: int = 0
    date_modified_gmt: str = ""
    error: Failure | None = None


class Answer(msgspec.Struct):
    """The answer of a batch, in the order of the request."""

    update: list[Item] = []


class StockSink:
    """Writes levels; remembers where it found each SKU."""

    def __init__(self, rest: Rest, refs: Refs) -> None:
        self._rest, self._refs = rest, refs
        self._places: dict[str, Place] = {}

    async def write(self, commands: Sequence[SetStockLevel]) -> dict[CommandId, str]:
        """Set all levels; a reference is `product ID at DATE`.

        Raises:
            PartialWrite: with what is done and why the rest is not.
            RetryableError: nothing is known to be done.
        """
        done: dict[CommandId, str] = {}
        failed: dict[CommandId, OmniHubError] = {}
        by_code = self._by_code(commands, failed)
        try:
            missing = await self._write(by_code, done, failed)
            await self._write(missing, done, failed, is_second=True)
        except RetryableError as error:
            if not (done or failed):
                raise
            failed |= {c.command_id: error for c in commands if c.command_id not in done | failed}
        if failed:
            raise PartialWrite(done, failed)
        return done

    def _by_code(
        self, commands: Sequence[SetStockLevel], failed: dict[CommandId, OmniHubError]
    ) -> dict[str, list[SetStockLevel]]:
        """Group commands by the shop's SKU; a SKU nobody mapped fails alone."""
        by_code: dict[str, list[SetStockLevel]] = defaultdict(list)
        for command in commands:
            try:
                by_code[self._refs.code_of("sku", command.sku)].append(command)
            except Unmapped as error:
                failed[command.command_id] = Refused(str(error), error.cure)
        return by_code

    async def _write(
        self,
        by_code: dict[str, list[SetStockLevel]],
        done: dict[CommandId, str],
        failed: dict[CommandId, OmniHubError],
        is_second: bool = False,
    ) -> dict[str, list[SetStockLevel]]:
        """Write what has a place; return what turned out to have moved."""
        places = await self._locate(by_code)
        for code in by_code.keys() - places.keys():
            failed |= {command.command_id: _unknown(code) for command in by_code[code]}
        gone: dict[str, list[SetStockLevel]] = {}
        for codes in _batches(places):
            items = await self._send([(places[code], by_code[code]) for code in codes])
            for code, item in zip(codes, items, strict=True):
                if item.error is None:
                    told = f"product {item.id} at {item.date_modified_gmt}"
                    done |= {command.command_id: told for command in by_code[code]}
                elif item.error.code in GONE and not is_second:
                    del self._places[code]
                    gone[code] = by_code[code]
                else:
                    error = refused(item.error, f"stock of product {item.id}")
                    failed |= {command.command_id: error for command in by_code[code]}
        return gone

    async def _send(self, levels: list[tuple[Place, list[SetStockLevel]]]) -> list[Item]:
        update = [
            {"id": place.id, "manage_stock": True, "stock_quantity": _newest_quantity(commands)}
            for place, commands in levels
        ]
        path = levels[0][0].batch
        answer = await self._rest.post(path, {"update": update}, Answer)
        if len(answer.update) != len(update):
            raise Transient(f"POST {path}: {len(answer.update)} answers to {len(update)} items")
        return answer.update

    async def _locate(self, codes: Iterable[str]) -> dict[str, Place]:
        unknown = [code for code in codes if code not in self._places]
        for start in range(0, len(unknown), BATCH_LIMIT):
            await self._look_up(unknown[start : start + BATCH_LIMIT])
        return {code: self._places[code] for code in codes if code in self._places}

    async def _look_up(self, codes: list[str]) -> None:
        # A list of SKUs is parted by commas; one that holds a comma is asked for alone.
        plain = [code for code in codes if "," not in code]
        for wanted in [",".join(plain), *(code for code in codes if "," in code)]:
            if wanted:
                params: dict[str, str | int] = {
                    "sku": wanted,
                    "per_page": BATCH_LIMIT,
                    "_fields": STOCKED_FIELDS,
                }
                page = await self._rest.page("products", params)
                self._remember(decode(page.body, list[Stocked], "GET products"))

    def _remember(self, products: list[Stocked]) -> None:
        for product in products:
            if product.type not in STOCKLESS_TYPES:
                parent_id = product.parent_id if product.type == "variation" else 0
                self._places[product.sku] = Place(product.id, parent_id)


def _batches(places: dict[str, Place]) -> list[list[str]]:
    """Part SKUs by endpoint, at most a batch each."""
    by_endpoint: dict[str, list[str]] = defaultdict(list)
    for code, place in places.items():
        by_endpoint[place.batch].append(code)
    return [
        codes[start : start + BATCH_LIMIT]
        for codes in by_endpoint.values()
        for start in range(0, len(codes), BATCH_LIMIT)
    ]


def _newest_quantity(commands: list[SetStockLevel]) -> int:
    newest = max(commands, key=lambda command: command.seq)
    return newest.quantity_milli // 1000


def _unknown(code: str) -> Refused:
    return Refused(
        f"the shop has no product with SKU '{code}' that can hold stock",
        cure="create it in the shop, or take the SKU out of this instance's levels, then retry",
    )
