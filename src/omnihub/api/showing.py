"""From records of the views to bodies: what is personal only for who may see it.

Guarantees: nothing is opened unless `may_open`; without it the personal part is absent, not null.
"""

import json
from collections.abc import Callable
from typing import Any

from omnihub.api.customer_bodies import Customer, Known, PersonalPart
from omnihub.api.order_bodies import OrderDetail, Reachable
from omnihub.model.ids import CustomerId
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import Contact, CustomerProfile, Order
from omnihub.views.customers import CustomerViews
from omnihub.views.orders import OrderViews

Opener = Callable[[Record], Record]
"""Returns a record with its sealed fields in the clear; None where a key is destroyed."""
ATTRIBUTES = ("name", "email", "phone", "address")


def order_detail(order: Order, views: OrderViews, opener: Opener | None) -> OrderDetail:
    """Return an order with everything that belongs to it; `opener` None leaves the contact out."""
    parts: dict[str, Any] = {
        "fulfilments": views.fulfilments(order.order_id),
        "reservations": views.reservations(order.order_id),
        "payments": views.payments(order.order_id),
        "returns": views.returns(order.order_id),
    }
    if opener is not None and order.contact is not None:
        parts["contact"] = Reachable(**revealed(order.contact, opener))
    return OrderDetail.model_validate(_fields(order, OrderDetail) | parts)


def customer(profile: CustomerProfile, views: CustomerViews, opener: Opener | None) -> Customer:
    """Return a person over all systems; `opener` None leaves out what is personal."""
    customer_id = CustomerId(profile.customer_id)
    parts: dict[str, Any] = {
        "subjects": [
            Known(source=link.source, subject=link.subject) for link in views.links(customer_id)
        ],
        "consents": views.consents(customer_id) or profile.consents,
    }
    if opener is not None:
        parts["personal"] = _personal(profile, opener)
    return Customer.model_validate(_fields(profile, Customer) | parts)


def revealed(contact: Contact, opener: Opener) -> dict[str, Any]:
    """Return what of a contact is known and not erased, in the clear."""
    opened = opener(contact)
    told = {name: getattr(opened, name) for name in ATTRIBUTES}
    clear = {name: one.reveal() for name, one in told.items() if isinstance(one, Personal)}
    return {name: json.loads(text) if name == "address" else text for name, text in clear.items()}


def _personal(profile: CustomerProfile, opener: Opener) -> PersonalPart:
    """Return the attributes, each from the contact of the source that won it."""
    found: dict[str, Any] = {
        name: value
        for name in ("birthday_month", "birthday_day")
        if (value := getattr(profile, name)) is not None
    }
    for name in ATTRIBUTES:
        contact = getattr(profile, name)
        told = revealed(contact, opener) if contact is not None else {}
        found |= {name: told[name]} if name in told else {}
    return PersonalPart(**found)


def _fields(record: Record, body: type[OrderDetail] | type[Customer]) -> dict[str, Any]:
    """Return the record's fields that the body shows as they are."""
    shown = (name for name in body.model_fields if name not in ("contact", "personal"))
    return {name: getattr(record, name) for name in shown if hasattr(record, name)}
