"""How the shop delivers webhooks.

Guarantees (read from the plugin's source): delivery is asynchronous and its body is built when it
is *sent*, not when something changed; while one waits, further changes of the same resource add
none; a failed delivery is never repeated; 200 to 302 is success; the failure counter must *exceed*
the limit, so at the usual limit of five the seventh failure in a row disables the webhook; the
delivery id is a hash of webhook and second, so deliveries of one second share it.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from omnihub_connectors.woocommerce.simulator.errors import invalid_id
from omnihub_connectors.woocommerce.simulator.faults import CertainFaults, WebhookFaults
from omnihub_connectors.woocommerce.simulator.products import Payload, Site
from omnihub_connectors.woocommerce.simulator.webhooks import (
    USER_AGENT,
    Webhook,
    Webhooks,
    php_json,
    sign,
)

TIMEOUT_S = 60.0
TRIPLE = 3
CREATED, UPDATED = "order.created", "order.updated"
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A built delivery: from here on the resource may change without changing it."""

    webhook: Webhook
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery that a fault keeps back until `due`, or until another one was sent.

    That is any other, or the one of `update` (webhook and order).
    """

    due: float
    outgoing: Outgoing
    until_next: bool = False
    update: tuple[int, int] | None = None


class Deliveries:
    """The queue between a change and its webhooks; the counters say what became of them."""

    def __init__(
        self,
        site: Site,
        webhooks: Webhooks,
        find: Callable[[str, int], Payload | None],
        client: httpx.AsyncClient,
        faults: WebhookFaults,
        certain: CertainFaults,
        delay_s: float,
        max_failures: int,
    ) -> None:
        self._site, self._webhooks, self._find = site, webhooks, find
        self._client, self._faults, self._certain = client, faults, certain
        self._delay_s, self._max_failures = delay_s, max_failures
        self._waiting: dict[tuple[int, int], float] = {}
        self._held: list[Held] = []
        self._wake = asyncio.Event()
        self.delivered = 0
        self.failed = 0

    def announce(self, topic: str, resource_id: int) -> None:
        """Queue what a change of a resource means for every active subscription."""
        hooks = [hook for hook in self._webhooks.all("active") if hook.topic == topic]
        if not hooks:
            return
        due = asyncio.get_running_loop().time() + self._delay_s
        for hook in hooks:
            self._waiting.setdefault((hook.id, resource_id), due)
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever what is due."""
        while True:
            pause_s = await self._deliver_due(asyncio.get_running_loop().time())
            try:
                await asyncio.wait_for(self._wake.wait(), pause_s)
            except TimeoutError:
                continue
            self._wake.clear()

    async def drain(self) -> None:
        """Deliver everything now, also what a fault holds back."""
        while self._waiting or self._held:
            await self._deliver_due(FOREVER)

    async def _deliver_due(self, now_s: float) -> float | None:
        """Deliver what is due and return the seconds until something is, None when idle."""
        for key, due in list(self._waiting.items()):
            if due <= now_s:
                del self._waiting[key]
                await self._deliver(*key)
        await self._release(lambda held: held.due <= now_s)
        dues = [*self._waiting.values(), *(held.due for held in self._held)]
        if not dues:
            return None
        return max(0.0, min(dues) - asyncio.get_running_loop().time())

    async def _deliver(self, webhook_id: int, resource_id: int) -> None:
        hook = self._webhooks.find(webhook_id)
        if hook is None:
            return
        outgoing = self._build(hook, resource_id)
        if await self._deliver_for_certain(outgoing, resource_id):
            await self._release(lambda held: held.until_next)
            return
        fault = self._faults.roll()
        if fault == "drop":
            return
        if fault in ("late", "reorder"):
            due = asyncio.get_running_loop().time() + self._faults.late_s
            self._held.append(Held(due, outgoing, until_next=fault == "reorder"))
            return
        for _ in range(self._faults.copies if fault == "duplicate" else 1):
            await self._send(outgoing)
        await self._release(lambda held: held.until_next)

    async def _deliver_for_certain(self, outgoing: Outgoing, order_id: int) -> bool:
        """Deliver as the first orders' faults say; return whether they say anything."""
        hook = outgoing.webhook
        if hook.topic == UPDATED and any(held.update == (hook.id, order_id) for held in self._held):
            is_told = await self._send(outgoing)
            created = await self._release(lambda held: held.update == (hook.id, order_id))
            self._certain.updates_before_creation += is_told and created
            return True
        if hook.topic == CREATED and self._certain.wants_tripled:
            sent = [await self._send(outgoing) for _ in range(TRIPLE)]
            self._certain.webhooks_tripled += all(sent)
            return True
        if hook.topic == CREATED and self._certain.wants_overtaken:
            return self._hold_for_update(outgoing, order_id)
        return False

    def _hold_for_update(self, creation: Outgoing, order_id: int) -> bool:
        """Keep a creation back if an update of its order waits for the same receiver."""
        if any(held.update for held in self._held):
            return False
        for hook in self._webhooks.all("active"):
            is_same = hook.delivery_url == creation.webhook.delivery_url
            if hook.topic == UPDATED and is_same and (hook.id, order_id) in self._waiting:
                due = asyncio.get_running_loop().time() + self._faults.late_s
                self._held.append(Held(due, creation, update=(hook.id, order_id)))
                return True
        return False

    async def _release(self, ready: Callable[[Held], bool]) -> bool:
        """Send what is ready; return whether all of it arrived."""
        chosen = [held for held in self._held if ready(held)]
        for held in chosen:
            self._held.remove(held)
        return all([await self._send(held.outgoing) for held in chosen])

    def _build(self, hook: Webhook, resource_id: int) -> Outgoing:
        resource, _, event = hook.topic.partition(".")
        payload: Payload = {"id": resource_id}
        if event != "deleted":
            payload = self._find(resource, resource_id) or invalid_id(resource, 404).body()
        body = php_json(payload)
        seed = f"{hook.id}{int(self._site.clock())}".encode()
        headers = {
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self._site.url}/",
            "X-WC-Webhook-Topic": hook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": sign(body, hook.secret),
            "X-WC-Webhook-ID": str(hook.id),
            "X-WC-Webhook-Delivery-ID": hmac.new(b"salt", seed, hashlib.md5).hexdigest(),
        }
        return Outgoing(hook, headers, body)

    async def _send(self, outgoing: Outgoing) -> bool:
        """Send and tell whether it was accepted."""
        hook = outgoing.webhook
        try:
            response = await self._client.post(
                hook.delivery_url,
                content=outgoing.body,
                headers=outgoing.headers,
                timeout=TIMEOUT_S,
            )
            success = 200 <= response.status_code < 303
        except httpx.HTTPError:
            success = False
        self._record(hook, success)
        return success

    def _record(self, hook: Webhook, success: bool) -> None:
        if success:
            self.delivered += 1
            hook.failure_count = 0
            return
        self.failed += 1
        if hook.failure_count > self._max_failures:
            hook.status = "disabled"
        else:
            hook.failure_count += 1
