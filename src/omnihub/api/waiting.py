"""Waiting for an order's decision (`Prefer: wait=N`, RFC 7240).

Guarantees: a decision told by the log after the wait began is not missed, and one that the views
know already is found. Does not: wait longer than asked; the order goes on without its waiter.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from types import TracebackType

from omnihub.api.feed import Change, ChangeFeed, Wanted
from omnihub.broker.ports import Offsets
from omnihub.model.ids import OrderId
from omnihub.model.records import Order, OrderStatus
from omnihub.views.orders import OrderViews

MOST_S = 30.0
OPEN = frozenset({OrderStatus.UNKNOWN, OrderStatus.PENDING, OrderStatus.ON_HOLD})
ORDER_STATE = "omni.order.state.v1"
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*([0-9]{1,5})\s*(?=$|[,;])", re.IGNORECASE)


def wait_s_of(prefer: str) -> float | None:
    """Return how long a `Prefer` header wants to wait, at most 30 s; None when it does not."""
    match = _WAIT.search(prefer)
    return min(float(match[1]), MOST_S) if match else None


class Decision:
    """What is decided about one order from the moment this is entered."""

    def __init__(self, feed: ChangeFeed, views: OrderViews, order_id: OrderId) -> None:
        wanted = Wanted((ORDER_STATE,), {"order_id": order_id})
        self._changes: AsyncIterator[tuple[Offsets, Change | None]]
        self._changes = feed.changes(wanted, None, MOST_S)
        self._views = views
        self._order_id = order_id

    async def __aenter__(self) -> "Decision":
        # The first item says that the feed listens for this waiter from now on.
        await anext(self._changes)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._changes.aclose()  # type: ignore[attr-defined]  # an async generator

    async def within(self, wait_s: float) -> Order | None:
        """Return the order when it is decided, None when it is not after `wait_s`."""
        known = await asyncio.to_thread(self._views.find, self._order_id)
        if known is not None and known.status not in OPEN:
            return known
        try:
            async with asyncio.timeout(wait_s):
                async for _, change in self._changes:
                    order = change[1] if change else None
                    if isinstance(order, Order) and order.status not in OPEN:
                        return order
        except TimeoutError:
            pass
        return None
