"""A simulated shop: settings, keys, products, orders, customers, webhooks and faults together."""

import base64
import binascii
import hmac
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from omnihub_connectors.woocommerce.simulator.amounts import Tax
from omnihub_connectors.woocommerce.simulator.customers import Customers
from omnihub_connectors.woocommerce.simulator.delivery import Deliveries
from omnihub_connectors.woocommerce.simulator.errors import authentication_error
from omnihub_connectors.woocommerce.simulator.faults import (
    CertainFaults,
    FaultScript,
    WebhookFaults,
)
from omnihub_connectors.woocommerce.simulator.orders import Orders
from omnihub_connectors.woocommerce.simulator.products import Catalog, Payload, Site
from omnihub_connectors.woocommerce.simulator.webhooks import Webhooks

READING = frozenset({"GET", "HEAD"})


class Permissions(StrEnum):
    """What an API key may do."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "read_write"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A consumer key and its secret."""

    consumer_key: str
    consumer_secret: str
    permissions: Permissions = Permissions.READ_WRITE


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """How the shop is set up. `tls` is what `is_ssl()` says: without it keys are ignored.

    `takes_stock` is off where the filter `woocommerce_can_reduce_order_stock` says no: then orders
    leave the quantities to whoever owns stock.
    """

    url: str = "http://shop.test"
    zone: str = "Europe/Amsterdam"
    keys: tuple[ApiKey, ...] = ()
    tls: bool = True
    webhook_delay_s: float = 0.05
    max_delivery_failures: int = 5
    seed: int = 0
    tax: Tax = field(default_factory=Tax)
    takes_stock: bool = True


class Shop:
    """The state of one shop. `client` carries its webhooks; the caller closes it."""

    def __init__(
        self,
        settings: ShopSettings,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.time,
        webhook_faults: WebhookFaults | None = None,
        certain_faults: CertainFaults | None = None,
    ) -> None:
        self.settings = settings
        self.site = Site(settings.url.rstrip("/"), ZoneInfo(settings.zone), clock)
        self.faults = FaultScript()
        self.webhook_faults = webhook_faults or WebhookFaults(seed=settings.seed)
        self.certain_faults = certain_faults or CertainFaults()
        self.catalog = Catalog(self.site, self._announce)
        self.orders = Orders(
            self.site, self.catalog, self._announce, settings.tax, settings.takes_stock
        )
        self.customers = Customers(self.site, self._announce)
        self.webhooks = Webhooks(self.site, client)
        self.deliveries = Deliveries(
            self.site,
            self.webhooks,
            self._find,
            client,
            self.webhook_faults,
            self.certain_faults,
            settings.webhook_delay_s,
            settings.max_delivery_failures,
        )
        self.ties = random.Random(settings.seed)  # noqa: S311 (a simulation)
        self.requests: Counter[str] = Counter()
        self._keys = {key.consumer_key: key for key in settings.keys}

    def load(self, products: Iterable[Payload]) -> None:
        """Fill the catalogue without webhooks; each dict holds fields of a product create."""
        for fields in products:
            self.catalog.create(fields, is_told=False)

    def key_of(
        self, method: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> ApiKey | None:
        """Return the key a request proves to hold, None for a stranger.

        Raises:
            RestError: the key exists, but the secret or its permissions do not fit (401).
        """
        key_id, secret = self._credentials(query, headers)
        key = self._keys.get(key_id)
        if key is None or not secret:
            return None
        if not hmac.compare_digest(key.consumer_secret.encode(), secret.encode()):
            raise authentication_error("Consumer secret is invalid.")
        needed = Permissions.READ if method in READING else Permissions.WRITE
        if key.permissions not in (needed, Permissions.READ_WRITE):
            raise authentication_error(
                f"The API key provided does not have {needed.value} permissions."
            )
        return key

    def injected(self) -> dict[str, Any]:
        """Return what the shop has seen and done, for a report."""
        return {
            "products": len(self.catalog),
            "orders": len(self.orders),
            "customers": len(self.customers),
            "requests": dict(self.requests),
            "webhooks_delivered": self.deliveries.delivered,
            "webhooks_failed": self.deliveries.failed,
            "webhook_faults": dict(self.webhook_faults.injected),
            "webhooks_tripled": self.certain_faults.webhooks_tripled,
            "updates_before_creation": self.certain_faults.updates_before_creation,
        }

    def _announce(self, topic: str, resource_id: int) -> None:
        self.deliveries.announce(topic, resource_id)

    def _find(self, resource: str, resource_id: int) -> Payload | None:
        if resource == "order":
            return self.orders.find(resource_id)
        if resource == "customer":
            return self.customers.find(resource_id)
        return self.catalog.find(resource_id)

    def _credentials(self, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
        if not self.settings.tls:
            return "", ""
        if query.get("consumer_key") and query.get("consumer_secret"):
            return query["consumer_key"], query["consumer_secret"]
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return "", ""
        try:
            key_id, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return key_id, secret
