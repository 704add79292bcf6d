"""Errors as RFC 9457 problem details: `application/problem+json`, one catalogue.

Guarantees: every answer of 400 and above has this form, a `type` from `PROBLEMS` (each with a
heading in docs/problems.md), and never a stack trace. `errors` points into the request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from omnihub.model.errors import RejectedError, RetryableError

MEDIA_TYPE = "application/problem+json"
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "no-idempotency-key": (400, "An Idempotency-Key is needed"),
    "unauthorized": (401, "An API key is needed"),
    "bad-signature": (401, "The webhook's signature does not fit"),
    "forbidden": (403, "The key's scope does not include this"),
    "not-found": (404, "There is nothing here"),
    "unknown-sku": (404, "No such SKU"),
    "unknown-order": (404, "No such order"),
    "unknown-cart": (404, "No such cart"),
    "unknown-customer": (404, "No such customer"),
    "unknown-instance": (404, "No such connector instance"),
    "nothing-parked": (404, "Nothing is parked under this key"),
    "method-not-allowed": (405, "This method is not for this resource"),
    "order-refused": (409, "The order was refused"),
    "body-too-large": (413, "The body is larger than is accepted"),
    "unsupported-media-type": (415, "The body must be application/json"),
    "key-reused": (422, "The Idempotency-Key was used for another request"),
    "invalid": (422, "The request does not have the right form"),
    "internal": (500, "Something of ours failed"),
    "unavailable": (503, "The log or a database does not answer now"),
}
_BY_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
}


class Fault(BaseModel):
    """One fault inside the request."""

    pointer: str
    code: str
    detail: str


class ProblemDetails(BaseModel):
    """What every error answer looks like (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/unknown-sku",
                    "title": "No such SKU",
                    "status": 404,
                    "detail": "SKU '4711' has no level yet. It appears with its first count.",
                }
            ]
        }
    )
    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[Fault] | None = None


class Problem(Exception):
    """Raise it anywhere in a request; `code` is one of `PROBLEMS`."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def answer(problem: Problem) -> JSONResponse:
    """Return the response of a problem."""
    status, title = PROBLEMS[problem.code]
    details = ProblemDetails(
        type=f"/problems/{problem.code}",
        title=title,
        status=status,
        detail=problem.detail,
        errors=list(problem.errors) or None,
    )
    body = details.model_dump(exclude_none=True)
    return JSONResponse(body, status, headers=problem.headers, media_type=MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.exception_handler(Problem)(_on_problem)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(ClientDisconnect)(_on_disconnect)
    app.exception_handler(RejectedError)(_on_rejected)
    app.exception_handler(RetryableError)(_on_retryable)
    app.exception_handler(Exception)(_on_bug)


async def _on_problem(_: Request, problem: Problem) -> JSONResponse:
    return answer(problem)


async def _on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    faults = [
        Fault(pointer=_pointer(fault), code=str(fault["type"]), detail=str(fault["msg"]))
        for fault in error.errors()
    ]
    return answer(Problem("invalid", errors=faults))


async def _on_http(_: Request, error: HTTPException) -> JSONResponse:
    code = _BY_STATUS.get(error.status_code, "bad-request")
    return answer(Problem(code, headers=error.headers))


async def _on_disconnect(_: Request, __: ClientDisconnect) -> JSONResponse:
    """Nobody hears this answer; it keeps the sender's fault out of our log of failures."""
    return answer(Problem("bad-request", "The connection ended within the body."))


async def _on_rejected(_: Request, error: RejectedError) -> JSONResponse:
    fault = Fault(pointer=f"#/{error.subject}", code=error.reason_code, detail=error.detail)
    return answer(Problem("invalid", errors=[fault]))


async def _on_retryable(_: Request, error: RetryableError) -> JSONResponse:
    seconds = max(1, round(error.retry_after_s or 1))
    return answer(Problem("unavailable", str(error), headers={"Retry-After": str(seconds)}))


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    log = structlog.get_logger(__name__)
    log.error("request_failed", path=request.url.path, exc_info=error)
    return answer(Problem("internal", "The failure is in the log of the api process."))


def _pointer(fault: Mapping[str, Any]) -> str:
    """Return where a fault is: a JSON pointer for bodies, `#/query/limit` for the rest."""
    at = [str(part) for part in fault["loc"]]
    return "#/" + "/".join(at[1:] if at[:1] == ["body"] else at)
