"""Replays: what was misread is found, reversed and told right; once, and beside live news."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from replay_world import DIARY, T0_US, Reading, World, count, product, sale

from omnihub.connect.errors import BadDelivery
from omnihub.connect.replaying import Change
from omnihub.model.records import (
    MovementDesired,
    MovementKind,
    OriginKind,
    Rejected,
    StockMoved,
)

WRONG, RIGHT = Reading(revision=1, factor=10), Reading(revision=2)


@pytest.fixture
def world(understanding, diary_raw):
    made = World(understanding, diary_raw, WRONG)
    made.tell(sale("s1", 2), sale("s2", 3), sale("s3", 1, "pear"))
    return made


def test_the_shadow_tells_field_by_field_what_today_reads_otherwise(world):
    found = world.differences(RIGHT)
    assert [(each.part, each.change) for each in found] == [
        ("s1", Change.CHANGED),
        ("s2", Change.CHANGED),
        ("s3", Change.CHANGED),
    ]
    (change,) = found[0].fields
    assert (change.path, change.old, change.new) == ("StockMoved.quantity_milli", "20000", "2000")


def test_nothing_differs_when_todays_code_reads_what_was_told(world):
    assert world.differences(WRONG) == []
    assert world.shadow(WRONG).deliveries == 1
    assert world.shadow(WRONG).entities == 3


def test_after_the_replay_stock_is_what_the_newer_mapping_alone_would_have_given(world):
    assert world.on_hand("apple") == -50
    world.release(RIGHT)
    world.replay()
    assert world.on_hand("apple") == -5
    assert world.on_hand("pear") == -1
    assert world.rejected() == []


def test_the_same_replay_asked_twice_counts_once(world):
    world.release(RIGHT)
    asked = world.replay()
    levels = world.driver.state("omni.stock.state.v1")
    world.ask(asked)
    assert world.driver.state("omni.stock.state.v1") == levels
    assert world.rejected() == ["stale_correction"] * 3
    assert world.differences() == []


def test_what_was_wrong_is_reversed_and_told_anew_with_its_origin(world):
    world.release(RIGHT)
    world.replay("r1")
    told = [e for e in world.driver.records("omni.stock.event.v1", StockMoved) if e.meta.origin]
    assert {e.meta.origin.kind for e in told} == {OriginKind.REPLAY}
    assert {e.meta.origin.replay_id for e in told} == {"r1"}
    undone = [e for e in told if e.kind is MovementKind.VOID]
    assert sorted(e.quantity_milli for e in undone) == [10_000, 20_000, 30_000]
    assert {(e.from_location, e.to_location) for e in undone} == {(None, "shop")}
    ids = [e.movement_id for e in world.driver.records("omni.stock.event.v1", StockMoved)]
    assert len(ids) == len(set(ids)) == 9


def test_books_elsewhere_learn_of_each_correction(world):
    world.release(RIGHT)
    world.replay()
    told = world.driver.records("omni.outbound.inbox.v1", MovementDesired)
    sold = sum(e.quantity_milli * (1 if e.from_location else -1) for e in told)
    assert sold == 6_000


def test_goods_leave_before_they_come_back_so_that_nothing_is_promised_in_between(world):
    world.release(RIGHT)
    before = len(world.driver.records("omni.stock.state.v1", object))
    world.replay()
    levels = world.driver.records("omni.stock.state.v1", object)[before:]
    assert max(e.on_hand_milli for e in levels if e.sku == "apple") <= -5_000


def test_a_later_telling_of_the_corrected_fact_is_a_duplicate(world):
    world.release(RIGHT)
    world.replay()
    world.tell(sale("s1", 2))
    assert world.on_hand("apple") == -5
    assert world.rejected() == []


def test_live_news_between_the_comparison_and_the_correction_keep_their_effect(world):
    found = world.differences(RIGHT)
    world.release(RIGHT)
    world.tell(sale("s4", 1), sale("s1", 2))
    world.replay(differences=found)
    assert world.on_hand("apple") == -6


def test_a_worker_with_older_code_refuses_what_it_reads_otherwise(world):
    world.replay(how=RIGHT)
    assert world.on_hand("apple") == -50
    assert world.rejected() == ["other_reading"] * 3
    (one, *_) = world.driver.records("omni.rejected.v1", Rejected)
    assert one.meta.origin.replay_id == "r1"


def test_back_and_forth_ends_where_the_last_mapping_would(world):
    for number, how in enumerate((RIGHT, Reading(3, 10), Reading(4, 1), Reading(5, 7)), start=1):
        world.release(how)
        world.replay(f"r{number}")
        assert world.on_hand("apple") == -5 * how.factor
        assert world.differences() == []


def test_what_was_overlooked_is_told_as_any_telling_would(understanding, diary_raw):
    world = World(understanding, diary_raw, Reading(skips=("s1",)))
    world.tell(sale("s1", 2), sale("s2", 1))
    world.release(RIGHT)
    (found,) = world.differences()
    assert found.change is Change.NEW
    world.replay()
    assert world.on_hand("apple") == -3
    assert "diary:s1" in str(world.driver.records("omni.stock.event.v1", StockMoved))


def test_what_should_never_have_been_told_is_taken_back_and_may_come_again(world):
    world.release(Reading(revision=2, factor=10, skips=("s1",)))
    (found,) = world.differences()
    assert (found.part, found.change) == ("s1", Change.GONE)
    world.replay("r1")
    assert world.on_hand("apple") == -30
    world.release(Reading(revision=3, factor=10))
    world.replay("r2")
    assert world.on_hand("apple") == -50


def test_counts_take_each_others_place_and_keep_the_movements_after_them(understanding, diary_raw):
    world = World(understanding, diary_raw, WRONG)
    world.tell(count("c1", 7), sale("s1", 2, at=T0_US + 1))
    assert world.on_hand("apple") == 50
    world.release(RIGHT)
    world.replay()
    assert world.on_hand("apple") == 5
    assert world.rejected() == []


def test_what_has_no_opposite_is_listed_with_its_reason_and_left_alone(understanding, diary_raw):
    world = World(understanding, diary_raw, WRONG)
    world.tell(count("c1", 7))
    world.release(Reading(revision=2, skips=("c1",)))
    (found,) = world.differences()
    assert (found.change, found.refusal) == (Change.GONE, "a count has no opposite: count again")
    assert world.replay() == []
    assert world.on_hand("apple") == 70


def test_what_the_log_no_longer_holds_cannot_be_taken_back(world):
    (first, *_) = world.shadow(RIGHT).differences({})
    assert first.refusal == "what was told of it is no longer in the log"


def test_a_state_is_told_again_and_wins_over_what_it_corrects(understanding, diary_raw):
    world = World(understanding, diary_raw, Reading())
    world.tell(product("apple", v=3))
    world.release(Reading(revision=2, shouts=True))
    (found,) = world.differences()
    assert (found.part, found.change) == ("product", Change.CHANGED)
    asked = world.replay()
    assert world.titles() == {"7": "APPLE"}
    world.ask(asked)
    assert world.rejected() == ["stale_correction"]
    assert world.differences() == []
    world.tell(product("pear", v=4))
    assert world.titles() == {"7": "PEAR"}


def test_a_state_that_went_on_since_is_not_turned_back(understanding, diary_raw):
    world = World(understanding, diary_raw, Reading())
    world.tell(product("apple", v=3))
    world.release(Reading(revision=2, shouts=True))
    found = world.differences()
    world.tell(product("pear", v=4))
    world.replay(differences=found)
    assert world.titles() == {"7": "PEAR"}
    assert world.rejected() == ["stale_correction"]


def test_what_today_cannot_read_is_listed_and_nothing_of_it_taken_back(world):
    def broken(entity, refs):
        raise BadDelivery("no", cure="mend it")

    world.instances[DIARY].mapping.translate = broken
    shadow = world.shadow()
    assert [each.why for each in shadow.unread] == ["no"] * 3
    assert world.differences() == []


def test_one_entity_or_one_instance_can_be_chosen(world):
    assert [e.part for e in world.differences(RIGHT, entity="sale:s2")] == ["s2"]
    assert world.differences(RIGHT, instance="other") == []
    assert world.differences(RIGHT, to_us=T0_US) == []


def test_two_contents_of_one_fact_are_not_chosen_from(world):
    world.tell(sale("s1", 9))
    found = {each.part: each.refusal for each in world.differences(RIGHT)}
    assert found["s1"] == "it was told with different contents: choose one at its source"
    assert found["s2"] is None


@given(
    quantities=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    factors=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    live=st.lists(st.integers(0, 9), max_size=2),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_was_misread_ends_as_if_read_right(
    quantities, factors, live, understanding, diary_raw
):
    world = World(understanding, diary_raw, Reading(factor=3))
    world.tell(count("c", 100), *(sale(f"s{n}", q, at=T0_US + 1) for n, q in enumerate(quantities)))
    for number, factor in enumerate(factors, start=2):
        world.release(Reading(number, factor))
        found = world.differences()
        extra = [sale(f"l{number}-{n}", q, at=T0_US + 2) for n, q in enumerate(live)]
        world.tell(*extra)
        world.replay(f"r{number}", differences=found)
    plain = World(understanding, diary_raw, Reading(9, factors[-1]))
    for delivery in world.driver.records("omni.raw.diary.v1", object):
        plain.driver.append("omni.raw.diary.v1", delivery)
    plain.driver.run()
    # Live news were read by the code of their day: let the last one read them all.
    world.replay("r9")
    assert world.on_hand("apple") == plain.on_hand("apple")


def test_a_correction_waits_behind_what_is_parked_of_its_entity(world):
    mapping = world.instances[DIARY].mapping
    right, world.instances[DIARY].mapping.translate = mapping.translate, None
    world.tell(sale("s1", 2))
    mapping.translate = right
    found = world.differences(RIGHT)
    world.release(RIGHT)
    world.replay(differences=found)
    assert world.on_hand("apple") == -20 - 3, "s2 is corrected, s1 waits"
    parked = world.driver.state("omni.hospital.state.v1").values()
    assert [each.record_type for each in parked] == ["SourceEntity", "CorrectEntity"]
