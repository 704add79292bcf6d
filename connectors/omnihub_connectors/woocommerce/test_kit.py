"""WooCommerce in the acceptance kit, against the simulated shop."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from omnihub.connect.kit.subject import INSTANCE, TENANT, Subject
from omnihub.connect.kit.suites import ConfigSuite, MappingSuite, WebhookSuite
from omnihub.connect.kit.systems import SinkSuite, SourceSuite
from omnihub.connect.personal import order_id_of
from omnihub.connect.sdk import Delivery, Stream
from omnihub.model.records import OrderStatus, SetOrderStatus
from omnihub_connectors.woocommerce.connector import ORDERS, PRODUCTS, WooCommerce
from omnihub_connectors.woocommerce.doubles import (
    HOOK_URL,
    KEY,
    SECRET,
    Clock,
    checkout,
    level,
    simple,
    status_of,
)
from omnihub_connectors.woocommerce.simulator import Shop, build_app

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))


class OrdersOnly(WooCommerce):
    """Open orders and what changes; without trashes and the endless sweep of customers."""

    def streams(self) -> list[Stream]:
        return [stream for stream in super().streams() if stream.name == ORDERS]


class ProductsOnly(WooCommerce):
    """Without the trash, which starts from now and so is empty in a shop that stands still."""

    def streams(self) -> list[Stream]:
        return [stream for stream in super().streams() if stream.name == PRODUCTS]


class TestWooCommerce(ConfigSuite, MappingSuite, WebhookSuite, SourceSuite, SinkSuite):
    @pytest.fixture
    def subject(self, shop: Shop, clock: Clock) -> Subject:
        shop.load(simple(f"S{number}") for number in range(12))
        clock.pass_s(60)

        async def quantities() -> Any:
            return {row["sku"]: row["stock_quantity"] for row in shop.catalog}

        return Subject(
            connector=ProductsOnly,
            config={
                "url": "http://shop.test",
                "consumer_key": SecretStr(KEY.consumer_key),
                "consumer_secret": SecretStr(KEY.consumer_secret),
                "webhook_secrets": (SecretStr(SECRET),),
                "webhook_url": HOOK_URL,
                "page_size": 2,
            },
            network=httpx.ASGITransport(build_app(shop)),
            samples=[Delivery(path.name, path.read_bytes()) for path in SAMPLES],
            commands=[level(f"S{number}", 20 + number) for number in range(5)],
            refused=level("nobody", 1),
            effects=quantities,
        )


class TestOrders(SourceSuite, SinkSuite):
    @pytest.fixture
    def subject(self, shop: Shop, clock: Clock) -> Subject:
        shop.load(simple(f"S{number}") for number in range(12))
        for number in range(12):
            shop.orders.create(checkout(f"S{number}", set_paid=False))
        clock.pass_s(60)

        async def statuses() -> Any:
            return {row["id"]: row["status"] for row in shop.orders}

        return Subject(
            connector=OrdersOnly,
            config={
                "url": "http://shop.test",
                "consumer_key": SecretStr(KEY.consumer_key),
                "consumer_secret": SecretStr(KEY.consumer_secret),
                "page_size": 2,
            },
            network=httpx.ASGITransport(build_app(shop)),
            commands=[kit_status(1000 + number) for number in range(5)],
            refused=kit_status(7),
            effects=statuses,
        )


def kit_status(order_id: int) -> SetOrderStatus:
    """A command of the kit's own tenant and instance."""
    command = status_of(order_id, OrderStatus.CONFIRMED)
    known = order_id_of(TENANT, INSTANCE, str(order_id))
    return msgspec.structs.replace(command, tenant=TENANT, instance=INSTANCE, order_id=known)
