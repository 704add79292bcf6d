"""Server-sent events of level changes (WHATWG HTML, 9.2).

Guarantees: `Last-Event-ID` resumes without a gap; a comment every 15 s keeps proxies from closing
the connection and carries no id. A client that reads too slowly is cut off and comes back.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints
from pydantic.json_schema import SkipJsonSchema

from omnihub.api.auth import Reader
from omnihub.api.bodies import ChannelLevel, Filter, Level
from omnihub.api.feed import ID_PATTERN, BadEventId, Behind, Change, Wanted, decode_id, encode_id
from omnihub.api.parts import Parts, PartsOf
from omnihub.api.problem import Fault, Problem
from omnihub.model.records import StockLevel
from omnihub.views.fold import Positions

KEEP_ALIVE_S = 15.0
RETRY_MS = 1000
LastEventId = Annotated[
    Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=65536)] | SkipJsonSchema[None],
    Header(description="`id` of the last event seen."),
]
router = APIRouter(tags=["stock"])
_EXAMPLE = (
    "id: s0-12\nevent: stock.level.changed\n"
    'data: {"sku":"4711","location":"STORE-61","ats_milli":11000}\n\n'
)
_ANSWER = {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}


@router.get(
    "/v1/stock/events",
    summary="Follow level changes",
    response_class=StreamingResponse,
    responses={200: {"description": "A stream that does not end.", **_ANSWER}},
)
async def stock_events(
    parts: PartsOf,
    _: Reader,
    sku: Filter = None,
    location: Filter = None,
    channel: Filter = None,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Send `stock.level.changed` and `stock.channel.changed` as they happen.

    With `Last-Event-ID`, first what changed since; without, from now on.
    """
    try:
        seen = None if last_event_id is None else decode_id(last_event_id)
    except BadEventId as error:
        fault = Fault(pointer="#/header/last-event-id", code="bad_event_id", detail=str(error))
        raise Problem("invalid", errors=[fault]) from None
    stream = _stream(parts, Wanted(sku, location, channel), seen)
    return StreamingResponse(stream, media_type="text/event-stream")


async def _stream(parts: Parts, wanted: Wanted, seen: Positions | None) -> AsyncIterator[bytes]:
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


def _event(positions: Positions, change: Change) -> bytes:
    record = change[1]
    if isinstance(record, StockLevel):
        name, body = "stock.level.changed", Level.model_validate(record).model_dump_json()
    else:
        name, body = "stock.channel.changed", ChannelLevel.model_validate(record).model_dump_json()
    return f"id: {encode_id(positions)}\nevent: {name}\ndata: {body}\n\n".encode()
