"""The REST v3 face of the simulated shop, as an ASGI application.

Guarantees: every answer carries the shop's own Date header; errors have the provider's bodies.
`/simulator/*` (same keys) is ours: state, faults and edits of a demo that no shop would offer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from omnihub_connectors.woocommerce.simulator.endpoints import CONTROLS, ROUTES, Handler
from omnihub_connectors.woocommerce.simulator.errors import RestError, no_route
from omnihub_connectors.woocommerce.simulator.faults import Answer, Hang
from omnihub_connectors.woocommerce.simulator.shop import Shop

API = "/wp-json/wc/v3"
REALM = (
    "WooCommerce API. Use a consumer key in the username field "
    "and a consumer secret in the password field."
)


def build_app(shop: Shop) -> Starlette:
    """Return the ASGI app of `shop`; its lifespan runs the webhook deliveries."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(shop.deliveries.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def endpoint(request: Request) -> Response:
        return await answer(shop, request)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)], lifespan=lifespan)


async def answer(shop: Shop, request: Request) -> Response:
    """Serve one request, through the fault script."""
    path, method = request.url.path, request.method
    shop.requests[f"{method} {path.removeprefix(API)}"] += 1
    fault = shop.faults.take(method, path)
    if isinstance(fault, Hang):
        await asyncio.sleep(fault.seconds)
    if isinstance(fault, Answer) and not fault.after_effect:
        return _stamped(shop, _fault_response(fault))
    try:
        handler, denied = route(method, path)
        if shop.key_of(method, request.query_params, request.headers) is None:
            raise denied
        status, content, headers = await handler(shop, request)
        response = _json(status, content, headers)
    except RestError as error:
        basic = error.code == "woocommerce_rest_authentication_error"
        challenge = {"WWW-Authenticate": f'Basic realm="{REALM}"'} if basic else {}
        response = _json(error.status, error.body(), challenge)
    if isinstance(fault, Answer):
        response = _fault_response(fault)
    return _stamped(shop, response)


def route(method: str, path: str) -> tuple[Handler, RestError]:
    """Return who serves a request and what a stranger is told; raises the no-route error."""
    words = path.strip("/").split("/")
    if words[0] == "simulator":
        handler = CONTROLS.get((method, words[-1]))
    elif path.startswith(f"{API}/"):
        pattern = "/".join("#" if word.isdigit() else word for word in words[3:])
        handler = ROUTES.get(("PUT" if method == "PATCH" else method, pattern))
    else:
        handler = None
    if handler is None:
        raise no_route()
    return handler, _denied(method, words)


# -- plumbing --


def _denied(method: str, words: list[str]) -> RestError:
    single = words[-1].isdigit()
    if words[-1] == "batch":
        code, what = "cannot_batch", "you are not allowed to batch manipulate this resource"
    elif method == "GET":
        code, what = (
            "cannot_view",
            f"you cannot {'view this resource' if single else 'list resources'}",
        )
    elif method == "DELETE":
        code, what = "cannot_delete", "you are not allowed to delete this resource"
    elif single:
        code, what = "cannot_edit", "you are not allowed to edit this resource"
    else:
        code, what = "cannot_create", "you are not allowed to create resources"
    return RestError(f"woocommerce_rest_{code}", f"Sorry, {what}.", 401)


def _json(status: int, content: Any, headers: dict[str, str]) -> Response:
    body = msgspec.json.encode(content)
    return Response(body, status, headers, media_type="application/json; charset=UTF-8")


def _fault_response(fault: Answer) -> Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.body is not None:
        return Response(fault.body, fault.status, headers, media_type="text/html")
    error = RestError("simulated_fault", "Scripted by the test.", fault.status)
    return _json(fault.status, error.body(), headers)


def _stamped(shop: Shop, response: Response) -> Response:
    response.headers["Date"] = formatdate(shop.site.clock(), usegmt=True)
    return response
