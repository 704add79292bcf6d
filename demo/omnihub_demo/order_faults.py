"""Compares every order with what each system shows of it: the hub, the web store and the ERP.

Guarantees: pure; every order that was placed is looked for in every system that should know it, and
every order and sale that is there in the ones that were placed. The totals of a day are judged
apart (`day_totals`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omnihub_demo.day_totals import PREFIX as TOTAL_PREFIX
from omnihub_demo.day_totals import becomes_sale
from omnihub_demo.dealing import HOT_PRICE_CENTS, Channel, Order, Orders
from omnihub_demo.order_readings import Lines, OrderReadings, Sale, key_of
from omnihub_demo.placed import OrderKey
from omnihub_demo.shop import sku_of

COMPLETED, REFUSED = "COMPLETED", "REFUSED"
API = "api"
"""The source of orders that came through the hub's own API: the buyers of the last unit."""
OURS = "hub:"
"""What the references of sales that the hub wrote begin with."""
Rows = Sequence[Mapping[str, Any]]


def order_faults(seen: OrderReadings, orders: Orders) -> Iterator[str]:
    """Yield every order that some system shows otherwise than it was placed."""
    rows = _by_key(seen.orders)
    in_shop = {str(row["number"]): row for row in seen.shop_orders}
    sales: dict[str, list[Sale]] = defaultdict(list)
    for sale in seen.sales:
        sales[sale.name].append(sale)
    told = {each.order.name for each in seen.placed.values()}
    yield from (
        f"{order.name} was never placed" for order in orders.placed if order.name not in told
    )
    for key, each in sorted(seen.placed.items(), key=lambda one: one[0]):
        order, found = each.order, rows.get(key, ())
        yield from _hub_faults(order, key, found, seen.details.get(key, {}))
        if order.channel is Channel.WEB:
            yield from _shop_faults(order, in_shop.get(key.number))
        if found:
            yield from _erp_faults(order, _sale_name(order, found[0]), sales)
    yield from _last_unit_faults(rows, orders, sales)
    yield from _strangers(rows, seen, sales)


def lines_of(detail: Mapping[str, Any]) -> Lines:
    """Return the lines that the hub shows."""
    return Lines((line["sku"], line["quantity_milli"]) for line in detail.get("lines", ()))


def wanted_lines(order: Order) -> Lines:
    """Return the lines as they were ordered."""
    return Lines((line.sku, line.units * 1000) for line in order.lines)


def _by_key(rows: Rows) -> dict[OrderKey, Rows]:
    found: dict[OrderKey, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[key_of(row)].append(row)
    return dict(found)


def _hub_faults(
    order: Order, key: OrderKey, found: Rows, detail: Mapping[str, Any]
) -> Iterator[str]:
    if len(found) != 1:
        yield f"hub: {order.name} ({key.number} of {key.source}) is there {len(found)} times"
        return
    [row] = found
    wanted = REFUSED if order.is_refused else COMPLETED
    if row["status"] != wanted:
        yield f"hub: {order.name} is {row['status']} ({row['reason']}), not {wanted}"
    if row["total_minor"] != order.total_cents:
        yield f"hub: {order.name} costs {row['total_minor']}, not {order.total_cents}"
    if lines_of(detail) != wanted_lines(order):
        yield f"hub: {order.name} has other lines"


def _shop_faults(order: Order, row: Mapping[str, Any] | None) -> Iterator[str]:
    wanted = "cancelled" if order.is_refused else "completed"
    if row is None:
        yield f"web: {order.name} is missing"
        return
    if row["status"] != wanted:
        yield f"web: {order.name} is {row['status']}, not {wanted}"
    if round(float(row["total"]) * 100) != order.total_cents:
        yield f"web: {order.name} costs {row['total']}"
    lines = Lines((sku_of(x["sku"]), x["quantity"] * 1000) for x in row["line_items"])
    if lines != wanted_lines(order):
        yield f"web: {order.name} has other lines"


def _sale_name(order: Order, row: Mapping[str, Any]) -> str:
    return str(row["number"]) if order.channel is Channel.PHONE else f"{OURS}{row['order_id']}"


def _erp_faults(order: Order, name: str, sales: Mapping[str, list[Sale]]) -> Iterator[str]:
    found = sales.get(name, [])
    if becomes_sale(order):
        yield from _sale_faults(order.name, wanted_lines(order), order.total_cents, found)
    elif found and order.is_refused:
        yield f"erp: {order.name} is a sale, but it was refused"
    elif found:
        yield f"erp: {order.name} is a sale, but only its day's total should be"


def _sale_faults(name: str, lines: Lines, cents: int, found: Sequence[Sale]) -> Iterator[str]:
    if len(found) != 1:
        yield f"erp: {name} is there {len(found)} times"
    elif found[0].total_cents != cents or found[0].lines != lines:
        yield f"erp: {name} has other lines or another total"


def _last_unit_faults(
    rows: Mapping[OrderKey, Rows], orders: Orders, sales: Mapping[str, list[Sale]]
) -> Iterator[str]:
    """Yield what is wrong with the last unit's sale: it leaves from one of the ERP's places."""
    unit = Lines([(orders.hot_sku, 1000)])
    for key, found in sorted(rows.items()):
        for row in found if key.source == API else ():
            sold = sales.get(f"{OURS}{row['order_id']}", [])
            if row["status"] == COMPLETED:
                yield from _sale_faults("the last unit", unit, HOT_PRICE_CENTS, sold)
            elif sold:
                yield "erp: an order for the last unit is a sale, but it was refused"


def _strangers(
    rows: Mapping[OrderKey, Rows], seen: OrderReadings, sales: Mapping[str, list[Sale]]
) -> Iterator[str]:
    """Yield what is there though nobody placed it."""
    for key in sorted(rows.keys() - seen.placed.keys()):
        if key.source != API:
            yield f"hub: {key.number} of {key.source} was placed by nobody"
    # Staff's own sale is the sale: one that the hub wrote for it would be the second.
    of_hub = {f"{OURS}{row['order_id']}" for row in seen.orders if row["source"] != Channel.PHONE}
    of_staff = {key.number for key in seen.placed if key.source == Channel.PHONE}
    for name in sorted(sales.keys() - of_hub - of_staff):
        if not name.startswith(TOTAL_PREFIX):
            yield f"erp: the sale {name} belongs to no order"
