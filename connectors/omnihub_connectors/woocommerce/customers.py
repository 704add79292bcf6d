"""From WooCommerce customers and guest buyers to `CustomerObserved`.

Guarantees: nothing personal leaves in the clear outside sealed fields; the same person in this
shop has the same subject each time, a guest by the e-mail address given.
Does not: verify addresses (`trusts_email` says whether the shop did), or treat a phone number as
proven. A consent without a date of its own never overrides a newer one: a yes holds from the
oldest moment it can be from, a no from the newest.
"""

from collections.abc import Iterator
from datetime import datetime

from omnihub.connect.entities import event_meta
from omnihub.connect.personal import Tokens, contact_of, normal_email
from omnihub.model.ids import ChannelId, InstanceId, SubjectId
from omnihub.model.records import (
    Consent,
    ConsentState,
    Contact,
    CustomerObserved,
    Identifier,
    IdentifierKind,
    SourceEntity,
)
from omnihub.model.time import to_us
from omnihub_connectors.woocommerce.config import WooCommerceConfig
from omnihub_connectors.woocommerce.order_payload import Address, Customer, Meta, Order, meta_of

CUSTOMER, GUEST = "customer", "guest"
YES = frozenset({"1", "yes", "true", "on", "granted"})
NO = frozenset({"0", "no", "false", "off", "denied"})


def buyer_contact(order: Order, instance: InstanceId, tokens: Tokens) -> Contact:
    """Return how to reach the buyer of an order; goods go to the shipping address."""
    return _contact(_buyer(order, instance, tokens), order.billing, order.shipping, tokens)


def guest(
    entity: SourceEntity, order: Order, contact: Contact, config: WooCommerceConfig
) -> CustomerObserved:
    """Return the buyer of a guest's order as a person."""
    occurred_at_us = entity.accepted_at_us if order.version is None else order.version
    return CustomerObserved(
        meta=event_meta(entity, "buyer", occurred_at_us, version=order.version),
        subject=contact.subject,
        identifiers=tuple(_addresses(contact, config)),
        contact=contact,
        consents=tuple(_consents(order.meta_data, config, order.date_created_gmt, occurred_at_us)),
    )


def observed(
    entity: SourceEntity, customer: Customer, config: WooCommerceConfig, tokens: Tokens
) -> CustomerObserved:
    """Return a registered customer."""
    number = str(customer.id)
    subject = tokens.subject(entity.instance, CUSTOMER, number)
    name = f"{customer.first_name} {customer.last_name}".strip()
    billing = customer.billing.model_copy(
        update={"email": customer.email or customer.billing.email}
    )
    contact = _contact(subject, billing, customer.shipping, tokens, name)
    occurred_at_us = entity.accepted_at_us if customer.version is None else customer.version
    own = Identifier(
        kind=IdentifierKind.CUSTOMER_ID,
        scope=entity.instance,
        token=tokens.of(f"customer_id:{entity.instance}", number),
        is_verified=True,
    )
    told_at = (customer.date_created_gmt, occurred_at_us)
    return CustomerObserved(
        meta=event_meta(entity, CUSTOMER, occurred_at_us, version=customer.version),
        subject=subject,
        identifiers=(
            own,
            *_addresses(contact, config),
            *_cards(customer.meta_data, config, tokens),
        ),
        contact=contact,
        consents=tuple(_consents(customer.meta_data, config, *told_at)),
    )


def _buyer(order: Order, instance: InstanceId, tokens: Tokens) -> SubjectId:
    if order.customer_id:
        return tokens.subject(instance, CUSTOMER, str(order.customer_id))
    # Nobody to be recognised: the order itself stands for its buyer.
    email = normal_email(order.billing.email)
    return tokens.subject(instance, GUEST, email or f"order {order.id}")


def _contact(
    subject: SubjectId, billing: Address, shipping: Address, tokens: Tokens, name: str = ""
) -> Contact:
    return contact_of(
        tokens,
        subject,
        name=name or billing.name or shipping.name,
        email=billing.email,
        phone=billing.phone or shipping.phone,
        address=shipping.postal or billing.postal,
        region=billing.country or shipping.country or None,
    )


def _addresses(contact: Contact, config: WooCommerceConfig) -> Iterator[Identifier]:
    told = (
        (IdentifierKind.EMAIL, contact.email_token, config.trusts_email),
        (IdentifierKind.PHONE, contact.phone_token, False),
    )
    for kind, token, is_verified in told:
        if token is not None:
            yield Identifier(kind=kind, scope="", token=token, is_verified=is_verified)


def _cards(
    metas: tuple[Meta, ...], config: WooCommerceConfig, tokens: Tokens
) -> Iterator[Identifier]:
    """Yield the loyalty card that a member typed in: told, not proven."""
    card = meta_of(metas, config.loyalty_card_meta) if config.loyalty_card_meta else None
    if card:
        yield Identifier(
            kind=IdentifierKind.LOYALTY_CARD,
            scope=config.loyalty_programme,
            token=tokens.of("loyalty_card", str(card)),
            is_verified=config.trusts_loyalty_card,
        )


def _consents(
    metas: tuple[Meta, ...],
    config: WooCommerceConfig,
    created: datetime | None,
    modified_at_us: int,
) -> Iterator[Consent]:
    created_at_us = to_us(created) if created else modified_at_us
    for key, about in config.consents.items():
        word = str(meta_of(metas, key) or "").strip().lower()
        if word in YES | NO:
            is_yes = word in YES
            yield Consent(
                channel=ChannelId(about.channel),
                purpose=about.purpose,
                state=ConsentState.GRANTED if is_yes else ConsentState.DENIED,
                at_us=created_at_us if is_yes else modified_at_us,
            )
