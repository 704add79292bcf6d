"""The board of a downstream service shows what the hub's API and the ledger show."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from omnihub_demo.board_faults import board_faults
from omnihub_demo.order_samples import TRUTH, readings

STATUSES = Counter({"COMPLETED": 4, "REFUSED": 2, "PENDING": 0})


def faults(**changed: Any) -> list[str]:
    """Return what is found when all is well but for this."""
    return list(board_faults({**(readings().board or {}), **changed}, STATUSES, TRUTH))


def test_nothing_is_found_when_all_is_well() -> None:
    assert faults() == []


def test_a_board_that_shows_nothing() -> None:
    assert list(board_faults(None, STATUSES, TRUTH)) == ["the board shows nothing"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"orders": {"COMPLETED": 6}}, "the board counts {'COMPLETED': 6}"),
        ({"best_sellers": []}, "the board's best sellers are [], not [('S1', 2000)]"),
        ({"stock_outs": 1}, "the board counts 1 stock-outs, not 2"),
        ({"stock_outs": 3}, "the board counts 3 stock-outs, not 2"),
    ],
)
def test_a_figure_that_differs_is_named(changed: dict[str, Any], says: str) -> None:
    assert faults(**changed) == [says]


def test_where_the_order_of_delivery_decides_either_number_is_right() -> None:
    board, either = readings().board, replace(TRUTH, stock_outs=(2, 3))
    assert not list(board_faults(board, STATUSES, either))
    more = {**(board or {}), "stock_outs": 4}
    [fault] = board_faults(more, STATUSES, either)
    assert fault == "the board counts 4 stock-outs, not 2 to 3"
