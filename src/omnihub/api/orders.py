"""Orders and carts, read from the views."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic.json_schema import SkipJsonSchema

from omnihub.api.auth import Reader
from omnihub.api.bodies import PageBody
from omnihub.api.customer_bodies import CartBody
from omnihub.api.order_bodies import OrderDetail, OrderSummary
from omnihub.api.params import Cursor, Filter, Limit
from omnihub.api.parts import PartsOf
from omnihub.api.problem import Problem
from omnihub.api.showing import order_detail
from omnihub.model.ids import CartId, CustomerId, OrderId
from omnihub.views.orders import OrderFilter

router = APIRouter(tags=["orders"])
OrderPath = Annotated[str, Path(max_length=128, min_length=1)]
SinceUs = Annotated[
    Annotated[int, Query(ge=0, le=2**53)] | SkipJsonSchema[None],
    Query(description="Placed then or later, UTC microseconds."),
]
_UNSEEN = "An order that was just accepted appears within a moment."


@router.get("/v1/orders", summary="List orders")
def order_list(
    parts: PartsOf,
    _: Reader,
    status: Filter = None,
    channel: Filter = None,
    source: Filter = None,
    number: Filter = None,
    subject: Filter = None,
    customer: Filter = None,
    since: SinceUs = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> PageBody[OrderSummary]:
    """List orders by the time of placing, newest first; `customer` is a customer's id."""
    who = parts.views.customers.survivor(CustomerId(customer)) if customer is not None else None
    wanted = OrderFilter(status, channel, source, number, subject, who, since)
    page = parts.views.orders.page(wanted, cursor, limit)
    items = [OrderSummary.model_validate(order) for order in page.items]
    return PageBody[OrderSummary](items=items, next_cursor=page.next_cursor)


@router.get("/v1/orders/{order_id}", summary="An order", response_model_exclude_unset=True)
def order(parts: PartsOf, who: Reader, order_id: OrderPath) -> OrderDetail:
    """Return an order with its fulfilments, reservations, payments and returns."""
    found = parts.views.orders.find(OrderId(order_id))
    if found is None:
        raise Problem("unknown-order", f"There is no such order. {_UNSEEN}")
    return order_detail(found, parts.views.orders, parts.opener_for(who))


@router.get("/v1/carts/{cart_id}", summary="A cart", tags=["carts"])
def cart(
    parts: PartsOf, _: Reader, cart_id: Annotated[str, Path(max_length=128, min_length=1)]
) -> CartBody:
    """Return a cart as it stands."""
    found = parts.views.orders.cart(CartId(cart_id))
    if found is None:
        raise Problem("unknown-cart", "There is no such cart.")
    return CartBody.model_validate(found)
