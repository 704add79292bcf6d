"""The board's figures follow from events, whatever their order."""

import itertools

import pytest

from omnihub.insight import Subscriber
from omnihub.insight.board import Board
from omnihub.insight.seen import Seen
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import ChannelId, EventId, LocationId, MovementId, OrderId, Sku, TenantId
from omnihub.model.records import (
    ChannelAts,
    EventMeta,
    MovementKind,
    OrderChanged,
    OrderStatus,
    RawDelivery,
    StockMoved,
)


def meta(name):
    return EventMeta(
        tenant=TenantId("t"), event_id=EventId(name), cause_id="c", source="s", entity="e",
        occurred_at_us=0, accepted_at_us=0,
    )  # fmt: skip


def moved(name, sku, quantity_milli, kind=MovementKind.SALE):
    return StockMoved(
        meta=meta(name), movement_id=MovementId(name), sku=Sku(sku), kind=kind,
        from_location=LocationId("shop"), quantity_milli=quantity_milli,
    )  # fmt: skip


def ordered(name, status, previous=OrderStatus.UNKNOWN, reason=None):
    return OrderChanged(
        meta=meta(name), order_id=OrderId(name), number=name, channel=ChannelId("web"),
        status=status, previous=previous, reason=reason, total_minor=1, currency="EUR",
    )  # fmt: skip


def level(sku, ats_milli, seq):
    return ChannelAts(
        tenant=TenantId("t"), sku=Sku(sku), channel=ChannelId("web"), pool_milli=ats_milli,
        ats_milli=ats_milli, seq=seq, cause_id="c", accepted_at_us=0,
    )  # fmt: skip


def test_best_sellers_are_what_was_sold_less_what_was_voided():
    told = [
        moved("1", "apple", 3000),
        moved("2", "pear", 2000),
        moved("3", "apple", 2000, MovementKind.VOID),
        moved("4", "fig", 9000, MovementKind.RECEIPT),
    ]
    for order in itertools.permutations(told):
        board = Board()
        for event in order:
            board.on_movement(event)
        best = board.figures({Sku("pear"): "Pear"})["best_sellers"]
        assert [(one["sku"], one["sold_milli"]) for one in best] == [
            ("pear", 2000),
            ("apple", 1000),
        ]
        assert best[0]["title"] == "Pear"


def test_orders_are_counted_where_they_stand_and_refusals_by_reason():
    board = Board()
    board.on_order(ordered("1", OrderStatus.PENDING))
    board.on_order(ordered("2", OrderStatus.PENDING))
    board.on_order(ordered("1", OrderStatus.CONFIRMED, OrderStatus.PENDING))
    board.on_order(ordered("2", OrderStatus.REFUSED, OrderStatus.PENDING, "not_enough_stock"))
    assert board.figures()["orders"] == {"CONFIRMED": 1, "REFUSED": 1}
    assert board.figures()["refusals"] == {"not_enough_stock": 1}


def test_a_sku_is_out_of_stock_while_a_channel_that_had_it_has_none():
    board = Board()
    board.on_level(level("never-there", 0, 1))
    board.on_level(level("apple", 5000, 1))
    board.on_level(level("apple", 0, 2))
    assert board.figures()["stock_outs"] == 1
    board.on_level(level("apple", 1000, 3))
    assert board.figures()["stock_outs"] == 0


def test_an_event_is_known_by_its_id_while_it_is_remembered():
    seen = Seen(limit=2)
    for name in ("1", "2", "3"):
        seen.add("topic", 0, moved(name, "apple", 1))
    assert not seen.knows("topic", 0, moved("1", "apple", 1))
    assert seen.knows("topic", 0, moved("3", "apple", 1))
    assert not seen.knows("topic", 1, moved("3", "apple", 1))
    seen.add("topic", 0, level("apple", 1, 1))
    assert not seen.knows("topic", 0, level("apple", 1, 1))


def test_only_public_records_can_be_subscribed_to():
    board = Subscriber("b", bootstrap="localhost:1", registry="http://localhost:1")
    with pytest.raises(ConfigurationError, match="no event or state topic"):
        board.on(RawDelivery)(lambda record: None)
    with pytest.raises(ConfigurationError, match="0 state topics"):
        board.table(StockMoved)
