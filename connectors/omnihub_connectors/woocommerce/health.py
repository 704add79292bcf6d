"""What `omnihub connectors check` looks at, without side effects.

Guarantees: the write right is tested by an empty batch, which changes nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from omnihub.connect.errors import AuthFailed, Refused
from omnihub.connect.sdk import Finding, Health
from omnihub.model.errors import RetryableError
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.rest import Rest
from omnihub_connectors.woocommerce.subscriptions import Subscriptions

SKEW_WARNING_S = 60.0
SKEW_FAILED_S = 300.0
KEYS_CURE = (
    "Check url, consumer_key and consumer_secret; use https, because WooCommerce ignores keys "
    "over plain http; see that no proxy strips the Authorization header."
)


@dataclass(frozen=True, slots=True)
class Checkup:
    """The check of one shop."""

    rest: Rest
    config: WooCommerceConfig

    async def findings(self) -> list[Finding]:
        """Return every finding; without credentials there is only one."""
        try:
            page = await self.rest.page("products", {"per_page": 1, "_fields": "id"})
        except (AuthFailed, RetryableError, Refused) as error:
            return [Finding("credentials", Health.FAILED, str(error), KEYS_CURE)]
        told = f"read access, {page.total} products"
        found = [Finding("credentials", Health.OK, told), clock(page.answered_at)]
        found.append(await self._write_right())
        return found + [finding async for finding in self._webhooks()]

    async def _write_right(self) -> Finding:
        try:
            await self.rest.post("products/batch", {}, object)
        except (AuthFailed, Refused) as error:
            cure = "Edit the key in the shop: permissions Read/Write."
            return Finding("rights", Health.FAILED, str(error), cure)
        return Finding("rights", Health.OK, "read and write")

    async def _webhooks(self) -> AsyncIterator[Finding]:
        if self.config.webhook_url is None or not self.config.webhook_secrets:
            cure = "Give webhook_url and webhook_secrets for changes within a second."
            yield Finding("webhooks", Health.WARNING, "off: changes come by poll only", cure)
            return
        subscriptions = Subscriptions(self.rest, self.config)
        try:
            mine = await subscriptions.mine()
        except (AuthFailed, Refused) as error:
            cure = "The key's user must be a shop manager to see webhooks."
            yield Finding("webhooks", Health.FAILED, str(error), cure)
            return
        for topic in subscriptions.topics:
            hook = mine.get(topic)
            status = hook.status if hook else "missing"
            health = Health.OK if status == "active" else Health.WARNING
            cure = CURES.get(status, "")
            yield Finding(f"webhook {topic}", health, status, cure)


CURES = {
    "missing": "The running connector subscribes by itself within a minute.",
    "disabled": "Deliveries failed. The running connector switches it on again within a minute.",
    "paused": "Somebody paused it in the shop: set it to Active there.",
}


def clock(answered_at: datetime) -> Finding:
    """Compare the shop's clock with ours."""
    skew_s = (answered_at - datetime.now(UTC)).total_seconds()
    health = Health.OK
    if abs(skew_s) > SKEW_WARNING_S:
        health = Health.FAILED if abs(skew_s) > SKEW_FAILED_S else Health.WARNING
    cure = "" if health is Health.OK else "Set both clocks by NTP: versions are the shop's times."
    return Finding("clock", health, f"the shop is {skew_s:+.0f} s from here", cure)
