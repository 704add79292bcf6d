"""`omnihub order`: what was ordered, where it stands, and the acts of an operator."""

import asyncio
import getpass
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from omnihub.api.desk import KeyReused, OrderDesk
from omnihub.api.order_bodies import Cancel, NewOrder, OrderDetail, OrderSummary, Report
from omnihub.api.showing import order_detail
from omnihub.api.waiting import OPEN
from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.given import body_of, opener_of, text_of, views_of
from omnihub.cli.output import Exit, moment, print_json, print_rows, stderr, stdout, units
from omnihub.model.ids import CustomerId, OrderId
from omnihub.model.records import Order, OrderStatus
from omnihub.model.time import to_us
from omnihub.views.orders import OrderFilter, OrderViews
from omnihub.views.requests import Requests
from omnihub.views.schema import open_views
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import appender_of, codec_of
from omnihub.wiring.privacy import tokens_of, vault_of

app = typer.Typer(help="Orders.", no_args_is_help=True)
T = TypeVar("T")
Id = Annotated[str, typer.Argument(metavar="ORDER", help="Order id, or the number it goes by.")]
Only = typer.Option(help="Only these.")
Wanted = Annotated[str | None, Only]
POLL_S = 0.05


@app.command("list")
def list_(
    context: typer.Context,
    status: Wanted = None,
    channel: Wanted = None,
    source: Wanted = None,
    customer: Annotated[str | None, typer.Option(help="Only of this customer id.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what was placed then or later, UTC.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most orders.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List orders, newest first."""
    views = views_of(options_of(context).installation())
    who = views.customers.survivor(CustomerId(customer)) if customer else None
    since_us = to_us(since.replace(tzinfo=UTC)) if since else None
    wanted = OrderFilter(status, channel, source, None, None, who, since_us)
    found = views.orders.page(wanted, None, limit).items
    if as_json:
        print_json([OrderSummary.model_validate(order).model_dump() for order in found])
        return
    rows = [
        {
            "order": order.order_id,
            "number": order.number,
            "placed": moment(order.placed_at_us),
            "channel": order.channel,
            "status": order.status.value,
            "waits for": order.waiting_on or order.reason,
            "total": f"{order.total_minor} {order.currency}",
        }
        for order in found
    ]
    columns = ("order", "number", "placed", "channel", "status", "waits for", "total")
    print_rows(rows, columns, "No such order.")


@app.command()
def show(
    context: typer.Context,
    order: Id,
    personal: Annotated[bool, typer.Option("--personal", help="Show who it is for.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one order with its lines, fulfilments, reservations and payments."""
    install = options_of(context).installation()
    views = views_of(install).orders
    opener = opener_of(install) if personal else None
    detail = order_detail(_order(views, order), views, opener)
    if as_json:
        print_json(detail.model_dump(exclude_unset=True))
    else:
        _print(detail)


@app.command()
def place(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="JSON as POST /v1/orders takes it; - is stdin.")],
    key: Annotated[str, typer.Option("--key", help="Idempotency key: the same places once.")],
    wait: Annotated[float, typer.Option(min=0, help="Wait up to so many s for a decision.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Place an order; exit code 1 when it is refused within --wait."""
    text = sys.stdin.read() if file == "-" else text_of(Path(file))
    body = body_of(NewOrder, text, file)
    install = options_of(context).installation()
    accepted = _at_desk(install, lambda desk: desk.place(getpass.getuser(), key, body))
    found = _decided(views_of(install).orders, OrderId(accepted.order_id), wait)
    status = found.status.value if found else "ACCEPTED"
    reason = found.reason if found else None
    if as_json:
        print_json({**accepted.model_dump(), "status": status, "reason": reason})
    else:
        stdout().print(f"{accepted.order_id}  {accepted.number}  {status}  {reason or ''}")
    if found and found.status in (OrderStatus.REFUSED, OrderStatus.CANCELLED):
        raise typer.Exit(Exit.FAILED)


@app.command()
def cancel(
    context: typer.Context,
    order: Id,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the order; snake_case.")],
    as_json: JsonOption = False,
) -> None:
    """Ask to cancel what has not left the house."""
    body = body_of(Cancel, {"reason": reason}, "the options")
    install = options_of(context).installation()
    id = _id(install, order)
    asked = _at_desk(install, lambda desk: desk.cancel(getpass.getuser(), id, body.reason))
    _print_asked(asked.model_dump(), "cancel", as_json)


@app.command()
def fulfil(
    context: typer.Context,
    order: Id,
    location: Annotated[str, typer.Option("--location", help="Where the goods are.")],
    status: Annotated[str, typer.Option("--status", help="READY_FOR_PICKUP, SHIPPED, ...")],
    tracking: Annotated[str | None, typer.Option(help="The carrier's number.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Report how far the goods of an order at one location are."""
    told = {"location": location, "status": status, "tracking_number": tracking}
    body = body_of(Report, told, "the options")
    install = options_of(context).installation()
    id = _id(install, order)
    asked = _at_desk(install, lambda desk: desk.report(getpass.getuser(), id, body))
    _print_asked(asked.model_dump(), status, as_json)


def _at_desk(install: Installation, act: Callable[[OrderDesk], Awaitable[T]]) -> T:
    async def run() -> T:
        views = views_of(install)
        async with appender_of(install, codec_of(install)) as appender:
            desk = OrderDesk(
                tenant=install.tenant,
                tokens=tokens_of(install, vault_of(install)),
                views=views.orders,
                requests=Requests(open_views(install.views_url)),
                appender=appender,
                now_us=lambda: time.time_ns() // 1000,
            )
            return await act(desk)

    try:
        return asyncio.run(run())
    except KeyReused as error:
        stderr().print(str(error))
        raise typer.Exit(Exit.USAGE) from None


def _decided(views: OrderViews, order_id: OrderId, wait_s: float) -> Order | None:
    until = time.monotonic() + wait_s
    while True:
        order = views.find(order_id)
        if (order and order.status not in OPEN) or time.monotonic() >= until:
            return order
        time.sleep(POLL_S)


def _id(install: Installation, named: str) -> OrderId:
    """Return the id of an order named by id or number; one not folded yet is taken at its word."""
    orders = views_of(install).orders
    if orders.find(OrderId(named)) is None and orders.numbered(named):
        return OrderId(_order(orders, named).order_id)
    return OrderId(named)


def _order(views: OrderViews, named: str) -> Order:
    if (found := views.find(OrderId(named))) is not None:
        return found
    numbered = views.numbered(named)
    if len(numbered) == 1:
        return numbered[0]
    if numbered:
        ids = ", ".join(f"{one.order_id} ({one.source})" for one in numbered)
        stderr().print(f"Several systems have an order '{named}': {ids}. Give the id.")
    else:
        stderr().print(f"There is no order '{named}'. See `omnihub order list`.")
    raise typer.Exit(Exit.FAILED)


def _print(order: OrderDetail) -> None:
    word = f" ({order.reason})" if order.reason else ""
    waits = f", waits for {order.waiting_on}" if order.waiting_on else ""
    out = stdout()
    out.print(f"{order.number}  {order.status}{word}{waits}", markup=False)
    out.print(f"{order.order_id}  {order.channel}  from {order.source}  {order.payment}")
    out.print(f"placed {moment(order.placed_at_us)}  total {order.total_minor} {order.currency}")
    if order.contact is not None:
        told = order.contact.model_dump(exclude_none=True)
        out.print("  ".join(f"{name}: {value}" for name, value in told.items()), markup=False)
    lines = [
        {
            "line": line.line_id,
            "sku": line.sku,
            "quantity": units(line.quantity_milli),
            "how": line.fulfilment,
            "at": line.location,
            "goods": line.status,
        }
        for line in order.lines
    ]
    print_rows(lines, ("line", "sku", "quantity", "how", "at", "goods"), "No line.")
    places = [{"at": one.location, "fulfilment": one.status} for one in order.fulfilments]
    print_rows(places, ("at", "fulfilment"), "Nothing is allocated.")
    paid = [{"provider": one.provider, "captured": one.captured_minor} for one in order.payments]
    if paid:
        print_rows(paid, ("provider", "captured"), "")


def _print_asked(asked: dict[str, str], what: str, as_json: bool) -> None:
    if as_json:
        print_json(asked)
    else:
        stderr().print(f"{what} was asked for {asked['order_id']} ({asked['request_id']}).")
