"""What an open order waits for, in words for people.

Guarantees: names who must do something next; never empty for an open order; holds nothing personal.
"""

from collections.abc import Sequence

from omnihub.model.records import Fulfilment, FulfilmentStatus, LineStatus, Order
from omnihub.rules.fulfilments import GIVEN_UP, LEFT
from omnihub.rules.order_lines import HANDED_OVER


def waiting_on(order: Order, fulfilments: Sequence[Fulfilment], *, is_paid: bool) -> str:
    """Return what an open order waits for now."""
    waiting = _count(order, LineStatus.WAITING)
    if waiting:
        return f"stock: to hold {waiting} of {len(order.lines)} lines"
    if not fulfilments:
        return "stock: the last word on its lines" if is_paid else "payment"
    here = [each for each in fulfilments if each.status not in LEFT | GIVEN_UP]
    return "; ".join(map(_step, here)) or "stock: to book the goods that left"


def _count(order: Order, status: LineStatus) -> int:
    return sum(line.status is status for line in order.lines)


def _step(known: Fulfilment) -> str:
    if known.status is FulfilmentStatus.READY_FOR_PICKUP:
        return f"{known.location}: the buyer to collect"
    task = "have it ready" if known.fulfilment in HANDED_OVER else "ship"
    return f"{known.location}: to {task}"
