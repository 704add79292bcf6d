"""What each route of REST v3 does, and a few routes of our own.

Guarantees: a handler answers (status, JSON value, headers) or raises the provider's error.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request

from omnihub_connectors.woocommerce.simulator.errors import RestError, invalid_json, invalid_param
from omnihub_connectors.woocommerce.simulator.faults import Answer
from omnihub_connectors.woocommerce.simulator.listing import (
    is_true,
    keep_fields,
    paginate,
    select_customers,
    select_orders,
    select_products,
)
from omnihub_connectors.woocommerce.simulator.products import Payload
from omnihub_connectors.woocommerce.simulator.shop import Shop

BATCH_LIMIT = 100
Result = tuple[int, Any, dict[str, str]]
Handler = Callable[[Shop, Request], Awaitable[Result]]


# -- products and variations --


async def list_products(shop: Shop, request: Request) -> Result:
    """GET /products."""
    rows = select_products(shop.catalog, request.query_params, shop.site.zone, shop.ties)
    return _page(shop, request, rows)


async def list_variations(shop: Shop, request: Request) -> Result:
    """GET /products/#/variations."""
    parent_id = _id(request, 4)
    shop.catalog.get(parent_id)
    rows = [row for row in shop.catalog if row["parent_id"] == parent_id]
    return _page(shop, request, rows)


async def show_product(shop: Shop, request: Request) -> Result:
    """GET /products/#, variations included, and /products/#/variations/#."""
    product_id, parent_id = _target(request)
    row = shop.catalog.get(product_id, parent_id=parent_id)
    fields = request.query_params.get("_fields")
    return 200, keep_fields(row, fields) if fields else row, {}


async def create_product(shop: Shop, request: Request) -> Result:
    """POST /products and /products/#/variations."""
    parent_id = _id(request, 4) if request.url.path.endswith("/variations") else 0
    if parent_id:
        shop.catalog.get(parent_id)
    row = shop.catalog.create(await _body(request), parent_id)
    return 201, row, {"Location": str(row["_links"]["self"][0]["href"])}


async def update_product(shop: Shop, request: Request) -> Result:
    """PUT, POST or PATCH of one product or variation."""
    product_id, parent_id = _target(request)
    fields = await _body(request)
    quantity = fields.get("stock_quantity")
    if quantity is not None and (isinstance(quantity, bool) or not _is_integral(quantity)):
        reason = "stock_quantity is not of type integer."
        raise invalid_param("stock_quantity", reason, "rest_invalid_type")
    return 200, shop.catalog.update(product_id, fields, parent_id), {}


async def delete_product(shop: Shop, request: Request) -> Result:
    """DELETE: into the trash, or for ever with force=true."""
    product_id, parent_id = _target(request)
    if is_true(request.query_params, "force"):
        return 200, shop.catalog.delete(product_id, parent_id), {}
    return 200, shop.catalog.trash(product_id, parent_id), {}


async def batch_products(shop: Shop, request: Request) -> Result:
    """POST .../batch: each item succeeds or fails alone, in order, with the answer still 200."""
    parent_id = _id(request, 4) if "/variations/" in request.url.path else None
    items = await _body(request)
    verbs: dict[str, Callable[[Any], Payload]] = {
        "create": lambda item: shop.catalog.create(item, parent_id or 0),
        "update": lambda item: shop.catalog.update(int(item.get("id") or 0), item, parent_id),
        "delete": lambda item: shop.catalog.delete(int(item), parent_id),
    }
    total = sum(len(items.get(verb) or ()) for verb in verbs)
    if total > BATCH_LIMIT:
        message = f"Unable to accept more than {BATCH_LIMIT} items for this request."
        raise RestError("woocommerce_rest_request_entity_too_large", message, 413)
    result = {
        verb: [_one_of_batch(act, item) for item in items[verb]]
        for verb, act in verbs.items()
        if items.get(verb)
    }
    return 200, result or [], {}


def _one_of_batch(act: Callable[[Any], Payload], item: Any) -> Payload:
    try:
        return act(item)
    except RestError as error:
        item_id = item.get("id", 0) if isinstance(item, dict) else item
        return {"id": item_id, "error": error.body()}


# -- orders and customers --


async def list_orders(shop: Shop, request: Request) -> Result:
    """GET /orders."""
    rows = select_orders(shop.orders, request.query_params, shop.site.zone, shop.ties)
    return _page(shop, request, rows)


async def show_order(shop: Shop, request: Request) -> Result:
    """GET /orders/#."""
    return 200, shop.orders.get(_id(request, 4)), {}


async def create_order(shop: Shop, request: Request) -> Result:
    """POST /orders."""
    row = shop.orders.create(await _body(request))
    return 201, row, {"Location": str(row["_links"]["self"][0]["href"])}


async def update_order(shop: Shop, request: Request) -> Result:
    """PUT, POST or PATCH of one order."""
    return 200, shop.orders.update(_id(request, 4), await _body(request)), {}


async def delete_order(shop: Shop, request: Request) -> Result:
    """DELETE: into the trash, or for ever with force=true."""
    order_id = _id(request, 4)
    if is_true(request.query_params, "force"):
        return 200, shop.orders.delete(order_id), {}
    return 200, shop.orders.trash(order_id), {}


async def list_customers(shop: Shop, request: Request) -> Result:
    """GET /customers."""
    return _page(shop, request, select_customers(shop.customers, request.query_params))


