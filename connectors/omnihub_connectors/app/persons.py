"""Who an app talks of: identify and alias calls, and buyers without a login.

Guarantees: a person with a `userId` has one subject, whatever else is told of them; an
`anonymousId` is told but never links; what `trusts_*` does not vouch for is not verified.
An alias is a subject of its own that holds both ids, so that neither person's data is touched.
"""

from collections.abc import Iterator
from datetime import date

from omnihub.connect.entities import event_meta
from omnihub.connect.personal import Tokens, contact_of, normal_email
from omnihub.connect.sdk import Fact, State
from omnihub.model.ids import InstanceId, SubjectId
from omnihub.model.records import (
    Contact,
    CustomerObserved,
    Identifier,
    IdentifierKind,
    SourceEntity,
)
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.messages import Address, Message, Properties

PERSON, ALIAS, BUYER = "person", "alias", "buyer"


def subject_of(message: Message, instance: InstanceId, tokens: Tokens) -> SubjectId | None:
    """Return whom a message is about; None when it does not say."""
    if message.user_id:
        return tokens.subject(instance, "customer", message.user_id)
    if message.anonymous_id:
        return tokens.subject(instance, "anonymous", message.anonymous_id)
    return None


def person_states(
    entity: SourceEntity, message: Message, config: AppConfig, tokens: Tokens
) -> list[Fact | State]:
    """Tell the person of an identify call."""
    subject = SubjectId(entity.entity_id)
    contact = contact_from(message, subject, Properties(), config, tokens)
    return [_observed(entity, message, contact, config, tokens, PERSON)]


def alias_states(entity: SourceEntity, message: Message, tokens: Tokens) -> list[Fact | State]:
    """Tell that two ids are one person's."""
    ids = (message.previous_id, message.user_id)
    observed = CustomerObserved(
        meta=event_meta(entity, ALIAS, _occurred_at_us(entity, message), version=entity.version),
        subject=tokens.subject(entity.instance, ALIAS, "\x1f".join(ids)),
        identifiers=tuple(_login(each, entity.instance, tokens, is_verified=True) for each in ids),
    )
    return [State(ALIAS, entity.version, (observed,))]


def buyer_of(message: Message, told: Properties, instance: InstanceId, tokens: Tokens) -> SubjectId:
    """Return who buys: a login, an address, a device, or only this order."""
    if message.user_id:
        return tokens.subject(instance, "customer", message.user_id)
    email = normal_email(told.email or _trait(message, "email"))
    if email:
        return tokens.subject(instance, "guest", email)
    known = subject_of(message, instance, tokens)
    return known or tokens.subject(instance, "guest", f"order {told.order_id}")


def guest_states(
    entity: SourceEntity, message: Message, contact: Contact, config: AppConfig, tokens: Tokens
) -> list[Fact | State]:
    """Tell a buyer without login as a person, if there is a way to reach them."""
    if message.user_id or not (contact.email_token or contact.phone_token):
        return []
    return [_observed(entity, message, contact, config, tokens, BUYER)]


def contact_from(
    message: Message, subject: SubjectId, told: Properties, config: AppConfig, tokens: Tokens
) -> Contact:
    """Return how to reach somebody: what the order says goes before what is known of them."""
    address = told.shipping_address or message.traits.address or message.context.traits.address
    name = told.name or message.traits.full_name or message.context.traits.full_name
    return contact_of(
        tokens,
        subject,
        name=name,
        email=told.email or _trait(message, "email"),
        phone=told.phone or _trait(message, "phone"),
        address=(address or Address()).postal,
        region=config.region,
        locale=message.context.locale,
    )


def _observed(
    entity: SourceEntity,
    message: Message,
    contact: Contact,
    config: AppConfig,
    tokens: Tokens,
    role: str,
) -> State:
    born = _birthday(message)
    observed = CustomerObserved(
        meta=event_meta(entity, role, _occurred_at_us(entity, message), version=entity.version),
        subject=contact.subject,
        identifiers=tuple(_identifiers(entity, message, contact, config, tokens)),
        contact=contact,
        birthday_month=born.month if born else None,
        birthday_day=born.day if born else None,
    )
    return State(role, entity.version, (observed,))


def _identifiers(
    entity: SourceEntity, message: Message, contact: Contact, config: AppConfig, tokens: Tokens
) -> Iterator[Identifier]:
    if message.user_id:
        trusted = config.trusts_user_id
        yield _login(message.user_id, entity.instance, tokens, is_verified=trusted)
    addresses = (
        (IdentifierKind.EMAIL, contact.email_token, config.trusts_email),
        (IdentifierKind.PHONE, contact.phone_token, config.trusts_phone),
    )
    for kind, token, is_verified in addresses:
        if token is not None:
            yield Identifier(kind=kind, scope="", token=token, is_verified=is_verified)
    if card := message.traits.told(config.loyalty_trait):
        yield Identifier(
            kind=IdentifierKind.LOYALTY_CARD,
            scope=config.loyalty_programme,
            token=tokens.of("loyalty_card", card),
            is_verified=config.trusts_loyalty_card,
        )
    if message.anonymous_id:
        yield Identifier(
            kind=IdentifierKind.ANONYMOUS_ID,
            scope=entity.instance,
            token=tokens.of(f"anonymous_id:{entity.instance}", message.anonymous_id),
            is_verified=False,
        )


def _login(user_id: str, instance: InstanceId, tokens: Tokens, *, is_verified: bool) -> Identifier:
    return Identifier(
        kind=IdentifierKind.CUSTOMER_ID,
        scope=instance,
        token=tokens.of(f"customer_id:{instance}", user_id),
        is_verified=is_verified,
    )


def _trait(message: Message, name: str) -> str:
    return getattr(message.traits, name) or getattr(message.context.traits, name) or ""


def _birthday(message: Message) -> date | None:
    try:
        return date.fromisoformat(message.traits.told("birthday")[:10])
    except ValueError:
        return None


def _occurred_at_us(entity: SourceEntity, message: Message) -> int:
    at_us = message.at_us
    return entity.accepted_at_us if at_us is None else at_us
