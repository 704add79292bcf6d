"""Judges the orders: what the hub, the systems they came from, the ERP and the mailboxes show.

Guarantees: pure; every order that was placed is looked for in every system that should know it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub_demo.dealing import Channel, Order, Orders
from omnihub_demo.promises import Promise
from omnihub_demo.shop import sku_of

COMPLETED, REFUSED = "COMPLETED", "REFUSED"
SHOWN = 3
BEST_SELLERS = 10


@dataclass(frozen=True)
class OrderReadings:
    """What every system shows of orders and buyers."""

    orders: tuple[Mapping[str, Any], ...]
    """Rows of the hub's API."""
    details: Mapping[str, Mapping[str, Any]]
    """Details of the hub's API by number."""
    numbers: Mapping[str, Order]
    shop_orders: tuple[Mapping[str, Any], ...]
    erp_sales: Mapping[str, Mapping[str, Any]]
    """Sales of the ERP by reference."""
    held_milli: int
    mails: Counter[str]
    customers_of: Mapping[str, tuple[str, ...]]
    """Customer ids found under each household's e-mail address."""
    board: Mapping[str, Any] | None = None
    webhooks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OrderVerdict:
    """The figures of the report."""

    confirmed: int
    refused: int
    still_open: int
    hot_buyers: int
    hot_held: int
    mails_sent: int
    mails_expected: int
    mail_faults: int
    reservations_leaked: int
    merged_wrongly: int
    faults: tuple[str, ...]
    unlinked: tuple[str, ...]
    board_faults: tuple[str, ...]


def judge_orders(
    seen: OrderReadings, orders: Orders, best: Sequence[tuple[str, int]]
) -> OrderVerdict:
    """Compare what was read back with what was placed."""
    statuses = Counter(row["status"] for row in seen.orders)
    wanted = expected_mails(orders)
    hot = [row for row in seen.orders if row["source"] == "api"]
    return OrderVerdict(
        confirmed=statuses[COMPLETED],
        refused=statuses[REFUSED],
        still_open=sum(statuses.values()) - statuses[COMPLETED] - statuses[REFUSED],
        hot_buyers=len(hot),
        hot_held=sum(row["status"] == COMPLETED for row in hot),
        mails_sent=seen.mails.total(),
        mails_expected=wanted.total(),
        mail_faults=sum(abs(seen.mails[each] - wanted[each]) for each in wanted | seen.mails),
        reservations_leaked=seen.held_milli,
        merged_wrongly=merged_wrongly(seen.customers_of),
        faults=tuple(order_faults(seen, orders)),
        unlinked=tuple(
            email for email, found in sorted(seen.customers_of.items()) if len(found) != 1
        ),
        board_faults=tuple(board_faults(seen, statuses, best)),
    )


def expected_mails(orders: Orders) -> Counter[str]:
    """Return how many mails each address must get: one at the decision, one at ready or shipped."""
    wanted: Counter[str] = Counter()
    for order in orders.placed:
        if order.channel is not Channel.PHONE:
            wanted[order.household.email] += 1 if order.is_refused else 2
    return wanted


def merged_wrongly(customers_of: Mapping[str, tuple[str, ...]]) -> int:
    """Count customers that are found under the addresses of several households."""
    found = Counter(customer for each in customers_of.values() for customer in set(each))
    return sum(times > 1 for times in found.values())


def order_faults(seen: OrderReadings, orders: Orders) -> Iterable[str]:
    """Yield every order that some system shows otherwise than it was placed."""
    by_number = {row["number"]: row for row in seen.orders}
    in_shop = {str(row["number"]): row for row in seen.shop_orders}
    told = {order.name for order in seen.numbers.values()}
    for order in orders.placed:
        if order.name not in told:
            yield f"{order.name} was never placed"
    for number, order in sorted(seen.numbers.items()):
        row = by_number.get(number)
        if row is None:
            yield f"hub: {order.name} ({number}) is missing"
            continue
        wanted = REFUSED if order.is_refused else COMPLETED
        if row["status"] != wanted:
            yield f"hub: {order.name} is {row['status']} ({row['reason']}), not {wanted}"
        if row["total_minor"] != order.total_cents:
            yield f"hub: {order.name} costs {row['total_minor']}, not {order.total_cents}"
        if lines_of(seen.details.get(number, {})) != wanted_lines(order):
            yield f"hub: {order.name} has other lines"
        if order.channel is Channel.WEB:
            yield from _shop_faults(order, in_shop.get(number))
        yield from _erp_faults(order, row, seen.erp_sales)


