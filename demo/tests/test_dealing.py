"""Orders are dealt from the week's baskets so that what must happen to each is known beforehand."""

from collections import Counter
from dataclasses import replace

import pytest
from omnihub_demo.day_totals import becomes_sale
from omnihub_demo.dealing import HOT_SKU, Channel, Orders, deal
from omnihub_demo.ledger import judge
from omnihub_demo.places import WAREHOUSE
from omnihub_demo.play import Owner, Play

MOST_SALES = 150


@pytest.fixture(scope="module")
def dealt(full_play: Play, now_us: int) -> tuple[Play, Orders]:
    """Return a dealt full week."""
    return deal(full_play, now_us)


def test_the_same_play_gives_the_same_orders(play: Play, now_us: int) -> None:
    assert deal(play, now_us) == deal(play, now_us)


def test_another_seed_gives_other_orders(play: Play, now_us: int) -> None:
    _, one = deal(play, now_us)
    _, other = deal(replace(play, seed=play.seed + 1), now_us)
    assert one.placed != other.placed


def test_every_channel_orders_and_some_orders_are_refused(dealt: tuple[Play, Orders]) -> None:
    _, orders = dealt
    assert {order.channel for order in orders.placed} == set(Channel)
    assert any(order.is_refused for order in orders.placed)
    assert any(order.place for order in orders.placed)


def test_even_the_short_week_has_an_order_of_every_channel(play: Play, now_us: int) -> None:
    _, orders = deal(play, now_us)
    assert {order.channel for order in orders.placed} == set(Channel)


def test_a_basket_that_becomes_an_order_leaves_its_till(
    full_play: Play, dealt: tuple[Play, Orders]
) -> None:
    play, orders = dealt
    assert len(play.transactions) == len(full_play.transactions) - len(orders.placed)


def test_the_erp_gets_no_more_sales_than_it_can_take(dealt: tuple[Play, Orders]) -> None:
    _, orders = dealt
    of_erp = [
        order
        for order in orders.placed
        if not order.is_refused and (order.place is None or order.place.owner is Owner.ERP)
    ]
    assert 0 < len(of_erp) + 1 <= MOST_SALES


def test_every_unit_that_is_shipped_is_there(dealt: tuple[Play, Orders]) -> None:
    play, orders = dealt
    warehouse = play.places[WAREHOUSE].location
    wanted = Counter[str]()
    for order in orders.shipped:
        wanted.update({line.sku: line.units * 1000 for line in order.lines})
    counted = Counter[str]()
    for count in play.counts:
        if count.key.store == WAREHOUSE:
            counted.update({line.sku: line.quantity_milli for line in count.lines})
    assert all(counted[sku] >= milli for sku, milli in wanted.items())
    assert judge(play).on_hand_milli[warehouse, HOT_SKU] == 0


def test_what_is_refused_is_nowhere_its_channel_ships_from(dealt: tuple[Play, Orders]) -> None:
    play, orders = dealt
    ledger = judge(play)
    warehouse = play.places[WAREHOUSE].location
    missing = {order.lines[0].sku for order in orders.placed if order.is_refused}
    assert {ledger.on_hand_milli[warehouse, sku] for sku in missing} == {0}


def test_the_erp_and_the_web_store_know_every_product_that_they_sell(
    dealt: tuple[Play, Orders],
) -> None:
    play, orders = dealt
    known = set(play.erp_skus)
    shipped = {line.sku for order in orders.placed if not order.place for line in order.lines}
    assert shipped | {HOT_SKU} <= known


def test_some_households_buy_in_several_channels_and_some_share_a_phone(
    dealt: tuple[Play, Orders],
) -> None:
    _, orders = dealt
    buyers = {(order.household, order.channel) for order in orders.placed}
    channels = Counter(household for household, _ in buyers)
    phones = Counter(household.phone for household in channels)
    assert max(channels.values()) > 1
    assert max(phones.values()) > 1


def test_a_caller_has_no_order_in_the_app_that_the_erp_books_as_a_sale(
    play: Play, now_us: int, dealt: tuple[Play, Orders]
) -> None:
    """Else staff would find the party that the hub wrote, and call it by the number."""
    for orders in (deal(play, now_us)[1], dealt[1]):
        calling = {o.household.phone for o in orders.placed if o.channel is Channel.PHONE}
        booked = [o for o in orders.placed if o.channel is Channel.APP and becomes_sale(o)]
        assert calling
        assert booked
        assert calling.isdisjoint(order.household.phone for order in booked)


def test_the_app_is_told_the_number_of_a_caller_by_somebody_else(
    dealt: tuple[Play, Orders],
) -> None:
    _, orders = dealt
    callers = {o.household for o in orders.placed if o.channel is Channel.PHONE}
    in_app = {o.household for o in orders.placed if o.channel is Channel.APP}
    numbers = {household.phone for household in callers}
    assert any(household.phone in numbers for household in in_app - callers)
