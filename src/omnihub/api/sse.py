"""Server-sent events of changes (WHATWG HTML, 9.2): stock, orders, customers, carts.

Guarantees: `Last-Event-ID` resumes without a gap; a comment every 15 s keeps proxies from closing
the connection and carries no id. A client that reads too slowly is cut off and comes back. No
event holds anything personal, whatever the scope: only the fields of `api.events` are told.
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints
from pydantic.json_schema import SkipJsonSchema

from omnihub.api.auth import Reader
from omnihub.api.events import CARTS, CUSTOMERS, ORDERS, STOCK, Stream, told
from omnihub.api.feed import BadEventId, Behind, Change, Wanted, decode_id, encode_id, id_pattern
from omnihub.api.params import Filter
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Fault, Problem
from omnihub.broker.ports import Offsets

KEEP_ALIVE_S = 15.0
RETRY_MS = 1000
router = APIRouter()


def _resume(stream: Stream) -> Callable[[str | None], Offsets | None]:
    """Return a dependency that reads the header of a client that comes back."""
    header = Annotated[
        Annotated[str, StringConstraints(pattern=id_pattern(stream.topics), max_length=65536)]
        | SkipJsonSchema[None],
        Header(description="`id` of the last event seen."),
    ]

    def seen(last_event_id: header = None) -> Offsets | None:
        try:
            return None if last_event_id is None else decode_id(last_event_id)
        except BadEventId as error:
            fault = Fault(pointer="#/header/last-event-id", code="bad_event_id", detail=str(error))
            raise Problem("invalid", errors=[fault]) from None

    return seen


def _documented(stream: Stream) -> dict[str, Any]:
    """Return what OpenAPI says of a stream."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": stream.example}}
    description = "A stream that does not end."
    return {
        "summary": f"Follow {stream.name}",
        "tags": [stream.tag],
        "response_class": StreamingResponse,
        "responses": {200: {"description": description, "content": content}},
    }


_OF_STOCK, _OF_ORDERS = Depends(_resume(STOCK)), Depends(_resume(ORDERS))
_OF_CUSTOMERS, _OF_CARTS = Depends(_resume(CUSTOMERS)), Depends(_resume(CARTS))


@router.get("/v1/stock/events", **_documented(STOCK))
async def stock_events(
    parts: PartsOf,
    _: Reader,
    seen: Annotated[Offsets | None, _OF_STOCK],
    sku: Filter = None,
    location: Filter = None,
    channel: Filter = None,
) -> StreamingResponse:
    """Send `stock.level.changed` and `stock.channel.changed` as they happen.

    With `Last-Event-ID`, first what changed since; without, from now on.
    """
    return _answer(parts, STOCK, seen, sku=sku, location=location, channel=channel)


@router.get("/v1/orders/events", **_documented(ORDERS))
async def order_events(
    parts: PartsOf,
    _: Reader,
    seen: Annotated[Offsets | None, _OF_ORDERS],
    order_id: Filter = None,
    channel: Filter = None,
    source: Filter = None,
    status: Filter = None,
    location: Filter = None,
) -> StreamingResponse:
    """Send `order.changed` and `fulfilment.changed` as they happen.

    A filter takes only what has the field: `channel` and `source` orders, `location` fulfilments.
    With `Last-Event-ID`, first what changed since; without, from now on.
    """
    values = {"channel": channel, "source": source, "status": status, "location": location}
    return _answer(parts, ORDERS, seen, order_id=order_id, **values)


@router.get("/v1/customers/events", **_documented(CUSTOMERS))
async def customer_events(
    parts: PartsOf,
    _: Reader,
    seen: Annotated[Offsets | None, _OF_CUSTOMERS],
    customer_id: Filter = None,
) -> StreamingResponse:
    """Send `customer.changed` and `customer.redirected`: who changed, never what.

    With `Last-Event-ID`, first what changed since; without, from now on.
    """
    return _answer(parts, CUSTOMERS, seen, customer_id=customer_id)


@router.get("/v1/carts/events", **_documented(CARTS))
async def cart_events(
    parts: PartsOf,
    _: Reader,
    seen: Annotated[Offsets | None, _OF_CARTS],
    cart_id: Filter = None,
    channel: Filter = None,
    status: Filter = None,
) -> StreamingResponse:
    """Send `cart.changed` as it happens.

    With `Last-Event-ID`, first what changed since; without, from now on.
    """
    return _answer(parts, CARTS, seen, cart_id=cart_id, channel=channel, status=status)


def _answer(
    parts: Parts, stream: Stream, seen: Offsets | None, **values: str | None
) -> StreamingResponse:
    given = {name: value for name, value in values.items() if value is not None}
    wanted = Wanted(stream.topics, given)
    return StreamingResponse(_stream(parts, wanted, seen), media_type="text/event-stream")


async def _stream(parts: Parts, wanted: Wanted, seen: Offsets | None) -> AsyncIterator[bytes]:
    parts.metrics.sse_clients.inc()
    try:
        first = True
        async for positions, change in parts.feed.changes(wanted, seen, KEEP_ALIVE_S):
            if first:
                # An id without data sets the resume point of a client that never gets an event.
                yield f"retry: {RETRY_MS}\nid: {encode_id(positions)}\n\n".encode()
                first = False
            elif change is None:
                yield b": still here\n\n"
            else:
                yield _event(positions, change)
    except Behind as reason:
        yield f": {reason}, come back\n\n".encode()
    finally:
        parts.metrics.sse_clients.dec()


def _event(positions: Offsets, change: Change) -> bytes:
    name, body = told(change[1])
    return f"id: {encode_id(positions)}\nevent: {name}\ndata: {body}\n\n".encode()
