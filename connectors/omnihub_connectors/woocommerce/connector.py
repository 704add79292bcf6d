"""WooCommerce (REST v3): products, orders and customers in by webhook and poll; stock levels and
order statuses out.

Guarantees: what a webhook lost (they are never repeated), the poll finds; a level is written as an
absolute quantity; a quantity changed in the shop is an observation, read back on request. The first
load reads open orders only; customers are looked through again and again.
Does not: poll variations (their webhooks are read, their levels written and read back).
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from omnihub.connect.errors import PartialWrite, Refused
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
from omnihub.connect.webhooks import Headers, WebhookScheme
from omnihub.model.errors import Unmapped
from omnihub.model.ids import CommandId, Sku
from omnihub.model.record import Record
from omnihub.model.records import DeliveryKind, Refetch, SetOrderStatus, SetStockLevel
from omnihub_connectors.woocommerce import polling
from omnihub_connectors.woocommerce.config import MAX_PER_PAGE, Resource, WooCommerceConfig
from omnihub_connectors.woocommerce.health import Checkup
from omnihub_connectors.woocommerce.mapping import RESOURCE_HEADER, WooCommerceMapping
from omnihub_connectors.woocommerce.order_reads import observed_orders
from omnihub_connectors.woocommerce.order_status import StatusSink
from omnihub_connectors.woocommerce.orders import OPEN
from omnihub_connectors.woocommerce.payload import STOCKED_FIELDS, Stocked
from omnihub_connectors.woocommerce.rest import Params, Rest, decode
from omnihub_connectors.woocommerce.stock import BATCH_LIMIT, StockSink
from omnihub_connectors.woocommerce.subscriptions import Subscriptions

PRODUCTS, TRASH = "products", "trash"
ORDERS, ORDER_TRASH, CUSTOMERS = "orders", "order-trash", "customers"
PATHS: dict[str, Resource] = {"products": "product", "orders": "order", "customers": "customer"}
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Feed:
    """A collection to poll: of which status now, and of which at first."""

    path: str
    status: str
    first_status: str | None = None
    """None: what is there already is not news."""


FEEDS = {
    PRODUCTS: Feed("products", "any", "any"),
    TRASH: Feed("products", "trash"),
    ORDERS: Feed("orders", "any", ",".join(OPEN)),
    ORDER_TRASH: Feed("orders", "trash"),
}


class WooCommerce(Connector[WooCommerceConfig]):
    """The I/O half."""

    name: ClassVar[str] = "woocommerce"
    config_type = WooCommerceConfig
    mapping_type = WooCommerceMapping
    accepts: ClassVar[tuple[type[Record], ...]] = (SetStockLevel, SetOrderStatus, Refetch)
    write_limit: ClassVar[int] = BATCH_LIMIT

    def __init__(self, config: WooCommerceConfig, context: Context) -> None:
        super().__init__(config, context)
        self._rest = Rest(context.http, config)
        self._stock = StockSink(self._rest, context.refs)
        self._statuses = StatusSink(self._rest, context.tenant, context.instance)

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
            keeps=("X-WC-Webhook-Resource",),
        )

    async def tend(self) -> None:
        """Keep the webhooks subscribed and active."""
        await Subscriptions(self._rest, self.config).mend()

    async def check(self) -> list[Finding]:
        """Test credentials, rights, clock and webhooks."""
        return await Checkup(self._rest, self.config).findings()

    def streams(self) -> list[Stream]:
        """What is followed, and what is put into its trash from now on."""
        followed = self.config.resources
        streams = [
            Stream(name, self.config.poll_interval_s)
            for name, feed in FEEDS.items()
            if PATHS[feed.path] in followed
        ]
        if "customer" in followed:
            streams.append(Stream(CUSTOMERS, self.config.customers_interval_s))
        return streams

    async def poll(self, stream: Stream, at: Offset | None, limit: int) -> Batch:
        """Return one page of resources (see `polling` for the offset)."""
        if stream.name == CUSTOMERS:
            return await self._customers(at)
        feed, size = FEEDS[stream.name], self.config.page_size
        is_first = at is None or "then" in at
        status = feed.first_status if is_first and feed.first_status else feed.status
        params = polling.query(at, status, size)
        page = await self._rest.page(feed.path, params)
        if at is None and feed.first_status is None:
            # Old trash is not news, and its SKUs may long belong to other products.
            step = polling.start_now(page, self.config.settle_s)
        else:
            step = polling.advance(at, page, size, self.config.settle_s)
        return _batch(f"{stream.name} {params.get('modified_after', 'all')}", params, step)

    async def _customers(self, at: Offset | None) -> Batch:
        size = self.config.page_size
        number: int = at["page"] if at else 1
        params: Params = {"per_page": size, "page": number, "orderby": "id", "order": "asc"}
        step = polling.sweep(at, await self._rest.page(CUSTOMERS, params), size)
        return _batch(CUSTOMERS, params, step)

    async def refetch(self, command: Refetch) -> list[Delivery]:
        """Read one resource again; one that is gone comes as `{"id": N}`, like its webhook."""
        collection = next(path for path, resource in PATHS.items() if resource == command.type)
        path = f"{collection}/{int(command.entity_id)}"
        body = await self._rest.find(path)
        if body is None:
            body = msgspec.json.encode({"id": int(command.entity_id)})
        headers = {RESOURCE_HEADER: command.type}
        return [Delivery(path, body, headers, kind=DeliveryKind.REFETCH)]

    async def write(self, commands: Sequence[Command]) -> dict[CommandId, str]:
        """Set stock levels and order statuses."""
        levels = [command for command in commands if isinstance(command, SetStockLevel)]
        statuses = [command for command in commands if isinstance(command, SetOrderStatus)]
        if len(levels) + len(statuses) != len(commands):
            raise Refused(
                "WooCommerce takes levels and order statuses only",
                cure="remove `movements`, `sales`, `totals` and `messages` from this instance",
            )
        results = [
            await _outcome(self._stock.write(levels)),
            await _outcome(self._statuses.write(statuses)),
        ]
        done = {key: told for result in results for key, told in result.done.items()}
        failed = {key: error for result in results for key, error in result.failed.items()}
        if failed:
            raise PartialWrite(done, failed)
        return done

    async def read_back(self) -> list[Observation]:
        """Return every quantity that the shop manages; SKUs nobody mapped are left out."""
        return [
            observation
            async for product in self._stocked()
            if (observation := self._observe(product)) is not None
        ]

    async def read_back_orders(self) -> list[ObservedOrder]:
        """Return every order outside the trash."""
        return [order async for order in observed_orders(self._rest, self.context)]

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


async def _outcome(write: Awaitable[dict[CommandId, str]]) -> PartialWrite:
    """Return what was done and what failed, so that one sink does not hide the other's results."""
    try:
        return PartialWrite(await write, {})
    except PartialWrite as error:
        return error


def _batch(name: str, params: Params, step: polling.Step) -> Batch:
    body = msgspec.json.encode(step.rows)
    deliveries = (Delivery(f"{name} page {params['page']}", body),) if step.rows else ()
    return Batch(deliveries, step.next, step.more)


def is_ping(headers: Headers, body: bytes) -> bool:
    """Tell whether this is the unsigned form `webhook_id=N` that a new webhook sends."""
    name, _, number = body.partition(b"=")
    return name == b"webhook_id" and number.isdigit()
