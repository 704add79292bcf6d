"""What live events tell: one body for each kind of state, without anything personal.

Guarantees: a record is told by the fields named in its body here and by no others; a customer is
told by ids alone.
"""

from dataclasses import dataclass

from omnihub.api.bodies import Body, ChannelLevel, Level
from omnihub.api.customer_bodies import CartBody
from omnihub.api.order_bodies import FulfilmentBody, OrderSummary
from omnihub.model.record import Record
from omnihub.model.records import (
    Cart,
    ChannelAts,
    CustomerProfile,
    CustomerRedirect,
    Fulfilment,
    Order,
    StockLevel,
)


class CustomerChanged(Body):
    """Somebody's profile changed; who may read it asks for it."""

    customer_id: str
    seq: int
    cause_id: str
    accepted_at_us: int


class CustomerRedirected(Body):
    """Somebody is known under another id from now on."""

    customer_id: str
    survivor: str
    cause_id: str
    accepted_at_us: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of events: the topics it tells and how OpenAPI names it."""

    name: str
    tag: str
    topics: tuple[str, ...]
    example: str


STOCK = Stream(
    "level changes",
    "stock",
    ("omni.stock.state.v1", "omni.stock.channel.state.v1"),
    "id: s0-12\nevent: stock.level.changed\n"
    'data: {"sku":"4711","location":"STORE-61","ats_milli":11000}\n\n',
)
ORDERS = Stream(
    "order changes",
    "orders",
    ("omni.order.state.v1", "omni.fulfilment.state.v1"),
    "id: o3-7\nevent: order.changed\n"
    'data: {"order_id":"5b0c…","number":"1001","status":"CONFIRMED"}\n\n',
)
CUSTOMERS = Stream(
    "customer changes",
    "customers",
    ("omni.profile.state.v1", "omni.customer.redirect.state.v1"),
    'id: p1-4\nevent: customer.changed\ndata: {"customer_id":"5b0c…","seq":3}\n\n',
)
CARTS = Stream(
    "cart changes",
    "carts",
    ("omni.cart.state.v1",),
    'id: k1-9\nevent: cart.changed\ndata: {"cart_id":"5b0c…","status":"OPEN"}\n\n',
)
_TOLD: dict[type[Record], tuple[str, type[Body]]] = {
    StockLevel: ("stock.level.changed", Level),
    ChannelAts: ("stock.channel.changed", ChannelLevel),
    Order: ("order.changed", OrderSummary),
    Fulfilment: ("fulfilment.changed", FulfilmentBody),
    CustomerProfile: ("customer.changed", CustomerChanged),
    CustomerRedirect: ("customer.redirected", CustomerRedirected),
    Cart: ("cart.changed", CartBody),
}


def told(record: Record) -> tuple[str, str]:
    """Return the name of an event and its body as JSON on one line."""
    name, body = _TOLD[type(record)]
    return name, body.model_validate(record).model_dump_json()
