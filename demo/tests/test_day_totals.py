"""What the ERP does not hold as sales it holds as one total per channel, business day, currency."""

from dataclasses import replace

import pytest
from omnihub_demo.day_totals import becomes_sale, expected_totals, total_faults
from omnihub_demo.dealing import Channel
from omnihub_demo.order_readings import Sale
from omnihub_demo.order_samples import (
    ANNE,
    APP_KEY,
    CALLED,
    COLLECTED,
    ERP_STORE,
    LATE_US,
    PLACED,
    SHIPPED,
    SHORT,
    SOLD,
    TILL_STORE,
    TOTAL,
    sale,
    total,
)
from omnihub_demo.placed import OrderKey, Placed

NEW_YORK = "America/New_York"
HOUR_US = 3_600_000_000
TOMORROW = "APP:20780:USD"


def test_what_leaves_from_the_erp_s_places_or_was_typed_in_there_is_a_sale() -> None:
    assert becomes_sale(SHIPPED)
    assert becomes_sale(CALLED)
    assert becomes_sale(replace(COLLECTED, place=ERP_STORE))
    assert becomes_sale(replace(CALLED, place=TILL_STORE))
    assert not becomes_sale(COLLECTED)


def test_a_refused_order_is_neither_a_sale_nor_in_a_total() -> None:
    assert not becomes_sale(SHORT)
    refused = replace(COLLECTED, is_refused=True)
    assert not expected_totals({APP_KEY: Placed(refused, LATE_US)}, NEW_YORK)


def test_only_what_was_collected_at_the_tills_is_in_a_total() -> None:
    assert expected_totals(PLACED, NEW_YORK) == {TOTAL: 500}


def test_orders_of_a_day_add_up_and_midnight_parts_them() -> None:
    placed = {
        OrderKey("app", str(number)): Placed(COLLECTED, LATE_US + number * HOUR_US // 4)
        for number in range(4)  # 23:30, 23:45, 0:00, 0:15
    }
    assert expected_totals(placed, NEW_YORK) == {TOTAL: 1000, TOMORROW: 1000}


def test_the_day_is_that_of_the_warehouse_and_not_of_utc() -> None:
    assert expected_totals(PLACED, "UTC") == {TOMORROW: 500}


def test_each_channel_has_its_own_total() -> None:
    by_web = replace(COLLECTED, channel=Channel.WEB, household=ANNE)
    placed = {**PLACED, OrderKey("web", "13"): Placed(by_web, LATE_US)}
    assert expected_totals(placed, NEW_YORK) == {TOTAL: 500, "WEB:20779:USD": 500}


def test_sales_are_no_totals() -> None:
    assert not list(total_faults((SOLD, sale(number="11"), total()), {TOTAL: 500}))


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ((), "erp: the total of APP on 2026-11-22 in USD is there 0 times"),
        ((total(), total()), "erp: the total of APP on 2026-11-22 in USD is there 2 times"),
        ((total(cents=499),), "erp: the total of APP on 2026-11-22 in USD is 499, not 500"),
        (
            (total(state="confirmed"),),
            "erp: the total of APP on 2026-11-22 in USD is 'confirmed', not open",
        ),
        (
            (total(), total(TOMORROW)),
            "erp: the total of APP on 2026-11-23 in USD is of no order",
        ),
        (
            (total(), total("WEB:20779:USD")),
            "erp: the total of WEB on 2026-11-22 in USD is of no order",
        ),
    ],
)
def test_a_total_that_is_wrong_is_named(held: tuple[Sale, ...], says: str) -> None:
    assert list(total_faults(held, {TOTAL: 500})) == [says]
