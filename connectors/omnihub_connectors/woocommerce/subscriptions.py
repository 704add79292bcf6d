"""The shop's webhooks that point to this instance: found, made, switched on again.

Guarantees: a webhook that failures disabled is active again within one `tend`; one that a person
paused is left alone and told by the check; nothing is deleted. What was missed while a webhook was
off, the poll finds.
"""

import logging
from dataclasses import dataclass

import msgspec

from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.rest import Rest, decode

TOPICS = (
    *("product.created", "product.updated", "product.deleted", "product.restored"),
    *("order.created", "order.updated", "order.deleted", "order.restored"),
    *("customer.created", "customer.updated", "customer.deleted"),
)
LOG = logging.getLogger(__name__)


class Subscription(msgspec.Struct):
    """One webhook of the shop."""

    id: int
    topic: str
    status: str
    delivery_url: str


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """The webhooks of one instance."""

    rest: Rest
    config: WooCommerceConfig

    @property
    def topics(self) -> tuple[str, ...]:
        """What this instance is told."""
        wanted = self.config.resources
        return tuple(topic for topic in TOPICS if topic.partition(".")[0] in wanted)

    async def mine(self) -> dict[str, Subscription]:
        """Return the shop's webhooks to this instance by topic, an active one before others."""
        found: list[Subscription] = []
        number, pages = 1, 1
        while number <= pages:
            page = await self.rest.page("webhooks", {"per_page": 100, "page": number})
            found += decode(page.body, list[Subscription], "GET webhooks")
            number, pages = number + 1, page.pages
        url = str(self.config.webhook_url)
        own = [hook for hook in found if hook.delivery_url == url and hook.topic in self.topics]
        return {hook.topic: hook for hook in sorted(own, key=lambda hook: hook.status == "active")}

    async def mend(self) -> None:
        """Subscribe to what is missing and switch on again what failures disabled."""
        if self.config.webhook_url is None or not self.config.webhook_secrets:
            return
        mine = await self.mine()
        for topic in self.topics:
            hook = mine.get(topic)
            if hook is None:
                await self._subscribe(topic)
            elif hook.status == "disabled":
                LOG.warning("webhook %s (%s) was disabled by failures: on again", hook.id, topic)
                await self.rest.put(f"webhooks/{hook.id}", {"status": "active", **self._secret()})

    async def _subscribe(self, topic: str) -> None:
        url = str(self.config.webhook_url)
        body = {"name": f"OmniHub {topic}", "topic": topic, "delivery_url": url}
        await self.rest.create("webhooks", body | self._secret())

    def _secret(self) -> dict[str, str]:
        return {"secret": self.config.webhook_secrets[0].get_secret_value()}
