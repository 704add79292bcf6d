"""From Segment messages to canonical events.

Guarantees: what the spec calls a person (`userId`, `anonymousId`) is a token before it names
anything; a message told twice (same `messageId`, same time) tells nothing new; a message that is
wrong is refused alone, its batch goes on. Persons, orders and carts are states whose version is
the message's time (when it came, if it has none); of two messages of one millisecond the
`messageId` decides, always alike.
Does not: remember. An identify call tells the person whole, an order call the order, a cart call
the cart: what is left out is not known any more. Pages, screens, groups and other tracks are kept
raw and tell nothing yet.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import ValidationError

from omnihub.connect.entities import source_entity
from omnihub.connect.errors import BadDelivery
from omnihub.connect.sdk import Fact, Mapping, Refs, State
from omnihub.model.errors import RejectedError
from omnihub.model.records import RawDelivery, SourceEntity
from omnihub_connectors.app.carts import CART_EVENTS, cart_states
from omnihub_connectors.app.config import AppConfig
from omnihub_connectors.app.forms import KEY_FIELD, KIND_OF
from omnihub_connectors.app.messages import MILLISECOND_US, Message
from omnihub_connectors.app.orders import ORDER_EVENTS, order_states
from omnihub_connectors.app.persons import alias_states, person_states, subject_of

PERSON, ALIAS, ORDER, CART, NAMELESS = "person", "alias", "order", "cart", "message"
Json = dict[str, Any]


class AppMapping(Mapping[AppConfig]):
    """The pure half of the connector."""

    revision = 1

    def split(self, delivery: RawDelivery) -> list[SourceEntity]:
        """Cut a call into the persons, orders and carts that it tells of."""
        found = (self._entity(delivery, message) for message in _messages(delivery))
        return [entity for entity in found if entity is not None]

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Tell what one message says."""
        message = Message.model_validate_json(entity.body)
        if entity.type == PERSON:
            return person_states(entity, message, self.config, self.tokens)
        if entity.type == ALIAS:
            return alias_states(entity, message, self.tokens)
        if entity.type == ORDER:
            return order_states(entity, message, refs, self.config, self.tokens)
        if entity.type == CART:
            return cart_states(entity, message, refs, self.tokens)
        raise RejectedError(
            "nameless",
            f"a message of type {message.type} lacks the ids that say what it is about. Send "
            "userId or anonymousId with identify, previousId and userId with alias, "
            "properties.order_id with an order.",
            entity.entity_id,
        )

    def _entity(self, delivery: RawDelivery, told: Json) -> SourceEntity | None:
        """Return what a message is about; None for what tells nothing yet."""
        body = msgspec.json.encode(told)
        version = delivery.accepted_at_us
        try:
            message = Message.model_validate_json(body)
            about = self._about(delivery, message)
            version = _version(message) or version
        except ValidationError:
            # It parks alone when it is translated, with the fields that do not fit.
            about = _NAMELESS
        if about is None:
            return None
        kind, name = about
        entity_id = name or self.tokens.of("message", str(told.get("messageId") or body))
        return source_entity(delivery, kind, entity_id, body, version=version)

    def _about(self, delivery: RawDelivery, message: Message) -> tuple[str, str | None] | None:
        properties = message.properties if isinstance(message.properties, dict) else {}
        event = message.event.casefold()
        if message.type == "identify":
            subject = subject_of(message, delivery.instance, self.tokens)
            return (PERSON, subject) if subject else _NAMELESS
        if message.type == "alias":
            ids = (message.previous_id, message.user_id)
            return (ALIAS, self.tokens.of("alias", "\x1f".join(ids))) if all(ids) else _NAMELESS
        if message.type == "track" and event in ORDER_EVENTS:
            order_id = properties.get("order_id") or properties.get("orderId")
            return (ORDER, str(order_id)) if order_id else _NAMELESS
        if message.type == "track" and event in CART_EVENTS:
            cart_id = properties.get("cart_id") or properties.get("cartId")
            is_whole = isinstance(properties.get("products"), list)
            return (CART, self.tokens.of("cart", str(cart_id))) if cart_id and is_whole else None
        return None


_NAMELESS: tuple[str, str | None] = (NAMELESS, None)


def _messages(delivery: RawDelivery) -> Iterator[Json]:
    """Yield the messages of a call, without what belongs to the call."""
    try:
        told = msgspec.json.decode(delivery.body, type=Json)
        if "batch" in told:
            messages = msgspec.convert(told["batch"], type=list[Json])
            around: Json = {"context": told.get("context") or {}}
        else:
            messages, around = [told], {"type": KIND_OF.get(delivery.stream, "")}
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadDelivery(
            f"the call {delivery.stream} cannot be read: {error}",
            cure="look at the sender's library, then skip it",
        ) from None
    for message in messages:
        yield {**around, **{key: v for key, v in message.items() if key != KEY_FIELD}}


def _version(message: Message) -> int | None:
    """Return when it happened; within a millisecond, the message's id breaks the tie."""
    at_us = message.at_us
    if at_us is None or at_us % MILLISECOND_US:
        return at_us
    digest = hashlib.blake2b(message.message_id.encode(), digest_size=4).digest()
    return at_us + int.from_bytes(digest, "big") % MILLISECOND_US
