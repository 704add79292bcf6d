"""Every order is looked for in every system, and every system for what nobody ordered."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from omnihub_demo.order_faults import order_faults
from omnihub_demo.order_readings import Lines
from omnihub_demo.order_samples import (
    APP_KEY,
    LAST_UNIT,
    ORDERS,
    PHONE_KEY,
    PLACED,
    ROWS,
    SOLD,
    TAKEN,
    TOO_LATE,
    WEB_KEY,
    in_shop,
    readings,
    row,
    sale,
    total,
)
from omnihub_demo.placed import OrderKey

CALLED_SALE = sale(number="11")


def faults(**wrong: Any) -> list[str]:
    """Return what is found when all is well but for `wrong`."""
    return list(order_faults(replace(readings(), **wrong), ORDERS))


def rows(key: OrderKey, **changed: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the hub's rows, one of them changed."""
    of_buyers = (each | changed if each["number"] == key.number else each for each in ROWS)
    return (*of_buyers, TAKEN, TOO_LATE)


def test_nothing_is_found_when_all_is_well() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"status": "PENDING"}, "hub: A-0003 is PENDING (None), not COMPLETED"),
        ({"total_minor": 499}, "hub: A-0003 costs 499, not 500"),
    ],
)
def test_an_order_that_the_hub_shows_otherwise(changed: dict[str, Any], says: str) -> None:
    assert faults(orders=rows(APP_KEY, **changed)) == [says]


def test_an_order_that_the_hub_lost() -> None:
    without = (*(each for each in ROWS if each["source"] != "app"), TAKEN, TOO_LATE)
    assert faults(orders=without) == ["hub: A-0003 (A-0003 of app) is there 0 times"]


def test_an_order_that_the_hub_has_twice() -> None:
    twice = (*ROWS, row(APP_KEY, "COMPLETED", order_id="again"), TAKEN, TOO_LATE)
    assert faults(orders=twice) == ["hub: A-0003 (A-0003 of app) is there 2 times"]


def test_an_order_with_other_lines() -> None:
    details = dict(readings().details) | {APP_KEY: {"lines": []}}
    assert faults(details=details) == ["hub: A-0003 has other lines"]


def test_an_order_that_nobody_placed() -> None:
    stray = row(OrderKey("web", "13"), "REFUSED")
    assert faults(orders=(*readings().orders, stray)) == ["hub: 13 of web was placed by nobody"]


def test_an_order_that_was_never_placed() -> None:
    placed = {key: each for key, each in PLACED.items() if key != APP_KEY}
    found = faults(placed=placed)
    assert found == ["A-0003 was never placed", "hub: A-0003 of app was placed by nobody"]


def test_a_web_order_and_a_phone_order_of_one_number_are_two() -> None:
    """Both are number 11: told under the other's channel, neither is where it should be."""
    assert WEB_KEY.number == PHONE_KEY.number
    as_web = (*(each | {"source": "web"} if each["source"] == "erp" else each for each in ROWS),)
    found = faults(orders=(*as_web, TAKEN, TOO_LATE))
    assert "hub: E-0004 (11 of erp) is there 0 times" in found
    assert "hub: W-0001 (11 of web) is there 2 times" in found


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (None, "web: W-0001 is missing"),
        (in_shop("11", "processing"), "web: W-0001 is processing, not completed"),
        (in_shop("11", "completed", total="4.99"), "web: W-0001 costs 4.99"),
        (in_shop("11", "completed", line_items=[]), "web: W-0001 has other lines"),
    ],
)
def test_an_order_that_the_web_store_shows_otherwise(
    shown: dict[str, Any] | None, says: str
) -> None:
    others = [in_shop("12", "cancelled")]
    assert faults(shop_orders=(*([shown] if shown else []), *others)) == [says]


@pytest.mark.parametrize(
    ("sales", "says"),
    [
        ((CALLED_SALE, LAST_UNIT), "erp: W-0001 is there 0 times"),
        ((SOLD, SOLD, CALLED_SALE, LAST_UNIT), "erp: W-0001 is there 2 times"),
        (
            (sale("hub:o-web-11", cents=499), CALLED_SALE, LAST_UNIT),
            "erp: W-0001 has other lines or another total",
        ),
        (
            (sale("hub:o-web-11", lines=Lines()), CALLED_SALE, LAST_UNIT),
            "erp: W-0001 has other lines or another total",
        ),
        ((SOLD, LAST_UNIT), "erp: E-0004 is there 0 times"),
        (
            (SOLD, CALLED_SALE, LAST_UNIT, sale("hub:o-web-12")),
            "erp: W-0002 is a sale, but it was refused",
        ),
        (
            (SOLD, CALLED_SALE, LAST_UNIT, sale("hub:o-app-A-0003")),
            "erp: A-0003 is a sale, but only its day's total should be",
        ),
        (
            (SOLD, CALLED_SALE, LAST_UNIT, sale("hub:o-erp-11")),
            "erp: the sale hub:o-erp-11 belongs to no order",
        ),
        ((SOLD, CALLED_SALE), "erp: the last unit is there 0 times"),
        (
            (SOLD, CALLED_SALE, LAST_UNIT, sale("hub:o-api-h2")),
            "erp: an order for the last unit is a sale, but it was refused",
        ),
        (
            (SOLD, CALLED_SALE, LAST_UNIT, sale("hub:o-gone")),
            "erp: the sale hub:o-gone belongs to no order",
        ),
    ],
)
def test_a_sale_that_the_erp_shows_otherwise(sales: tuple[Any, ...], says: str) -> None:
    assert faults(sales=(*sales, total())) == [says]
