"""The cart rule: one snapshot a cart, as its channel shows it, until it becomes an order.

Guarantees: the newest version wins (business time, then event id) whatever order it is told in; a
cart that became an order stays converted, also when that is told before its last update.
Does not: hold stock for a cart, or price it.
"""

from typing import ClassVar

import msgspec

from omnihub.model.ids import ChannelId
from omnihub.model.record import Record
from omnihub.model.records import Cart, CartConverted, CartStatus, CartUpdated
from omnihub.rules.rule import Out, Rows, Rule, on

STATE_TOPIC = "omni.cart.state.v1"


class CartRule(Rule):
    """Keyed by cart."""

    name: ClassVar[str] = "cart"
    inbox: ClassVar[str] = "omni.cart.inbox.v1"
    events: ClassVar[str] = "omni.cart.event.v1"

    def park_key(self, record: Record) -> str:
        """One cart waits alone."""
        return str(getattr(record, "cart_id", ""))

    @on(CartUpdated)
    def on_update(self, event: CartUpdated, rows: Rows, out: Out) -> None:
        """Show the newest contents."""
        key = f"{event.meta.tenant}:{event.cart_id}"
        known = rows.get(Cart, key)
        if known is not None and _at(event) <= (known.occurred_at_us, known.cause_id):
            return
        out.emit(self.events, event)
        is_converted = known is not None and known.status is CartStatus.CONVERTED
        cart = Cart(
            tenant=event.meta.tenant,
            cart_id=event.cart_id,
            channel=event.channel,
            subject=event.subject,
            currency=event.currency,
            lines=event.lines,
            total_minor=event.total_minor,
            status=_status(event, is_converted),
            order_id=known.order_id if known else None,
            version=event.meta.version,
            seq=(known.seq if known else 0) + 1,
            cause_id=event.meta.event_id,
            occurred_at_us=event.meta.occurred_at_us,
            accepted_at_us=event.meta.accepted_at_us,
        )
        rows.put(key, cart)
        out.emit(STATE_TOPIC, cart)

    @on(CartConverted)
    def on_conversion(self, event: CartConverted, rows: Rows, out: Out) -> None:
        """Close the cart: it is an order now."""
        key = f"{event.meta.tenant}:{event.cart_id}"
        known = rows.get(Cart, key) or _unseen(event)
        # Two orders of one cart: the same one is shown whichever is told first.
        if known.order_id is not None and known.order_id <= event.order_id:
            return
        out.emit(self.events, event)
        cart = msgspec.structs.replace(
            known,
            status=CartStatus.CONVERTED,
            order_id=event.order_id,
            seq=known.seq + 1,
            accepted_at_us=event.meta.accepted_at_us,
        )
        rows.put(key, cart)
        out.emit(STATE_TOPIC, cart)


def _at(event: CartUpdated) -> tuple[int, str]:
    return (event.meta.occurred_at_us, event.meta.event_id)


def _status(event: CartUpdated, is_converted: bool) -> CartStatus:
    if is_converted:
        return CartStatus.CONVERTED
    return CartStatus.OPEN if event.lines else CartStatus.EMPTY


def _unseen(event: CartConverted) -> Cart:
    """A cart of which nothing was told but its end: whatever is told of it later is newer."""
    return Cart(
        tenant=event.meta.tenant,
        cart_id=event.cart_id,
        channel=ChannelId(""),
        lines=(),
        status=CartStatus.UNKNOWN,
        seq=0,
        cause_id="",
        occurred_at_us=0,
        accepted_at_us=event.meta.accepted_at_us,
    )
