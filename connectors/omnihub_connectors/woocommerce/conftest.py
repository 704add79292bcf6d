"""A shop in memory, on a clock of its own, and a connector that speaks to it."""

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from pydantic import HttpUrl, SecretStr

from omnihub.connect.http import PatientTransport
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.sdk import Context
from omnihub.model.ids import InstanceId, TenantId
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.connector import WooCommerce
from omnihub_connectors.woocommerce.doubles import HOOK_URL, KEY, SECRET, Clock, CodeTable, Hub
from omnihub_connectors.woocommerce.simulator import Shop, ShopSettings, build_app


@pytest.fixture
def clock() -> Clock:
    """The time of the shop."""
    return Clock()


@pytest.fixture
def hub() -> Hub:
    """Where webhooks end."""
    return Hub()


@pytest.fixture
def refs() -> CodeTable:
    """Which SKU means what."""
    return CodeTable()


@pytest.fixture
async def shop(clock: Clock, hub_client: httpx.AsyncClient) -> Shop:
    """An empty shop."""
    return Shop(ShopSettings(keys=(KEY,)), hub_client, clock)


@pytest.fixture
async def api(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the shop as curl would be one: no patience, no mercy."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build_app(shop)),
        base_url="http://shop.test/wp-json/wc/v3/",
        auth=(KEY.consumer_key, KEY.consumer_secret),
    ) as client:
        yield client


@pytest.fixture
def config() -> WooCommerceConfig:
    """How the connector reaches the shop."""
    return WooCommerceConfig(
        url=HttpUrl("http://shop.test"),
        consumer_key=SecretStr(KEY.consumer_key),
        consumer_secret=SecretStr(KEY.consumer_secret),
        webhook_secrets=(SecretStr(SECRET),),
        webhook_url=HttpUrl(HOOK_URL),
    )


@pytest.fixture
def patience() -> VirtualTime:
    """The time of the connector's own waits."""
    return VirtualTime()


@pytest.fixture
async def connect(
    shop: Shop, refs: CodeTable, patience: VirtualTime
) -> AsyncIterator[Callable[[WooCommerceConfig], WooCommerce]]:
    """Return how to make a connector of a configuration, on the shipped HTTP transport."""
    inner = httpx.ASGITransport(build_app(shop))
    transport = PatientTransport(inner, InstanceId("web"), time=patience.time)
    async with httpx.AsyncClient(transport=transport) as http:
        context = Context(TenantId("acme"), InstanceId("web"), refs, http)
        yield lambda config: WooCommerce(config, context)


@pytest.fixture
async def woo_of(
    refs: CodeTable, patience: VirtualTime, config: WooCommerceConfig
) -> AsyncIterator[Callable[[Shop], WooCommerce]]:
    """Return how to make a connector of another shop."""
    async with contextlib.AsyncExitStack() as stack:

        def connect_to(shop: Shop) -> WooCommerce:
            inner = httpx.ASGITransport(build_app(shop))
            transport = PatientTransport(inner, InstanceId("web"), time=patience.time)
            http = httpx.AsyncClient(transport=transport)
            stack.push_async_callback(http.aclose)
            context = Context(TenantId("acme"), InstanceId("web"), refs, http)
            return WooCommerce(config, context)

        yield connect_to


@pytest.fixture
def woo(
    connect: Callable[[WooCommerceConfig], WooCommerce], config: WooCommerceConfig
) -> WooCommerce:
    """The connector."""
    return connect(config)


@pytest.fixture
async def hub_client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose every call ends at the hub."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hub.app())) as client:
        yield client
