"""A cart shows its newest contents until it is an order."""

from itertools import permutations

from omnihub.engine.driver import TestDriver
from omnihub.model.ids import CartId, ChannelId, EventId, InstanceId, OrderId, Sku, TenantId
from omnihub.model.records import CartConverted, CartLine, CartStatus, CartUpdated, EventMeta
from omnihub.rules.carts import CartRule

INBOX, STATE = "omni.cart.inbox.v1", "omni.cart.state.v1"


def meta(name, at):
    return EventMeta(
        tenant=TenantId("t"), event_id=EventId(name), cause_id="d", source=InstanceId("app"),
        entity="cart:1", occurred_at_us=at, accepted_at_us=at,
    )  # fmt: skip


def updated(at, quantity_milli=1000):
    lines = (CartLine(sku=Sku("apple"), quantity_milli=quantity_milli),) if quantity_milli else ()
    return CartUpdated(
        meta=meta(f"u{at}", at), cart_id=CartId("1"), channel=ChannelId("app"), lines=lines
    )


def converted(at):
    return CartConverted(meta=meta(f"c{at}", at), cart_id=CartId("1"), order_id=OrderId("o"))


def after(*events):
    driver = TestDriver([CartRule()])
    for event in events:
        driver.append(INBOX, event)
    driver.run()
    [cart] = driver.state(STATE).values()
    return cart


def test_the_newest_contents_win_whatever_order_they_are_told_in():
    for order in permutations([updated(1, 1000), updated(2, 3000), updated(3, 2000)]):
        cart = after(*order)
        assert [line.quantity_milli for line in cart.lines] == [2000]
        assert cart.status is CartStatus.OPEN


def test_an_emptied_cart_is_empty():
    assert after(updated(1), updated(2, 0)).status is CartStatus.EMPTY


def test_a_cart_that_became_an_order_stays_so_in_every_order_of_telling():
    for order in permutations([updated(1), updated(2, 3000), converted(3)]):
        cart = after(*order)
        assert (cart.status, cart.order_id) == (CartStatus.CONVERTED, "o")
        assert [line.quantity_milli for line in cart.lines] == [3000]


def test_told_twice_is_told_once():
    assert after(updated(1), updated(1), converted(2), converted(2)).seq == 2
