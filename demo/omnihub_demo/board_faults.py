"""Compares the downstream board with the hub's API and with the ledger. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHOWN = 3
BEST_SELLERS = 10


@dataclass(frozen=True, slots=True)
class BoardTruth:
    """What the board must show, from the ledger: sold most (SKU, thousandths), and sold out."""

    best_sellers: Sequence[tuple[str, int]]
    stock_outs: tuple[int, int]
    """Least and most (see `stock_outs`)."""


def board_faults(
    board: Mapping[str, Any] | None, statuses: Counter[str], truth: BoardTruth
) -> Iterator[str]:
    """Yield what the board shows otherwise; `statuses` counts the orders of the hub's API."""
    if board is None:
        yield "the board shows nothing"
        return
    shown = {status: count for status, count in board["orders"].items() if count}
    if shown != {status: count for status, count in statuses.items() if count}:
        yield f"the board counts {shown}"
    sold = [(row["sku"], row["sold_milli"]) for row in board["best_sellers"]]
    best = list(truth.best_sellers)
    if sold != best:
        yield f"the board's best sellers are {sold[:SHOWN]}, not {best[:SHOWN]}"
    least, most = truth.stock_outs
    if not least <= board["stock_outs"] <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        yield f"the board counts {board['stock_outs']} stock-outs, not {wanted}"
