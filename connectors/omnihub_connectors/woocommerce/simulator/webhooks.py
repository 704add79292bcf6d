"""Webhook subscriptions of the shop.

Guarantees (read from the plugin's source): a webhook made over REST is active and pinged at once,
unsigned; one that is switched on again keeps its failure counter; its secret is never shown.
"""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from omnihub_connectors.woocommerce.simulator.errors import RestError, invalid_id, missing_param
from omnihub_connectors.woocommerce.simulator.products import Payload, Site

USER_AGENT = "WooCommerce/11.2.0 Hookshot (WordPress/7.0)"
PING_TIMEOUT_S = 5.0
STATUSES = ("active", "paused", "disabled")
RESOURCES = ("product", "order", "customer", "coupon")
EVENTS = ("created", "updated", "deleted", "restored", "published")
HOOKS = {
    "product.created": [
        "woocommerce_process_product_meta",
        "woocommerce_new_product",
        "woocommerce_new_product_variation",
    ],
    "product.updated": [
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ],
    "product.deleted": ["wp_trash_post"],
    "product.restored": ["untrashed_post"],
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "order.deleted": ["wp_trash_post", "woocommerce_trash_order"],
    "order.restored": ["untrashed_post", "woocommerce_untrash_order"],
    "customer.created": ["user_register", "woocommerce_created_customer"],
    "customer.updated": ["profile_update", "woocommerce_update_customer"],
    "customer.deleted": ["delete_user"],
}
QUOTES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#039;": "'", "&#038;": "&", "&amp;": "&"}


def php_json(value: Any) -> bytes:
    """Encode like `wp_json_encode`: no spaces, escaped slashes, ASCII only."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("/", "\\/").encode()


def sign(body: bytes, secret: str) -> str:
    """Return X-WC-Webhook-Signature: base64 of HMAC-SHA256 over the body as sent.

    The key is the secret with its HTML entities decoded, as the plugin does.
    """
    for entity, character in QUOTES.items():
        secret = secret.replace(entity, character)
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


@dataclass(slots=True)
class Webhook:
    """One subscription."""

    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    date_created: tuple[str, str]
    date_modified: tuple[str, str]
    status: str = "active"
    failure_count: int = 0
    pending_delivery: bool = True

    def shown(self, site_url: str) -> Payload:
        """Return the JSON of REST v3."""
        resource, _, event = self.topic.partition(".")
        api = f"{site_url}/wp-json/wc/v3/webhooks"
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "topic": self.topic,
            "resource": resource,
            "event": event,
            "hooks": HOOKS.get(self.topic, []),
            "delivery_url": self.delivery_url,
            "date_created": self.date_created[0],
            "date_created_gmt": self.date_created[1],
            "date_modified": self.date_modified[0],
            "date_modified_gmt": self.date_modified[1],
            "_links": {"self": [{"href": f"{api}/{self.id}"}], "collection": [{"href": api}]},
        }


class Webhooks:
    """All subscriptions by id."""

    def __init__(self, site: Site, client: httpx.AsyncClient) -> None:
        self._site, self._client = site, client
        self._hooks: dict[int, Webhook] = {}

    def all(self, status: str = "all") -> list[Webhook]:
        """Return the subscriptions, newest first."""
        hooks = sorted(self._hooks.values(), key=lambda hook: hook.id, reverse=True)
        return [hook for hook in hooks if status in ("all", hook.status)]

    def find(self, webhook_id: int) -> Webhook | None:
        """Return one subscription, None when it is gone."""
        return self._hooks.get(webhook_id)

    def get(self, webhook_id: int, status: int = 404) -> Webhook:
        """Return one subscription; raises the invalid-id error."""
        if webhook_id not in self._hooks:
            raise invalid_id("shop_webhook", status)
        return self._hooks[webhook_id]

    async def create(self, fields: Payload) -> Webhook:
        """Subscribe; the ping goes out before the answer."""
        for name in ("topic", "delivery_url"):
            if not fields.get(name):
                raise missing_param(name)
        now = self._site.stamp()
        hook = Webhook(
            id=max(self._hooks, default=0) + 1,
            name=fields.get("name") or f"Webhook created on {now[0]}",
            topic=valid_topic(fields["topic"]),
            delivery_url=valid_url(fields["delivery_url"]),
            secret=fields.get("secret") or secrets.token_urlsafe(37)[:50],
            date_created=now,
            date_modified=now,
        )
        self._hooks[hook.id] = hook
        await self._ping(hook)
        return hook

    async def update(self, webhook_id: int, fields: Payload) -> Webhook:
        """Change a subscription; a new URL, or a ping still owed, is pinged when active."""
        hook = self.get(webhook_id, 400)
        if fields.get("topic"):
            hook.topic = valid_topic(fields["topic"])
        moved = bool(fields.get("delivery_url")) and fields["delivery_url"] != hook.delivery_url
        if moved:
            hook.delivery_url = valid_url(fields["delivery_url"])
        hook.secret = fields.get("secret") or hook.secret
        hook.name = fields.get("name") or hook.name
        if fields.get("status"):
            hook.status = valid_status(fields["status"])
        hook.date_modified = self._site.stamp()
        if hook.status == "active" and (moved or hook.pending_delivery):
            await self._ping(hook)
        return hook

    def delete(self, webhook_id: int, force: bool) -> Webhook:
        """Unsubscribe."""
        if not force:
            message = "Webhooks do not support trashing."
            raise RestError("woocommerce_rest_trash_not_supported", message, 501)
        hook = self.get(webhook_id)
        del self._hooks[webhook_id]
        return hook

    async def _ping(self, hook: Webhook) -> None:
        form = "application/x-www-form-urlencoded"
        try:
            response = await self._client.post(
                hook.delivery_url,
                content=f"webhook_id={hook.id}",
                headers={"User-Agent": USER_AGENT, "Content-Type": form},
                timeout=PING_TIMEOUT_S,
            )
        except httpx.HTTPError:
            return
        hook.pending_delivery = response.status_code != 200


def valid_topic(topic: str) -> str:
    """Return the topic; raises the plugin's error for one that does not exist."""
    resource, _, event = topic.partition(".")
    if resource in RESOURCES and event in EVENTS:
        return topic
    message = "Webhook topic is required and must be valid."
    raise RestError("woocommerce_rest_shop_webhook_invalid_topic", message, 400)


def valid_url(url: str) -> str:
    """Return the URL; raises the plugin's error for one that is not http or https."""
    if urlsplit(url).scheme in ("http", "https"):
        return url
    raise RestError(
        "woocommerce_rest_shop_webhook_invalid_delivery_url",
        "Webhook delivery URL must be a valid URL starting with http:// or https://.",
        400,
    )


def valid_status(status: str) -> str:
    """Return the status; raises the plugin's error for an unknown one."""
    if status in STATUSES:
        return status
    message = "Webhook status must be valid."
    raise RestError("woocommerce_rest_shop_webhook_invalid_status", message, 400)
