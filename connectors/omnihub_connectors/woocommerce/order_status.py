"""Order statuses out: what the hub decided, shown in the shop.

Guarantees: the same command twice has one effect; what people ended in the shop (cancelled,
refunded, failed, trash) is never opened again, and a completed order only cancelled; the order
carries a mark of what the hub set, so that its webhook tells no news (see `Order.status_told`).
Does not: lock. A buyer who cancels between our look and our write is overwritten; the next
change of the order tells it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from omnihub.connect.errors import PartialWrite, Refused
from omnihub.connect.personal import order_id_of
from omnihub.model.errors import OmniHubError, RetryableError
from omnihub.model.ids import CommandId, InstanceId, TenantId
from omnihub.model.records import OrderStatus, SetOrderStatus
from omnihub_connectors.woocommerce.order_payload import MARK_META, Order
from omnihub_connectors.woocommerce.orders import CANCELLED, OPEN
from omnihub_connectors.woocommerce.rest import Rest, decode

SHOWN = {
    OrderStatus.CONFIRMED: "processing",
    OrderStatus.IN_FULFILMENT: "processing",
    OrderStatus.PARTIALLY_FULFILLED: "processing",
    OrderStatus.FULFILLED: "processing",
    OrderStatus.COMPLETED: "completed",
    OrderStatus.ON_HOLD: "on-hold",
    OrderStatus.REFUSED: "cancelled",
    OrderStatus.CANCELLED: "cancelled",
}
LEFT_ALONE = frozenset({OrderStatus.PENDING, OrderStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class StatusSink:
    """Writes statuses of one shop's own orders."""

    rest: Rest
    tenant: TenantId
    instance: InstanceId

    async def write(self, commands: Sequence[SetOrderStatus]) -> dict[CommandId, str]:
        """Set the status of each order; one that fails, fails alone."""
        done: dict[CommandId, str] = {}
        failed: dict[CommandId, OmniHubError] = {}
        for command in commands:
            try:
                done[command.command_id] = await self._show(command)
            except (Refused, RetryableError) as error:
                failed[command.command_id] = error
        if failed:
            raise PartialWrite(done, failed)
        return done

    async def _show(self, command: SetOrderStatus) -> str:
        if command.status in LEFT_ALONE:
            return f"order {command.number}: the shop's own status stands"
        order = await self._find(command)
        wanted = SHOWN[command.status]
        if order.status == wanted or not may_become(order.status, wanted):
            return f"order {order.id}: {order.status}"
        mark = {"key": MARK_META, "value": f"{order.status_told}>{wanted}"}
        await self.rest.put(f"orders/{order.id}", {"status": wanted, "meta_data": [mark]})
        return f"order {order.id}: {wanted}"

    async def _find(self, command: SetOrderStatus) -> Order:
        """Return the order: its number is its id, unless a plugin numbers orders."""
        if command.number.isdigit():
            body = await self.rest.find(f"orders/{command.number}")
            if body is not None:
                order = Order.model_validate_json(body)
                if self._is_meant(order, command):
                    return order
        page = await self.rest.page("orders", {"search": command.number, "per_page": 100})
        for raw in decode(page.body, list[msgspec.Raw], "GET orders"):
            order = Order.model_validate_json(bytes(raw))
            if self._is_meant(order, command):
                return order
        raise Refused(
            f"the shop has no order {command.number} that the hub knows",
            cure="look whether it was deleted in the shop, then skip",
        )

    def _is_meant(self, order: Order, command: SetOrderStatus) -> bool:
        return order_id_of(self.tenant, self.instance, str(order.id)) == command.order_id


def may_become(status: str, wanted: str) -> bool:
    """Tell whether the hub may change a status that people see."""
    if status in CANCELLED:
        return False
    if status == "completed":
        return wanted == "cancelled"
    return status in OPEN or wanted != "on-hold"
