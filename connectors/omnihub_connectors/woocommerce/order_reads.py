"""Reads orders back from the shop, for verification: what it has, not what it was told."""

from collections.abc import AsyncIterator

import msgspec

from omnihub.connect.personal import order_id_of
from omnihub.connect.sdk import Context, ObservedLine, ObservedOrder
from omnihub.model.money import minor_of
from omnihub_connectors.woocommerce.config import MAX_PER_PAGE
from omnihub_connectors.woocommerce.order_payload import Order
from omnihub_connectors.woocommerce.orders import sku_of
from omnihub_connectors.woocommerce.rest import Rest, decode


async def observed_orders(rest: Rest, context: Context) -> AsyncIterator[ObservedOrder]:
    """Yield every order that is not in the trash, by id.

    Raises:
        Unmapped: a line's SKU has no canonical id.
    """
    number, pages = 1, 1
    while number <= pages:
        page = await rest.page(
            "orders",
            {"per_page": MAX_PER_PAGE, "page": number, "orderby": "id", "order": "asc"},
        )
        for raw in decode(page.body, list[msgspec.Raw], "GET orders"):
            yield _observed(Order.model_validate_json(bytes(raw)), context)
        number, pages = number + 1, page.pages


def _observed(order: Order, context: Context) -> ObservedOrder:
    return ObservedOrder(
        order_id=order_id_of(context.tenant, context.instance, str(order.id)),
        number=order.number or str(order.id),
        status=order.status,
        currency=order.currency,
        total_minor=minor_of(order.total, order.currency),
        lines=tuple(
            ObservedLine(
                sku=sku_of(item, context.refs),
                quantity_milli=int(item.quantity * 1000),
                total_minor=minor_of(item.gross, order.currency),
            )
            for item in order.line_items
        ),
    )
