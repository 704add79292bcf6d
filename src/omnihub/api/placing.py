"""Placing, cancelling and fulfilling orders over HTTP.

Guarantees: as `OrderDesk`; 202 says durable, not decided. `Prefer: wait=N` waits for the rule's
word: 200 with the order, or 409 with the reason.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from omnihub.api.auth import Writer
from omnihub.api.desk import KeyReused, UnknownOrder
from omnihub.api.intake import order_id_for
from omnihub.api.json_body import JSON_BODY
from omnihub.api.order_bodies import Asked, Cancel, NewOrder, OrderAccepted, OrderDetail, Report
from omnihub.api.orders import OrderPath
from omnihub.api.parts import PartsOf
from omnihub.api.problem import Problem
from omnihub.api.showing import order_detail
from omnihub.api.waiting import Decision, wait_s_of
from omnihub.model.ids import OrderId
from omnihub.model.records import OrderStatus

# RFC 8941 string, or the bare value that most clients send.
_KEY = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')
_KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Makes repeating safe; a UUID of your own for each order.",
    "schema": {"type": "string", "pattern": "^[!#-Z\\x5e-~]{1,255}$"},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
_PREFER = Header(description="`wait=N`: answer when it is decided, or after N s (at most 30).")
router = APIRouter(tags=["orders"])


@router.post(
    "/v1/orders",
    summary="Place an order",
    status_code=202,
    response_model=OrderAccepted,
    dependencies=JSON_BODY,
    responses={200: {"model": OrderDetail, "description": "Decided: the order is confirmed."}},
    openapi_extra={"parameters": [_KEY_PARAMETER]},
)
async def place(
    parts: PartsOf,
    who: Writer,
    body: NewOrder,
    response: Response,
    idempotency_key: Annotated[str | None, Header(include_in_schema=False)] = None,
    prefer: Annotated[str, _PREFER] = "",
) -> Any:
    """Accept an order. The same key and body give the same answer, whenever they are repeated."""
    key, wait_s = _key(idempotency_key), wait_s_of(prefer)
    order_id = order_id_for(parts.tenant, key)
    response.headers["Location"] = f"/v1/orders/{order_id}"
    with _told_as_problems():
        if wait_s is None:
            return await parts.desk.place(who.name, key, body)
        async with Decision(parts.feed, parts.views.orders, order_id) as decision:
            accepted = await parts.desk.place(who.name, key, body)
            order = await decision.within(wait_s)
    response.headers["Preference-Applied"] = f"wait={wait_s:g}"
    if order is None:
        return accepted
    if order.status in (OrderStatus.REFUSED, OrderStatus.CANCELLED):
        detail = f"Order {order.number} is {order.status.lower()}: {order.reason}."
        raise Problem("order-refused", detail, headers=response.headers)
    opener = parts.opener_for(who)
    shown = await asyncio.to_thread(order_detail, order, parts.views.orders, opener)
    content = shown.model_dump_json(exclude_unset=True)
    return Response(content, 200, dict(response.headers), "application/json")


@router.post(
    "/v1/orders/{order_id}/cancel",
    summary="Cancel an order",
    status_code=202,
    dependencies=JSON_BODY,
)
async def cancel(parts: PartsOf, who: Writer, order_id: OrderPath, body: Cancel) -> Asked:
    """Ask to cancel what has not left the house; an order that is closed stays as it is."""
    with _told_as_problems():
        return await parts.desk.cancel(who.name, OrderId(order_id), body.reason)


@router.post(
    "/v1/orders/{order_id}/fulfilment",
    summary="Report a fulfilment",
    status_code=202,
    dependencies=JSON_BODY,
)
async def fulfilment(parts: PartsOf, who: Writer, order_id: OrderPath, body: Report) -> Asked:
    """Tell how far the goods at one location are; a step that is not possible is refused later."""
    with _told_as_problems():
        return await parts.desk.report(who.name, OrderId(order_id), body)


@contextmanager
def _told_as_problems() -> Iterator[None]:
    try:
        yield
    except KeyReused as error:
        raise Problem("key-reused", str(error)) from None
    except UnknownOrder as error:
        raise Problem("unknown-order", str(error)) from None


def _key(header: str | None) -> str:
    match = _KEY.fullmatch((header or "").strip())
    if match is None:
        raise Problem(
            "no-idempotency-key",
            "Send `Idempotency-Key` with 1 to 255 printable characters of your own, best a UUID.",
        )
    return match[1] or match[2]
