"""An order that any system shows otherwise, a wrong mail, a wrong merge: each is found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from omnihub_demo.dealing import Channel, Household, Order, OrderLine, Orders
from omnihub_demo.order_verdict import (
    OrderReadings,
    board_faults,
    expected_mails,
    judge_orders,
    merged_wrongly,
    order_promises,
)
from omnihub_demo.shop import code_of

ANNE, BERT = Household(1, "+12125550101"), Household(2, "+12125550101")
LINE = OrderLine(1, "S1", 2, 250)
SERVED = Order("W-0001", Channel.WEB, ANNE, (LINE,), None, False, 0.1)
SHORT = Order("W-0002", Channel.WEB, BERT, (LINE,), None, True, 0.2)
ORDERS = Orders((SERVED, SHORT), hot_buyers=2)
BOARD = {
    "orders": {"COMPLETED": 2, "REFUSED": 2},
    "best_sellers": [{"sku": "S1", "sold_milli": 2000}],
}
BEST = [("S1", 2000)]
MAILS = Counter({ANNE.email: 2, BERT.email: 1})


def row(number: str, status: str, **other: Any) -> dict[str, Any]:
    """Return an order as the hub's API lists it."""
    named = {"order_id": f"o-{number}", "number": number, "source": "web"}
    return {**named, "status": status, "reason": None, "total_minor": 500, **other}


def in_shop(number: str, status: str) -> dict[str, Any]:
    """Return an order as the web store shows it."""
    items = [{"sku": code_of("S1"), "quantity": 2}]
    return {"number": number, "status": status, "total": "5.00", "line_items": items}


@pytest.fixture
def seen() -> OrderReadings:
    """Return what every system shows when all is well: one served, one refused, a last unit."""
    lines = {"lines": [{"sku": "S1", "quantity_milli": 2000}]}
    hot = row("h1", "COMPLETED", source="api", total_minor=999)
    late = row("h2", "REFUSED", source="api", total_minor=999)
    return OrderReadings(
        orders=(row("11", "COMPLETED"), row("12", "REFUSED"), hot, late),
        details={"11": lines, "12": lines},
        numbers={"11": SERVED, "12": SHORT},
        shop_orders=(in_shop("11", "completed"), in_shop("12", "cancelled")),
        erp_sales={"hub:o-11": {"total_cents": 500, "lines": Counter({("S1", 2000): 1})}},
        held_milli=0,
        mails=MAILS,
        customers_of={ANNE.email: ("c1",), BERT.email: ("c2",)},
        board=BOARD,
    )


def broken(seen: OrderReadings) -> set[str]:
    """Return the names of the promises that are not held."""
    promises = order_promises(judge_orders(seen, ORDERS, BEST), ORDERS)
    return {promise.name for promise in promises if not promise.held}


def test_all_is_well(seen: OrderReadings) -> None:
    assert not broken(seen)


@pytest.mark.parametrize(
    "wrong",
    [
        {"orders": ()},
        {"orders": (row("11", "PENDING"), row("12", "REFUSED"))},
        {"details": {}},
        {"shop_orders": ()},
        {"shop_orders": (in_shop("11", "processing"), in_shop("12", "cancelled"))},
        {"erp_sales": {}},
        {"erp_sales": {"hub:o-11": {"total_cents": 499, "lines": Counter({("S1", 2000): 1})}}},
        {"numbers": {"11": SERVED}},
    ],
)
def test_an_order_shown_otherwise_is_found(seen: OrderReadings, wrong: Mapping[str, Any]) -> None:
    assert "one-order" in broken(replace(seen, **wrong))


def test_a_last_unit_sold_twice_is_found(seen: OrderReadings) -> None:
    again = row("h2", "COMPLETED", source="api")
    assert "sold-once" in broken(replace(seen, orders=(*seen.orders[:-1], again)))


def test_a_hold_that_nobody_needs_is_found(seen: OrderReadings) -> None:
    assert "no-leak" in broken(replace(seen, held_milli=1000))


@pytest.mark.parametrize("mails", [MAILS - Counter([ANNE.email]), MAILS + Counter(["x@a.test"])])
def test_a_missing_or_foreign_mail_is_found(seen: OrderReadings, mails: Counter[str]) -> None:
    assert "mails" in broken(replace(seen, mails=mails))


@pytest.mark.parametrize("found", [(), ("c1", "c3")])
def test_a_household_that_is_not_one_customer_is_found(
    seen: OrderReadings, found: tuple[str, ...]
) -> None:
    known = {**seen.customers_of, ANNE.email: found}
    assert "one-person" in broken(replace(seen, customers_of=known))


def test_two_households_in_one_customer_are_found(seen: OrderReadings) -> None:
    known = {ANNE.email: ("c1",), BERT.email: ("c1",)}
    assert merged_wrongly(known) == 1
    assert "one-person" in broken(replace(seen, customers_of=known))


def test_a_refused_order_is_told_once_a_served_one_twice() -> None:
    assert expected_mails(ORDERS) == MAILS


@pytest.mark.parametrize("board", [None, {**BOARD, "orders": {}}, {**BOARD, "best_sellers": []}])
def test_a_board_that_differs_is_found(
    seen: OrderReadings, board: Mapping[str, Any] | None
) -> None:
    told = Counter(order["status"] for order in seen.orders)
    assert list(board_faults(replace(seen, board=board), told, BEST))
