"""WooCommerce (REST v3): products in by webhook and poll, stock levels out in batches.

Guarantees: what a webhook lost (they are never repeated), the poll finds; a level is written as an
absolute quantity; a quantity changed in the shop is an observation, read back on request.
Does not: poll variations (their webhooks are read, their levels written and read back).
"""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import msgspec

from omnihub.connect.errors import Refused
from omnihub.connect.sdk import (
    Batch,
    Command,
    Connector,
    Context,
    Delivery,
    Finding,
    Observation,
    Offset,
    Stream,
)
from omnihub.connect.webhooks import Headers, WebhookScheme
from omnihub.model.errors import Unmapped
from omnihub.model.ids import CommandId, Sku
from omnihub.model.record import Record
from omnihub.model.records import DeliveryKind, Refetch, SetStockLevel
from omnihub_connectors.woocommerce import polling
from omnihub_connectors.woocommerce.config import MAX_PER_PAGE, WooCommerceConfig
from omnihub_connectors.woocommerce.health import Checkup
from omnihub_connectors.woocommerce.mapping import WooCommerceMapping
from omnihub_connectors.woocommerce.payload import STOCKED_FIELDS, Stocked
from omnihub_connectors.woocommerce.rest import Params, Rest, decode
from omnihub_connectors.woocommerce.stock import BATCH_LIMIT, StockSink
from omnihub_connectors.woocommerce.subscriptions import Subscriptions

PRODUCTS, TRASH = "products", "trash"
STATUS_OF = {PRODUCTS: "any", TRASH: "trash"}
LOG = logging.getLogger(__name__)


class WooCommerce(Connector[WooCommerceConfig]):
    """The I/O half."""

    name: ClassVar[str] = "woocommerce"
    config_type = WooCommerceConfig
    mapping_type = WooCommerceMapping
    accepts: ClassVar[tuple[type[Record], ...]] = (SetStockLevel, Refetch)
    write_limit: ClassVar[int] = BATCH_LIMIT

    def __init__(self, config: WooCommerceConfig, context: Context) -> None:
        super().__init__(config, context)
        self._rest = Rest(context.http, config)
        self._sink = StockSink(self._rest, context.refs)

    @classmethod
    def webhook(cls, config: WooCommerceConfig) -> WebhookScheme | None:
        """HMAC-SHA256 over the raw body, base64; no timestamp, and no id worth remembering.

        X-WC-Webhook-Delivery-ID is a hash of webhook and second, shared by all of one second.
        """
        if not config.webhook_secrets:
            return None
        return WebhookScheme(
            "X-WC-Webhook-Signature",
            secrets=config.webhook_secrets,
            topic_header="X-WC-Webhook-Topic",
            is_ping=is_ping,
        )

    async def tend(self) -> None:
        """Keep the webhooks subscribed and active."""
        await Subscriptions(self._rest, self.config).mend()

    async def check(self) -> list[Finding]:
        """Test credentials, rights, clock and webhooks."""
        return await Checkup(self._rest, self.config).findings()

    def streams(self) -> list[Stream]:
        """Products, and what is put into the trash from now on."""
        return [Stream(name, self.config.poll_interval_s) for name in STATUS_OF]

    async def poll(self, stream: Stream, at: Offset | None, limit: int) -> Batch:
        """Return one page of products (see `polling` for the offset)."""
        size = self.config.page_size
        params = polling.query(at, STATUS_OF[stream.name], size)
        page = await self._rest.page("products", params)
        if at is None and stream.name == TRASH:
            # Old trash is not news, and its SKUs may long belong to other products.
            step = polling.start_now(page, self.config.settle_s)
        else:
            step = polling.advance(at, page, size, self.config.settle_s)
        name = f"{stream.name} {params.get('modified_after', 'all')} page {params['page']}"
        body = msgspec.json.encode(step.rows)
        deliveries = (Delivery(name, body),) if step.rows else ()
        return Batch(deliveries, step.next, step.more)

    async def refetch(self, command: Refetch) -> list[Delivery]:
        """Read one product again; one that is gone comes as `{"id": N}`, like its webhook."""
        path = f"products/{int(command.entity_id)}"
        body = await self._rest.find(path)
        if body is None:
            body = msgspec.json.encode({"id": int(command.entity_id)})
        return [Delivery(path, body, kind=DeliveryKind.REFETCH)]

    async def write(self, commands: Sequence[Command]) -> dict[CommandId, str]:
        """Set stock levels."""
        levels = [command for command in commands if isinstance(command, SetStockLevel)]
        if len(levels) != len(commands):
            raise Refused(
                "WooCommerce takes stock levels only, no movements",
                cure="remove `movements` from this instance in omnihub.yaml",
            )
        return await self._sink.write(levels)

    async def read_back(self) -> list[Observation]:
        """Return every quantity that the shop manages; SKUs nobody mapped are left out."""
        return [
            observation
            async for product in self._stocked()
            if (observation := self._observe(product)) is not None
        ]

    async def _stocked(self) -> AsyncIterator[Stocked]:
        async for product in self._all("products"):
            yield product
            if product.type == "variable":
                async for variation in self._all(f"products/{product.id}/variations"):
                    yield variation

    async def _all(self, path: str) -> AsyncIterator[Stocked]:
        number, pages = 1, 1
        while number <= pages:
            params: Params = {
                "per_page": MAX_PER_PAGE,
                "page": number,
                "orderby": "id",
                "order": "asc",
                "_fields": STOCKED_FIELDS,
            }
            page = await self._rest.page(path, params)
            for product in decode(page.body, list[Stocked], f"GET {path}"):
                yield product
            number, pages = number + 1, page.pages

    def _observe(self, product: Stocked) -> Observation | None:
        if product.manage_stock is not True or product.stock_quantity is None or not product.sku:
            return None
        try:
            sku = Sku(self.context.refs.resolve("sku", product.sku))
        except Unmapped:
            LOG.warning("product %s has a SKU that is not mapped: not read back", product.id)
            return None
        return Observation(sku, None, round(product.stock_quantity * 1000), str(product.id))


def is_ping(headers: Headers, body: bytes) -> bool:
    """Tell whether this is the unsigned form `webhook_id=N` that a new webhook sends."""
    name, _, number = body.partition(b"=")
    return name == b"webhook_id" and number.isdigit()
