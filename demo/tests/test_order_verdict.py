"""Each promise about orders and buyers breaks when what it rests on is shown otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from omnihub_demo.order_readings import OrderReadings
from omnihub_demo.order_samples import (
    CUSTOMERS,
    IN_WEB_AND_APP,
    MAILS,
    OF_BERT,
    ORDERS,
    ROWS,
    TAKEN,
    TOO_LATE,
    TRUTH,
    readings,
    total,
)
from omnihub_demo.order_verdict import judge_orders, order_promises


def broken(seen: OrderReadings) -> set[str]:
    """Return the names of the promises that are not held."""
    promises = order_promises(judge_orders(seen, ORDERS, TRUTH), ORDERS)
    return {promise.name for promise in promises if not promise.held}


def with_totals(*totals: Any) -> tuple[Any, ...]:
    """Return the ERP's sales with other totals."""
    kept = (each for each in readings().sales if "total" not in each.reference)
    return (*kept, *totals)


def test_a_perfect_world_breaks_nothing() -> None:
    assert broken(readings()) == set()


def test_the_figures_of_the_report_are_counted() -> None:
    verdict = judge_orders(readings(), ORDERS, TRUTH)
    assert (verdict.confirmed, verdict.refused, verdict.still_open) == (4, 2, 0)
    assert (verdict.mails_sent, verdict.mails_expected) == (5, 5)
    assert (verdict.in_app, verdict.customers, verdict.day_totals) == (1, 3, 1)
    assert (verdict.hot_buyers, verdict.hot_held) == (2, 1)


@pytest.mark.parametrize(
    ("promise", "wrong"),
    [
        ("one-order", {"details": {}}),
        ("one-order", {"shop_orders": ()}),
        ("day-totals", {"sales": with_totals()}),
        ("day-totals", {"sales": with_totals(total(cents=1))}),
        ("no-leak", {"held_milli": 1000}),
        ("mails", {"mails": MAILS + MAILS}),
        ("one-person", {"customers": {**CUSTOMERS, OF_BERT: ()}}),
        ("one-person", {"customers": {**CUSTOMERS, OF_BERT: (IN_WEB_AND_APP,)}}),
        ("board", {"board": None}),
    ],
)
def test_a_wrong_reading_breaks_its_promise_alone(promise: str, wrong: Mapping[str, Any]) -> None:
    assert broken(replace(readings(), **wrong)) == {promise}


def test_an_order_that_is_still_open_is_not_one_order() -> None:
    orders = (ROWS[0] | {"status": "PENDING"}, *ROWS[1:], TAKEN, TOO_LATE)
    assert "one-order" in broken(replace(readings(), orders=orders))


def test_a_last_unit_sold_twice_is_found() -> None:
    again = TOO_LATE | {"status": "COMPLETED"}
    assert "sold-once" in broken(replace(readings(), orders=(*ROWS, TAKEN, again)))
