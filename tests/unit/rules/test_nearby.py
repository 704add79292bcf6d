"""Stores near a point with the goods, ready within the hour."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.model.ids import LocationId, Sku
from omnihub.model.time import MINUTE_US, to_us
from omnihub.rules.nearby import StoreOffer, distance_m, nearby_stores
from omnihub.rules.places import StoreLocation, ready_at_us

NEW_YORK = "America/New_York"
ROME, PARIS = (41.9028, 12.4964), (48.8566, 2.3522)
APPLE, PEAR = Sku("apple"), Sku("pear")
DAY = ((8 * 60, 20 * 60),)
WEEKDAYS = (DAY, DAY, DAY, DAY, DAY, (), ())
HERE = (39.10, -84.51)


def at(text, zone=NEW_YORK):
    return to_us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def store(name="S1", lat=39.11, lon=-84.51, opening=WEEKDAYS, sla_min=45, services=("pickup",)):
    return StoreLocation(
        location=LocationId(name), tz=NEW_YORK, lat=lat, lon=lon, opening=opening,
        pickup_sla_us=sla_min * MINUTE_US, services=frozenset(services),
    )  # fmt: skip


def asked(stores, now_us, wanted=None, ats=None, limit=5):
    wanted = wanted or {APPLE: 1000}
    ats = ats or {(APPLE, each.location): 1000 for each in stores}
    return nearby_stores(HERE, wanted, ats, {each.location: each for each in stores}, now_us, limit)


NOON = at("2026-11-23T12:00")  # A Monday.


def test_an_open_store_is_ready_after_its_own_time():
    assert asked([store()], NOON) == [StoreOffer("S1", 1112, NOON + 45 * MINUTE_US)]


def test_the_nearest_comes_first_and_no_more_than_asked_for():
    stores = [store("far", lat=40), store("b"), store("a"), store("near", lat=39.101)]
    assert [each.location for each in asked(stores, NOON)] == ["near", "a", "b", "far"]
    assert [each.location for each in asked(stores, NOON, limit=2)] == ["near", "a"]


@pytest.mark.parametrize(
    ("wanted", "ats", "offered"),
    [
        ({APPLE: 1000}, {(APPLE, "S1"): 999}, False),
        ({APPLE: 1000, PEAR: 1000}, {(APPLE, "S1"): 1000}, False),
        ({APPLE: 1000, PEAR: 1000}, {(APPLE, "S1"): 1000, (PEAR, "S1"): 1000}, True),
        ({APPLE: 1000}, {(APPLE, "S2"): 1000}, False),
    ],
)
def test_a_store_needs_all_the_goods(wanted, ats, offered):
    assert bool(asked([store()], NOON, wanted, ats)) == offered


@pytest.mark.parametrize(
    "unfit",
    [
        store(services=("ship",)),
        store(lat=None, lon=None),
        store(sla_min=61),
        store(opening=((),) * 7),
    ],
)
def test_a_store_that_cannot_do_it_within_the_hour_is_left_out(unfit):
    assert asked([unfit], NOON) == []


@pytest.mark.parametrize(
    ("now", "ready"),
    [
        ("2026-11-23T12:00", "2026-11-23T12:45"),
        ("2026-11-23T07:50", "2026-11-23T08:45"),
        ("2026-11-23T19:15", "2026-11-23T20:00"),
        ("2026-11-23T19:16", "2026-11-24T08:45"),
        ("2026-11-27T23:00", "2026-11-30T08:45"),
        ("2026-10-30T21:00", "2026-11-02T08:45"),  # The clock went back on Sunday.
    ],
)
def test_work_goes_on_while_the_store_is_open(now, ready):
    assert ready_at_us(store(), at(now)) == at(ready)


def test_a_lunch_break_is_not_worked_through():
    week = (((8 * 60, 12 * 60), (13 * 60, 24 * 60)),) * 7
    assert ready_at_us(store(opening=week), at("2026-11-23T11:30")) == at("2026-11-23T13:45")
    assert ready_at_us(store(opening=week), at("2026-11-23T23:15")) == at("2026-11-24T00:00")


def test_a_place_without_hours_works_around_the_clock():
    assert ready_at_us(store(opening=None), NOON) == NOON + 45 * MINUTE_US


def test_a_place_that_never_opens_is_never_ready():
    assert ready_at_us(store(opening=((),) * 7), NOON) is None
    assert ready_at_us(store(sla_min=13 * 60), NOON) is None


def test_distances_are_those_of_a_globe():
    assert distance_m(ROME, PARIS) == pytest.approx(1_105_300, rel=0.002)
    assert distance_m((0, 179.9), (0, -179.9)) == pytest.approx(22_239, rel=0.001)
    assert distance_m((90, 0), (-90, 0)) == pytest.approx(20_015_115, rel=0.001)


places = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(places, places)
def test_a_distance_is_the_same_both_ways_and_never_more_than_half_the_globe(here, there):
    assert distance_m(here, there) == pytest.approx(distance_m(there, here), abs=1)
    assert 0 <= distance_m(here, there) <= 20_015_116


@given(st.integers(0, 365 * 24 * 60))
def test_a_promise_lies_in_opening_hours_and_after_now(minute):
    now_us = to_us(datetime(2026, 1, 1, tzinfo=UTC)) + minute * MINUTE_US
    ready_us = ready_at_us(store(), now_us)
    assert ready_us is not None
    assert ready_us >= now_us + 45 * MINUTE_US
    wall = datetime.fromtimestamp(ready_us / 1e6, ZoneInfo(NEW_YORK))
    assert wall.weekday() < 5
    assert 8 * 60 + 45 <= wall.hour * 60 + wall.minute <= 20 * 60
