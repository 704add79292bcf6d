"""Where orders are asked for: the API and the command line hand in here.

Guarantees: an order's id follows from the tenant and its key alone, its record from the first
request under that key; so whoever repeats one after any failure writes the same record again, and
a key used for two things is refused. What is returned is durable on its inbox.
Does not: decide; rules do.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from omnihub.api.intake import (
    Asking,
    cancelled,
    fingerprint_of,
    number_of,
    order_id_for,
    placed,
    reported,
)
from omnihub.api.order_bodies import Asked, NewOrder, OrderAccepted, Report
from omnihub.broker.ports import Appender
from omnihub.connect.personal import Tokens
from omnihub.model.errors import OmniHubError
from omnihub.model.ids import OrderId, TenantId
from omnihub.model.records import CancelOrder, ReportFulfilment
from omnihub.views.orders import OrderViews
from omnihub.views.requests import Request, Requests

ORDER_INBOX = "omni.order.inbox.v1"
CUSTOMER_INBOX = "omni.customer.inbox.v1"


class KeyReused(OmniHubError):
    """An order was placed under this key with another content; it is untouched."""


class UnknownOrder(OmniHubError):
    """No order has this id, and none was accepted under it."""


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """Takes requests about the orders of one tenant; `who` is the name of whoever asks."""

    tenant: TenantId
    tokens: Tokens
    views: OrderViews
    requests: Requests
    appender: Appender
    now_us: Callable[[], int]

    async def place(self, who: str, key: str, body: NewOrder) -> OrderAccepted:
        """Make an order durable, as it was first asked for under its key.

        Raises:
            KeyReused: it was asked for with another content.
            RejectedError: the order cannot be right; the key stays unused.
            LogUnavailable: ask again with the same key.
        """
        order_id = order_id_for(self.tenant, key)
        asking = Asking(self.tenant, order_id, who, self.now_us())
        placed(asking, body, self.tokens)  # What is refused must not use up the key.
        request = Request(fingerprint_of(self.tokens, body), asking.at_us, who)
        first = await asyncio.to_thread(self.requests.remember, order_id, request)
        if first.fingerprint != request.fingerprint:
            detail = f"This key was used for order {order_id} with another content. Take a new key."
            raise KeyReused(detail)
        asking = Asking(self.tenant, order_id, first.asked_by, first.accepted_at_us)
        order, buyer = placed(asking, body, self.tokens)
        if buyer is not None:
            await self.appender.append(CUSTOMER_INBOX, buyer)
        await self.appender.append(ORDER_INBOX, order)
        number = number_of(body, order_id)
        return OrderAccepted(order_id=order_id, number=number, accepted_at_us=asking.at_us)

    async def cancel(self, who: str, order_id: OrderId, reason: str) -> Asked:
        """Ask to cancel what has not left the house.

        Raises:
            UnknownOrder: there is none to cancel.
            LogUnavailable: ask again.
        """
        return await self._ask(cancelled(await self._asking(who, order_id), reason))

    async def report(self, who: str, order_id: OrderId, body: Report) -> Asked:
        """Tell how far the goods at one location are; raises as `cancel` does."""
        return await self._ask(reported(await self._asking(who, order_id), body))

    async def _ask(self, request: CancelOrder | ReportFulfilment) -> Asked:
        await self.appender.append(ORDER_INBOX, request)
        return Asked(order_id=request.order_id, request_id=request.meta.event_id)

    async def _asking(self, who: str, order_id: OrderId) -> Asking:
        """Return a request about an order that is there, or was accepted a moment ago."""
        if not await asyncio.to_thread(self._is_known, order_id):
            raise UnknownOrder("There is no such order.")
        return Asking(self.tenant, order_id, who, self.now_us())

    def _is_known(self, order_id: OrderId) -> bool:
        accepted = self.requests.find(order_id) is not None
        return accepted or self.views.find(order_id) is not None
