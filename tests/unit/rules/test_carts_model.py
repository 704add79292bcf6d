"""A cart is what its channel showed last, until it is an order: in whatever order that is told."""

from itertools import permutations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from omnihub.model.ids import CartId, ChannelId, EventId, InstanceId, OrderId, Sku, TenantId
from omnihub.model.records import (
    Cart,
    CartConverted,
    CartLine,
    CartStatus,
    CartUpdated,
    EventMeta,
)
from omnihub.rules.carts import STATE_TOPIC, CartRule
from omnihub.rules.rehearsal import Rehearsal

CART = CartId("k")
HISTORY = {"seq": 0, "accepted_at_us": 0}


def meta(event_id, at):
    return EventMeta(
        tenant=TenantId("t"), event_id=EventId(event_id), cause_id="d", source=InstanceId("app"),
        entity="cart:k", occurred_at_us=at, accepted_at_us=at,
    )  # fmt: skip


def line(sku):
    return CartLine(sku=Sku(sku), quantity_milli=1000)


def updated(event_id, at, *skus):
    return CartUpdated(
        meta=meta(event_id, at), cart_id=CART, channel=ChannelId("app"), currency="EUR",
        lines=tuple(map(line, skus)), total_minor=100 * len(skus),
    )  # fmt: skip


def converted(order, at=9):
    return CartConverted(meta=meta(f"to {order}", at), cart_id=CART, order_id=OrderId(order))


def after(*events):
    play = Rehearsal(CartRule())
    for event in events:
        play.play(event)
    return play


def cart(*events):
    return after(*events).rows.get(Cart, f"t:{CART}")


def test_the_newest_contents_are_shown():
    shown = cart(updated("a", 1, "apple"), updated("b", 2, "pear"))
    assert [each.sku for each in shown.lines] == ["pear"]
    assert shown.status is CartStatus.OPEN


def test_older_contents_and_repeats_change_nothing():
    play = after(updated("b", 2, "pear"), updated("a", 1, "apple"), updated("b", 2, "pear"))
    assert len(play.emitted_to(STATE_TOPIC)) == 1


def test_a_cart_without_lines_is_empty_and_opens_again():
    assert cart(updated("a", 1)).status is CartStatus.EMPTY
    assert cart(updated("a", 1), updated("b", 2, "pear")).status is CartStatus.OPEN


def test_a_cart_that_is_an_order_stays_one_whatever_is_told_later():
    shown = cart(updated("a", 1, "apple"), converted("o1"), updated("b", 20))
    assert (shown.status, shown.order_id) == (CartStatus.CONVERTED, "o1")


def test_an_end_told_before_the_contents_still_shows_the_contents():
    shown = cart(converted("o1"), updated("a", 1, "apple"))
    assert (shown.status, len(shown.lines)) == (CartStatus.CONVERTED, 1)


def test_carts_of_two_tenants_are_two():
    other = updated("a", 1)
    other = msgspec.structs.replace(
        other, meta=msgspec.structs.replace(other.meta, tenant=TenantId("u"))
    )
    assert len(after(updated("a", 1, "apple"), other).rows.rows) == 2


def plain(shown):
    return msgspec.structs.replace(shown, **HISTORY)


def test_every_order_of_telling_ends_alike():
    told = [updated("a", 1, "x"), updated("b", 2, "y"), updated("c", 2), converted("o1"),
            converted("o2", 8)]  # fmt: skip
    assert len({plain(cart(*order)) for order in permutations(told)}) == 1


@given(st.lists(st.integers(0, 4), min_size=1), st.randoms(use_true_random=False))
def test_repetition_and_order_never_matter(picks, chance):
    known = [updated("a", 1, "x"), updated("b", 2, "y"), updated("c", 2), converted("o1"),
             converted("o2", 8)]  # fmt: skip
    told = [known[pick] for pick in picks]
    shuffled = [*told, *told]
    chance.shuffle(shuffled)
    assert plain(cart(*shuffled)) == plain(cart(*told))
