"""Sold out is what a channel had and has no more; where delivery decides, the range says so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from omnihub_demo.config import channel_places
from omnihub_demo.dealing import HOT_SKU, deal
from omnihub_demo.ledger import judge
from omnihub_demo.places import WAREHOUSE
from omnihub_demo.play import EACH, CountLine, Play, Receipt
from omnihub_demo.stock_outs import stock_outs


@pytest.fixture(scope="module")
def dealt(play: Play, now_us: int) -> Play:
    """Return the dealt short week."""
    return deal(play, now_us)[0]


def sold_out(play: Play, channels: Mapping[str, list[str]] | None = None) -> tuple[int, int]:
    return stock_outs(play, judge(play), channels or channel_places(play))


def with_count(play: Play, milli: int, sku: str = HOT_SKU) -> Play:
    """Return the play with another opening count of a SKU in the warehouse."""
    counts = (
        replace(
            count,
            lines=tuple(
                replace(line, quantity_milli=milli) if line.sku == sku else line
                for line in count.lines
            ),
        )
        if count.key.store == WAREHOUSE
        else count
        for count in play.counts
    )
    return replace(play, counts=tuple(counts))


def test_the_last_unit_is_sold_out_in_every_channel_that_ships(dealt: Play) -> None:
    least, most = sold_out(dealt)
    assert sold_out(with_count(dealt, 2000)) == (least - 3, most - 3)


def test_what_was_never_there_is_not_sold_out(dealt: Play) -> None:
    least, most = sold_out(dealt)
    assert sold_out(with_count(dealt, 0)) == (least - 3, most - 3)


def test_what_came_after_the_count_and_is_gone_may_have_been_for_sale(dealt: Play) -> None:
    """Whether it was depends on which the hub heard of first, the delivery or the order."""
    least, most = sold_out(dealt)
    unit = (CountLine(HOT_SKU, EACH, 1000),)
    delivery = Receipt("GR-1", WAREHOUSE, dealt.first_day + timedelta(days=1), unit)
    later = replace(with_count(dealt, 0), receipts=(*dealt.receipts, delivery))
    assert sold_out(later) == (least - 3, most)


def test_a_channel_without_the_place_does_not_have_it_sold_out(dealt: Play) -> None:
    warehouse = dealt.places[WAREHOUSE].location
    assert sold_out(dealt, {"A": [warehouse]})[0] > sold_out(dealt, {"A": []})[0] == 0


def test_what_a_store_keeps_back_is_not_for_sale(dealt: Play) -> None:
    keeping = {
        code: replace(place, safety_milli=1000) if code == WAREHOUSE else place
        for code, place in dealt.places.items()
    }
    least, _ = sold_out(dealt, {"PHONE": [dealt.places[WAREHOUSE].location]})
    kept, _ = sold_out(replace(dealt, places=keeping), {"PHONE": [keeping[WAREHOUSE].location]})
    assert kept == least - 1


def test_hardly_anything_depends_on_the_order_of_delivery(full_play: Play, now_us: int) -> None:
    least, most = sold_out(deal(full_play, now_us)[0])
    assert least > 100
    assert 0 <= most - least <= 5
