"""The stock rule: conservation, independence of order and repetition, facts are never refused."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.model.errors import RejectedError
from omnihub.model.ids import ChannelId, EventId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import (
    ChannelAts,
    EventMeta,
    LevelDesired,
    MovementDesired,
    MovementKind,
    SafetyStockSet,
    StockCounted,
    StockLevel,
    StockMoved,
    StockShortage,
)
from omnihub.model.time import DAY_US, MINUTE_US
from omnihub.rules.policy import Channel, LevelRoute, MovementRoute, StockPolicy
from omnihub.rules.rehearsal import Rehearsal
from omnihub.rules.stock import StockRule

TENANT, SKU = TenantId("t"), Sku("apple")
SHOP, DEPOT = LocationId("shop"), LocationId("depot")
WEB, ERP = InstanceId("web"), InstanceId("erp")
POLICY = StockPolicy(
    channels=(Channel(ChannelId("WEB"), frozenset({SHOP, DEPOT}), buffer_milli=1000),),
    levels=(LevelRoute(WEB, ChannelId("WEB")),),
    movements=(MovementRoute(ERP, frozenset({SHOP})),),
)


def meta(event_id, at_us, source="till"):
    return EventMeta(
        tenant=TENANT, event_id=EventId(event_id), cause_id="d", source=InstanceId(source),
        entity="e", occurred_at_us=at_us, accepted_at_us=at_us,
    )  # fmt: skip


def moved(name, at_us, milli, source=None, target=None, by="till", kind=MovementKind.SALE):
    return StockMoved(
        meta=meta(name, at_us, by), movement_id=MovementId(name), sku=SKU, kind=kind,
        from_location=source, to_location=target, quantity_milli=milli,
    )  # fmt: skip


def counted(name, as_of_us, milli, at=SHOP):
    return StockCounted(
        meta=meta(name, as_of_us), count_id=name, sku=SKU, location=at,
        quantity_milli=milli, as_of_us=as_of_us,
    )  # fmt: skip


def level(play, at=SHOP):
    return play.rows.get(StockLevel, f"{TENANT}:{SKU}:{at}")


@pytest.fixture
def play():
    return Rehearsal(StockRule(POLICY))


def test_a_sale_takes_from_what_was_counted(play):
    play.play(counted("c1", 100, 10_000))
    play.play(moved("m1", 200, 3_000, source=SHOP))
    assert level(play).on_hand_milli == 7_000
    assert level(play).ats_milli == 7_000


def test_a_movement_from_before_the_count_changes_nothing(play):
    play.play(counted("c1", 100, 10_000))
    play.play(moved("early", 99, 3_000, source=SHOP))
    play.play(moved("same instant", 100, 3_000, source=SHOP))
    assert level(play).on_hand_milli == 10_000


def test_a_late_count_keeps_the_movements_after_it(play):
    play.play(moved("m1", 50, 1_000, source=SHOP))
    play.play(moved("m2", 3 * DAY_US, 2_000, source=SHOP))
    play.play(counted("c1", DAY_US, 10_000))
    assert level(play).on_hand_milli == 8_000


def test_an_older_count_is_refused_as_stale(play):
    play.play(counted("new", 200, 5_000))
    with pytest.raises(RejectedError, match="stale_count"):
        play.play(counted("old", 100, 9_000))
    assert level(play).on_hand_milli == 5_000


def test_a_sale_of_what_is_not_there_is_a_fact_and_a_shortage(play):
    play.play(moved("m1", 100, 2_000, source=SHOP))
    assert level(play).on_hand_milli == -2_000
    assert level(play).ats_milli == 0
    shortages = [r for r in play.emitted_to(StockRule.events) if isinstance(r, StockShortage)]
    assert [s.missing_milli for s in shortages] == [2_000]


def test_a_count_from_a_clock_far_ahead_does_not_hide_later_sales(play):
    ahead = msgspec.structs.replace(counted("c1", 100, 10_000), as_of_us=400 * DAY_US)
    play.play(ahead)
    play.play(moved("m1", 100 + 6 * MINUTE_US, 1_000, source=SHOP))
    assert level(play).on_hand_milli == 9_000


@pytest.mark.parametrize("milli", [-1, -5_000])
def test_negative_quantities_are_refused_and_change_nothing(play, milli):
    for event in (moved("m", 1, milli, source=SHOP), counted("c", 1, milli)):
        with pytest.raises(RejectedError, match="negative_quantity"):
            play.play(event)
    assert play.emitted == []


def test_a_movement_without_places_is_refused(play):
    with pytest.raises(RejectedError, match="no_location"):
        play.play(moved("m", 1, 1))


def test_a_transfer_moves_between_two_locations_at_once(play):
    play.play(counted("c1", 100, 10_000, at=DEPOT))
    play.play(moved("t1", 200, 4_000, source=DEPOT, target=SHOP, kind=MovementKind.TRANSFER))
    assert (level(play, DEPOT).on_hand_milli, level(play, SHOP).on_hand_milli) == (6_000, 4_000)


def test_the_channel_sells_the_sum_of_its_locations_less_its_buffer(play):
    play.play(counted("c1", 100, 3_000, at=SHOP))
    play.play(counted("c2", 100, 2_000, at=DEPOT))
    ats = play.rows.get(ChannelAts, f"{TENANT}:{SKU}:WEB")
    assert (ats.pool_milli, ats.ats_milli) == (5_000, 4_000)


def test_a_shortage_in_one_shop_takes_nothing_from_another(play):
    play.play(counted("c1", 100, 5_000, at=DEPOT))
    play.play(moved("m1", 200, 2_000, source=SHOP))
    assert play.rows.get(ChannelAts, f"{TENANT}:{SKU}:WEB").pool_milli == 5_000


def test_the_web_store_hears_of_levels_and_the_erp_of_movements(play):
    play.play(counted("c1", 100, 3_000))
    play.play(moved("m1", 200, 1_000, source=SHOP))
    told = play.emitted_to("omni.outbound.inbox.v1")
    levels = [(t.instance, t.quantity_milli) for t in told if isinstance(t, LevelDesired)]
    moves = [(t.instance, t.movement_id) for t in told if isinstance(t, MovementDesired)]
    assert levels == [(WEB, 2_000), (WEB, 1_000)]
    assert moves == [(ERP, "m1")]


def test_a_movement_is_not_sent_back_to_where_it_came_from(play):
    play.play(moved("m1", 200, 1_000, target=SHOP, by="erp", kind=MovementKind.RECEIPT))
    told = play.emitted_to("omni.outbound.inbox.v1")
    assert not [t for t in told if isinstance(t, MovementDesired)]


def test_safety_stock_is_kept_from_sale(play):
    play.play(counted("c1", 100, 3_000))
    play.play(SafetyStockSet(meta=meta("s", 200), sku=SKU, location=SHOP, safety_milli=1_000))
    play.play(SafetyStockSet(meta=meta("old", 150), sku=SKU, location=SHOP, safety_milli=9_000))
    assert level(play).ats_milli == 2_000


@dataclass(frozen=True)
class Told:
    """One thing somebody told the hub about: the naive model's input."""

    event: StockMoved | StockCounted


