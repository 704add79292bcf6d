"""Places and orders in the configuration: what is accepted, and what every fault says."""

from pathlib import Path

import pytest

from omnihub.model.errors import ConfigurationError
from omnihub.settings import load_text
from omnihub.settings.places import spans_of

FILE = Path("/etc/hub/omnihub.yaml")
SHOP = "channels: {web: {locations: [W1, S1]}}\n"
PLACES = "locations: {W1: {}, S1: {}}\n"


def settings_of(text):
    return load_text(text, FILE, {}).settings


def fault(text):
    with pytest.raises(ConfigurationError) as caught:
        settings_of(text)
    return str(caught.value)


def test_orders_are_held_a_quarter_of_an_hour_unless_told_otherwise():
    orders = settings_of("").orders
    assert (orders.hold_s, orders.payment_s, orders.sources) == (900, 900, {})


def test_everything_an_order_needs_is_read():
    settings = settings_of(
        SHOP
        + """
locations:
  W1: {kind: warehouse, services: [ship]}
  S1: {lat: 39.1, lon: -84.5, tz: America/New_York, pickup_sla_min: 45,
       services: [pickup], opening_hours: {mon: "08:00-12:00,13:00-24:00"}}
orders: {hold_s: 600, payment_s: 300, sources: {web: [W1, S1]}}
connectors:
  shop: {type: x, orders: {channel: web, status: true}, messages: {channel: email}}
  erp: {type: y, sales: {locations: [W1]}, totals: {channels: [web]}}
"""
    )
    assert settings.orders.sources == {"web": ("W1", "S1")}
    assert settings.locations["S1"].opening_hours == {"mon": "08:00-12:00,13:00-24:00"}
    assert settings.connectors["shop"].orders is not None
    assert settings.connectors["shop"].orders.status


def test_opening_hours_are_minutes_of_the_day():
    assert spans_of("08:00-12:00,13:30-24:00") == ((480, 720), (810, 1440))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            SHOP + "orders: {sources: {phone: [W1]}}",
            ["orders.sources.phone is 'phone'", "no such channel", "channels has web", "Add it"],
        ),
        (
            SHOP + "orders: {sources: {web: [W9]}}",
            ["orders.sources.web has 'W9'", "does not sell from there", "channels.web.locations"],
        ),
        (
            SHOP + "connectors: {shop: {type: x, orders: {channel: app}}}",
            ["connectors.shop.orders.channel is 'app'", "no such channel"],
        ),
        (
            SHOP + "connectors: {erp: {type: x, totals: {channels: [web, app]}}}",
            ["connectors.erp.totals.channels is 'app'", "no such channel"],
        ),
        (
            SHOP + PLACES + "connectors: {erp: {type: x, sales: {locations: [W9]}}}",
            ["connectors.erp.sales.locations is 'W9'", "no such location", "locations has S1, W1"],
        ),
        (
            SHOP + PLACES + "connectors: {erp: {type: x, movements: {locations: [W9]}}}",
            ["connectors.erp.movements.locations is 'W9'"],
        ),
        (SHOP + "locations: {W1: {}}", ["channels.web.locations is 'S1'", "no such location"]),
        (PLACES + "safety: {locations: {W9: 1}}", ["safety.locations is 'W9'"]),
        ("locations: {S1: {tz: Mars/Base}}", ["locations.S1.tz is 'Mars/Base'", "line 1", "IANA"]),
        ("locations: {S1: {lat: 91, lon: 0}}", ["locations.S1.lat is '91'"]),
        ("locations: {S1: {lat: 9}}", ["locations.S1", "lat and lon come together"]),
        (
            "locations: {S1: {opening_hours: {mon: '20:00-08:00'}}}",
            ["locations.S1.opening_hours.mon is '20:00-08:00'", "end at 24:00"],
        ),
        ("locations: {S1: {opening_hours: {monday: '08:00-20:00'}}}", ["opening_hours.monday"]),
        ("locations: {S1: {opening_hours: {mon: 8-20}}}", ["opening_hours.mon is '8-20'"]),
        ("locations: {S1: {services: [sell]}}", ["locations.S1.services", "'sell'", "pickup"]),
        ("orders: {hold_s: 60}", ["hold_s (60) is shorter than payment_s (900)", "Raise hold_s"]),
        ("orders: {hold: 60}", ["orders.hold", "Did you mean 'hold_s'?"]),
    ],
)
def test_a_fault_names_path_value_and_cure(text, told):
    line = fault(text)
    for part in told:
        assert part in line


def test_all_dangling_references_are_told_at_once():
    lines = fault(
        "channels: {web: {locations: [A, B]}}\nlocations: {C: {}}\norders: {sources: {app: [C]}}"
    ).splitlines()
    assert len(lines) == 3
    assert all(line.endswith(".") for line in lines)


def test_without_a_section_of_locations_any_code_is_one():
    settings_of(SHOP + "safety: {locations: {W9: 1}}")
