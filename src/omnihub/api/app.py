"""Puts the API together.

Guarantees: every route but /live and the webhooks asks for a key; every error is a problem; the
OpenAPI 3.1 document (at /v1/openapi.json) says what really can be answered.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from omnihub.api import (
    availability,
    customers,
    hospital,
    ingress,
    operate,
    orders,
    placing,
    sse,
    stock,
)
from omnihub.api.auth import Reader
from omnihub.api.middleware import Edge
from omnihub.api.parts import Parts
from omnihub.api.problem import MEDIA_TYPE, PROBLEMS, ProblemDetails, install_problem_handlers
from omnihub.ops.metrics import omnihub_version

_METHODS = {"get", "put", "post", "delete", "patch"}
_OPEN = {"/live", "/v1/webhooks/{instance}"}
_DESCRIPTION = (
    "Stock of every location and channel, orders and customers, live. Quantities are thousandths "
    "of a unit (`_milli`), money is in minor units of its currency (`_minor`), times are UTC "
    "microseconds (`_us`). Errors are RFC 9457 problem details."
)


def create_app(parts: Parts) -> FastAPI:
    """Return the app; the caller serves it."""
    app = FastAPI(
        title="OmniHub",
        version=omnihub_version(),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    install_problem_handlers(app)
    # Events before `/v1/stock/{sku}` and the like: the first match answers.
    for module in (
        sse,
        stock,
        availability,
        orders,
        placing,
        customers,
        hospital,
        operate,
        ingress,
    ):
        app.include_router(module.router)

    def openapi_json(_: Reader) -> JSONResponse:
        return JSONResponse(app.openapi())

    app.add_api_route("/v1/openapi.json", openapi_json, include_in_schema=False)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(Edge, metrics=parts.metrics, body_limit_bytes=parts.body_limit_bytes)
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the document, with problems as they are really answered."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["ProblemDetails"] = problem
        for path, operations in schema["paths"].items():
            for method in _METHODS & set(operations):
                _add_problems(path, method, operations[method])
        app.openapi_schema = schema
    return app.openapi_schema


def _add_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status in _statuses(path, method):
        titles = [title for _, (code, title) in PROBLEMS.items() if code == status]
        answer = responses.setdefault(str(status), {"description": " / ".join(titles)})
        content = answer.setdefault("content", {})
        if status == 422:
            content.clear()
        content[MEDIA_TYPE] = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}


def _statuses(path: str, method: str) -> list[int]:
    if path == "/live":
        return []
    if path in _OPEN:
        return [401, 404, 413, 422, 503]
    if path in ("/ready", "/metrics"):
        return [401, 403]
    always = [401, 403, 404, 422, 503]
    if method == "get":
        return always
    return [*always, 400, 413, 415, *([409] if path == "/v1/orders" else [])]