times = st.integers(min_value=0, max_value=9).map(lambda third: third * DAY_US // 3)
places = st.sampled_from([SHOP, DEPOT])
quantities = st.integers(min_value=0, max_value=9_000)


@st.composite
def histories(draw):
    events = []
    for number in range(draw(st.integers(min_value=1, max_value=14))):
        at_us, milli, place = draw(times), draw(quantities), draw(places)
        match draw(st.sampled_from(["sale", "receipt", "transfer", "count"])):
            case "sale":
                events.append(moved(f"m{number}", at_us, milli, source=place))
            case "receipt":
                events.append(moved(f"m{number}", at_us, milli, target=place))
            case "transfer":
                other = DEPOT if place == SHOP else SHOP
                events.append(moved(f"m{number}", at_us, milli, source=place, target=other))
            case "count":
                events.append(counted(f"c{number}", at_us, milli, at=place))
    return events


def naive_on_hand(events, place):
    """The reference: newest count plus later movements, by looking at everything."""
    counts = [e for e in events if isinstance(e, StockCounted) and e.location == place]
    newest = max(counts, key=lambda c: (c.as_of_us, c.count_id), default=None)
    total = newest.quantity_milli if newest else 0
    for event in events:
        if isinstance(event, StockMoved) and (
            newest is None or event.meta.occurred_at_us > newest.as_of_us
        ):
            total += event.quantity_milli * (event.to_location == place)
            total -= event.quantity_milli * (event.from_location == place)
    return total


def play_all(events):
    play = Rehearsal(StockRule(POLICY))
    for event in events:
        try:
            play.play(event)
        except RejectedError as refused:
            if refused.reason_code != "stale_count":
                raise
    return play


@given(histories(), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter_and_stock_is_conserved(events, random):
    told = events + random.choices(events, k=5)
    random.shuffle(told)
    play = play_all(told)
    for place in (SHOP, DEPOT):
        known = level(play, place)
        assert (known.on_hand_milli if known else 0) == naive_on_hand(events, place)


@given(histories())
def test_the_channel_pool_is_always_the_sum_over_its_locations(events):
    play = play_all(events)
    levels = [known for known in (level(play, SHOP), level(play, DEPOT)) if known]
    ats = play.rows.get(ChannelAts, f"{TENANT}:{SKU}:WEB")
    pool_milli = sum(max(0, known.on_hand_milli) for known in levels)
    assert (ats.pool_milli if ats else 0) == pool_milli
    assert (ats.ats_milli if ats else 0) == max(0, pool_milli - 1000)


@given(histories())
def test_the_same_inbox_gives_the_same_output(events):
    assert play_all(events).emitted == play_all(events).emitted
