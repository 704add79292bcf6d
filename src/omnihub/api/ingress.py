"""Webhooks and calls of a system's clients in: a signature or write key proves them, no API key.

Guarantees: 2xx only when the delivery is durable; a wrong or malformed signature is 401, never
500; too large is 413; while the log does not answer 503 with Retry-After, and the sender repeats.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from omnihub.api.parts import PartsOf
from omnihub.api.problem import Problem
from omnihub.connect.ingress import Answer

router = APIRouter(tags=["webhooks"])
_PROBLEM_OF = {
    400: "bad-request",
    401: "bad-signature",
    404: "unknown-instance",
    413: "body-too-large",
    503: "unavailable",
}
_BODY = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


@router.post(
    "/v1/webhooks/{instance}",
    summary="Receive a webhook",
    status_code=202,
    responses={200: {"description": "A test call; nothing was written."}},
    openapi_extra={"requestBody": {"required": False, **_BODY}},
)
async def webhook(
    parts: PartsOf, request: Request, instance: Annotated[str, Path(max_length=128)]
) -> Response:
    """Accept one delivery of a connector instance, exactly as its system sent it."""
    answer = await parts.ingress.accept(instance, dict(request.headers), await request.body())
    return _told(answer)


@router.post(
    "/in/{instance}/{version}/{call}",
    summary="Receive a call of a system's own client",
    responses={200: {"description": "The call is durable.", "content": {"application/json": {}}}},
    openapi_extra={"requestBody": {"required": False, **_BODY}},
)
async def client_call(
    parts: PartsOf,
    request: Request,
    instance: Annotated[str, Path(max_length=128)],
    version: Annotated[str, Path(max_length=32)],
    call: Annotated[str, Path(max_length=128)],
) -> Response:
    """Accept one call as the system that the instance stands in for would: `/in/app/v1/track`."""
    body = await request.body()
    path = f"{version}/{call}"
    return _told(await parts.ingress.call(instance, path, dict(request.headers), body))


def _told(answer: Answer) -> Response:
    if answer.status < 400:
        media_type = "application/json" if answer.body else None
        return Response(answer.body, answer.status, media_type=media_type)
    again = answer.retry_after_s
    headers = {"Retry-After": str(round(again))} if again is not None else {}
    raise Problem(_PROBLEM_OF[answer.status], answer.detail, headers=headers)