def lines_of(detail: Mapping[str, Any]) -> Counter[tuple[str, int]]:
    """Return SKU and thousandths of the hub's lines."""
    return Counter((line["sku"], line["quantity_milli"]) for line in detail.get("lines", ()))


def wanted_lines(order: Order) -> Counter[tuple[str, int]]:
    """Return SKU and thousandths as they were ordered."""
    return Counter((line.sku, line.units * 1000) for line in order.lines)


def _shop_faults(order: Order, row: Mapping[str, Any] | None) -> Iterable[str]:
    wanted = "cancelled" if order.is_refused else "completed"
    if row is None:
        yield f"web: {order.name} is missing"
        return
    if row["status"] != wanted:
        yield f"web: {order.name} is {row['status']}, not {wanted}"
    if round(float(row["total"]) * 100) != order.total_cents:
        yield f"web: {order.name} costs {row['total']}"
    lines = Counter((sku_of(x["sku"]), x["quantity"] * 1000) for x in row["line_items"])
    if lines != wanted_lines(order):
        yield f"web: {order.name} has other lines"


def _erp_faults(
    order: Order, row: Mapping[str, Any], sales: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    is_ours = order.place is None or order.place.owner.value == "erp"
    if order.is_refused:
        return
    is_staffs = order.channel is Channel.PHONE
    sale = sales.get(row["number"] if is_staffs else f"hub:{row['order_id']}")
    if not is_ours:
        if sale is not None:
            yield f"erp: {order.name} is a sale, but only its day's total should be"
        return
    if sale is None:
        yield f"erp: {order.name} is missing"
    elif sale["total_cents"] != order.total_cents or sale["lines"] != wanted_lines(order):
        yield f"erp: {order.name} has other lines or another total"


def board_faults(
    seen: OrderReadings, statuses: Counter[str], best: Sequence[tuple[str, int]]
) -> Iterable[str]:
    """Yield what the downstream service shows otherwise than the hub's API and the ledger."""
    if seen.board is None:
        yield "the board shows nothing"
        return
    shown = {status: count for status, count in seen.board["orders"].items() if count}
    if shown != {status: count for status, count in statuses.items() if count}:
        yield f"the board counts {shown}"
    sold = [(row["sku"], row["sold_milli"]) for row in seen.board["best_sellers"]]
    if sold != list(best):
        yield f"the board's best sellers are {sold[:SHOWN]}, not {list(best[:SHOWN])}"


def order_promises(verdict: OrderVerdict, orders: Orders) -> list[Promise]:
    """Return the promises about orders and customers."""
    return [
        Promise(
            "one-order",
            "every order ends the same in the hub, where it came from and in the ERP",
            not verdict.faults and not verdict.still_open,
            _named(verdict.faults, f"wrong, {verdict.still_open} open"),
        ),
        Promise(
            "sold-once",
            f"{orders.hot_buyers} buyers at once for the last unit: one gets it",
            verdict.hot_held == 1 and verdict.hot_buyers == orders.hot_buyers,
            f"{verdict.hot_held} of {verdict.hot_buyers} got it",
        ),
        Promise(
            "no-leak",
            "when all orders are over nothing is held for anybody",
            verdict.reservations_leaked == 0,
            f"{verdict.reservations_leaked} thousandths held",
        ),
        Promise(
            "one-person",
            "a household is one customer in all channels, and no two are merged",
            not verdict.merged_wrongly and not verdict.unlinked,
            f"{verdict.merged_wrongly} merged wrongly, {len(verdict.unlinked)} not one",
        ),
        Promise(
            "mails",
            "every buyer hears of every decision once",
            not verdict.mail_faults,
            f"{verdict.mails_sent} of {verdict.mails_expected}, {verdict.mail_faults} amiss",
        ),
        Promise(
            "board",
            "a downstream service comes to the same figures",
            not verdict.board_faults,
            _named(verdict.board_faults, "differ"),
        ),
    ]


def _named(items: Sequence[str], what: str) -> str:
    if not items:
        return "none"
    return f"{len(items)} {what}: {'; '.join(items[:SHOWN])}"