async def show_customer(shop: Shop, request: Request) -> Result:
    """GET /customers/#."""
    return 200, shop.customers.get(_id(request, 4)), {}


async def create_customer(shop: Shop, request: Request) -> Result:
    """POST /customers."""
    row = shop.customers.create(await _body(request))
    return 201, row, {"Location": str(row["_links"]["self"][0]["href"])}


async def update_customer(shop: Shop, request: Request) -> Result:
    """PUT, POST or PATCH of one customer."""
    return 200, shop.customers.update(_id(request, 4), await _body(request)), {}


async def delete_customer(shop: Shop, request: Request) -> Result:
    """DELETE /customers/#?force=true."""
    force = is_true(request.query_params, "force")
    return 200, shop.customers.delete(_id(request, 4), force), {}


# -- webhooks --


async def list_webhooks(shop: Shop, request: Request) -> Result:
    """GET /webhooks."""
    hooks = shop.webhooks.all(request.query_params.get("status", "all"))
    return _page(shop, request, [hook.shown(shop.site.url) for hook in hooks])


async def show_webhook(shop: Shop, request: Request) -> Result:
    """GET /webhooks/#."""
    return 200, shop.webhooks.get(_id(request, 4)).shown(shop.site.url), {}


async def create_webhook(shop: Shop, request: Request) -> Result:
    """POST /webhooks."""
    hook = await shop.webhooks.create(await _body(request))
    return 201, hook.shown(shop.site.url), {}


async def update_webhook(shop: Shop, request: Request) -> Result:
    """PUT /webhooks/#."""
    hook = await shop.webhooks.update(_id(request, 4), await _body(request))
    return 200, hook.shown(shop.site.url), {}


async def delete_webhook(shop: Shop, request: Request) -> Result:
    """DELETE /webhooks/#?force=true."""
    force = is_true(request.query_params, "force")
    return 200, shop.webhooks.delete(_id(request, 4), force).shown(shop.site.url), {}


# -- ours --


async def show_state(shop: Shop, _: Request) -> Result:
    """GET /simulator/state."""
    return 200, shop.injected(), {}


async def add_faults(shop: Shop, request: Request) -> Result:
    """POST /simulator/faults: a list of scripted answers, as the fields of `Answer`."""
    shop.faults.add(*msgspec.json.decode(await request.body(), type=list[Answer]))
    return 200, {}, {}


async def drain_webhooks(shop: Shop, _: Request) -> Result:
    """POST /simulator/drain: deliver every waiting webhook before answering."""
    await shop.deliveries.drain()
    return 200, shop.injected(), {}


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "products"): list_products,
    ("POST", "products"): create_product,
    ("POST", "products/batch"): batch_products,
    ("PUT", "products/batch"): batch_products,
    ("GET", "products/#"): show_product,
    ("PUT", "products/#"): update_product,
    ("POST", "products/#"): update_product,
    ("DELETE", "products/#"): delete_product,
    ("GET", "products/#/variations"): list_variations,
    ("POST", "products/#/variations"): create_product,
    ("POST", "products/#/variations/batch"): batch_products,
    ("GET", "products/#/variations/#"): show_product,
    ("PUT", "products/#/variations/#"): update_product,
    ("DELETE", "products/#/variations/#"): delete_product,
    ("GET", "orders"): list_orders,
    ("POST", "orders"): create_order,
    ("GET", "orders/#"): show_order,
    ("PUT", "orders/#"): update_order,
    ("POST", "orders/#"): update_order,
    ("DELETE", "orders/#"): delete_order,
    ("GET", "customers"): list_customers,
    ("POST", "customers"): create_customer,
    ("GET", "customers/#"): show_customer,
    ("PUT", "customers/#"): update_customer,
    ("POST", "customers/#"): update_customer,
    ("DELETE", "customers/#"): delete_customer,
    ("GET", "webhooks"): list_webhooks,
    ("POST", "webhooks"): create_webhook,
    ("GET", "webhooks/#"): show_webhook,
    ("PUT", "webhooks/#"): update_webhook,
    ("POST", "webhooks/#"): update_webhook,
    ("DELETE", "webhooks/#"): delete_webhook,
}
CONTROLS: dict[tuple[str, str], Handler] = {
    ("GET", "state"): show_state,
    ("POST", "faults"): add_faults,
    ("POST", "drain"): drain_webhooks,
}


# -- plumbing --


def _page(shop: Shop, request: Request, rows: list[Payload]) -> Result:
    page = paginate(rows, request.query_params)
    fields = request.query_params.get("_fields")
    shown = [keep_fields(row, fields) for row in page.rows] if fields else page.rows
    return 200, shown, page.headers(f"{shop.site.url}{request.url.path}", request.query_params)


async def _body(request: Request) -> Payload:
    raw = await request.body()
    if not raw:
        return {}
    try:
        decoded = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise invalid_json() from None
    return decoded if isinstance(decoded, dict) else {}


def _id(request: Request, position: int) -> int:
    return int(request.url.path.strip("/").split("/")[position])


def _target(request: Request) -> tuple[int, int | None]:
    if "/variations/" in request.url.path:
        return _id(request, 6), _id(request, 4)
    return _id(request, 4), None


def _is_integral(value: Any) -> bool:
    return str(value).lstrip("-").isdigit()
