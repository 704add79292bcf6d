"""Track calls about carts: told whole or not at all.

Guarantees: a call that shows all products of its cart tells the cart. Does not: add and remove;
`Product Added` with the one product only is kept raw.
"""

from omnihub.connect.entities import event_meta
from omnihub.connect.personal import Tokens, cart_id_of
from omnihub.connect.sdk import Fact, Refs, State
from omnihub.model.money import minor_of, money_of
from omnihub.model.records import CartLine, CartUpdated, SourceEntity
from omnihub_connectors.app.messages import Message, Product, Properties
from omnihub_connectors.app.orders import milli_of, sku_of
from omnihub_connectors.app.persons import subject_of

CART_EVENTS = frozenset({"cart viewed", "cart updated", "product added", "product removed"})


def cart_states(
    entity: SourceEntity, message: Message, refs: Refs, tokens: Tokens
) -> list[Fact | State]:
    """Tell a cart as it is now."""
    told = Properties.model_validate(message.properties)
    currency = told.currency.upper()
    occurred_at_us = entity.accepted_at_us if message.at_us is None else message.at_us
    total = minor_of(told.total, currency) if told.total is not None and currency else None
    updated = CartUpdated(
        meta=event_meta(entity, "cart", occurred_at_us, version=entity.version),
        cart_id=cart_id_of(entity.tenant, entity.instance, told.cart_id),
        channel=refs.channel,
        subject=subject_of(message, entity.instance, tokens),
        currency=currency or None,
        lines=tuple(_line(product, refs, currency, entity) for product in told.products or ()),
        total_minor=total,
    )
    return [State("cart", entity.version, (updated,))]


def _line(product: Product, refs: Refs, currency: str, entity: SourceEntity) -> CartLine:
    return CartLine(
        sku=sku_of(product, refs, entity.entity_id),
        quantity_milli=milli_of(product, entity.entity_id),
        unit_price=money_of(product.price, currency) if product.price and currency else None,
    )
