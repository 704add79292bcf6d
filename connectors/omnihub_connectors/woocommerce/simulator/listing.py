"""The collection parameters of REST v3: filters, order and pages.

Guarantees: the bounds are exclusive, dates without a zone are taken as they stand and dates with
one are moved into the *shop's* zone before they are compared (also against GMT columns: the trap
of `modified_after=...Z`), as WordPress does. Rows that share a second have no order of their own
under `orderby=modified`: the plugin lower-cases its tie-break away, so pages may repeat and miss.
"""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from omnihub_connectors.woocommerce.simulator.errors import invalid_param
from omnihub_connectors.woocommerce.simulator.products import TRASH, VARIATION, Payload

MAX_PER_PAGE = 100
ORDER_KEYS = {"date": "date_created", "modified": "date_modified", "title": "name", "slug": "slug"}
STATUSES = ("any", "future", "trash", "draft", "pending", "private", "publish")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a collection with what its headers tell."""

    rows: list[Payload]
    number: int
    total: int
    pages: int

    def headers(self, base: str, params: Mapping[str, str]) -> dict[str, str]:
        """Return X-WP-Total, X-WP-TotalPages and Link."""
        links = []
        if self.number > 1:
            links.append((min(self.number - 1, self.pages), "prev"))
        if self.pages > self.number:
            links.append((self.number + 1, "next"))
        link = ", ".join(
            f'<{base}?{urlencode({**params, "page": page})}>; rel="{rel}"' for page, rel in links
        )
        headers = {"X-WP-Total": str(self.total), "X-WP-TotalPages": str(self.pages)}
        return headers | ({"Link": link} if link else {})


def paginate(rows: list[Any], params: Mapping[str, str]) -> Page:
    """Cut one page out of `rows`; a page beyond the end is empty, not an error."""
    per_page = _integer(params, "per_page", 10, MAX_PER_PAGE)
    number = _integer(params, "page", 1)
    start = int(params["offset"]) if params.get("offset") else (number - 1) * per_page
    pages = math.ceil(len(rows) / per_page)
    return Page(rows[start : start + per_page], number, len(rows), pages)


def select_products(
    rows: Iterable[Payload], params: Mapping[str, str], zone: ZoneInfo, ties: random.Random
) -> list[Payload]:
    """Return the products that the parameters ask for, in the order they ask for."""
    status = _one_of(params, "status", "any", STATUSES)
    skus = set(params["sku"].split(",")) | {params["sku"]} if params.get("sku") else None
    include, exclude = _ids(params, "include"), _ids(params, "exclude")
    bounds = list(_date_bounds(params, zone))
    found = [
        row
        for row in rows
        if (row["status"] == status if status != "any" else row["status"] != TRASH)
        and (row["sku"] in skus if skus else row["type"] != VARIATION)
        and (not include or row["id"] in include)
        and row["id"] not in exclude
        and all(row[column] > low and row[column] < high for column, low, high in bounds)
        and params.get("type", row["type"]) == row["type"]
    ]
    return _ordered(found, params, ties)


def select_orders(
    rows: Iterable[Payload], params: Mapping[str, str], zone: ZoneInfo, ties: random.Random
) -> list[Payload]:
    """Return the orders that the parameters ask for; `status` is a list, parted by commas."""
    statuses = set(params.get("status", "any").split(","))
    customer, searched = params.get("customer"), params.get("search", "")
    include = _ids(params, "include")
    bounds = list(_date_bounds(params, zone))
    found = [
        row
        for row in rows
        if (row["status"] in statuses or ("any" in statuses and row["status"] != TRASH))
        and (customer is None or str(row["customer_id"]) == customer)
        and (not include or row["id"] in include)
        and searched in (row["number"], row["billing"]["email"], "")
        and all(row[column] > low and row[column] < high for column, low, high in bounds)
    ]
    return _ordered(found, params, ties)


def select_customers(rows: Iterable[Payload], params: Mapping[str, str]) -> list[Payload]:
    """Return the customers that the parameters ask for; there is no `modified_after` here."""
    email, include = params.get("email"), _ids(params, "include")
    column = _one_of(params, "orderby", "name", ("id", "include", "name", "registered_date"))
    descending = _one_of(params, "order", "asc", ("asc", "desc")) == "desc"
    key = {"name": "username", "registered_date": "date_created"}.get(column, "id")
    found = [
        row
        for row in rows
        if (email is None or row["email"] == email) and (not include or row["id"] in include)
    ]
    return sorted(found, key=lambda row: (row[key], row["id"]), reverse=descending)


def keep_fields(row: Payload, fields: str) -> Payload:
    """Apply `_fields`: a comma separated list of the top-level fields to show."""
    wanted = set(fields.split(","))
    return {name: value for name, value in row.items() if name in wanted}


def is_true(params: Mapping[str, str], name: str) -> bool:
    """Read a boolean parameter, in any case of letters, as WordPress does."""
    return params.get(name, "").lower() in ("true", "1")


def _ordered(rows: list[Payload], params: Mapping[str, str], ties: random.Random) -> list[Payload]:
    orderby = _one_of(params, "orderby", "date", (*ORDER_KEYS, "id", "include"))
    descending = _one_of(params, "order", "desc", ("asc", "desc")) == "desc"
    if orderby == "modified":
        ties.shuffle(rows)
        return sorted(rows, key=lambda row: str(row["date_modified"]), reverse=descending)
    column = ORDER_KEYS.get(orderby, "id")
    return sorted(rows, key=lambda row: (row[column], row["id"]), reverse=descending)


def _date_bounds(params: Mapping[str, str], zone: ZoneInfo) -> Iterable[tuple[str, str, str]]:
    suffix = "_gmt" if is_true(params, "dates_are_gmt") else ""
    for column, low, high in (
        ("date_modified", "modified_after", "modified_before"),
        ("date_created", "after", "before"),
    ):
        if low in params or high in params:
            yield (
                column + suffix,
                _date(params, low, zone) if low in params else "",
                _date(params, high, zone) if high in params else "9999",
            )


def _date(params: Mapping[str, str], name: str, zone: ZoneInfo) -> str:
    try:
        moment = datetime.fromisoformat(params[name])
    except ValueError:
        raise invalid_param(name, "Invalid date.", "rest_invalid_date") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(zone)
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def _integer(params: Mapping[str, str], name: str, default: int, maximum: int | None = None) -> int:
    text = params.get(name, str(default))
    if not text.lstrip("-").isdigit():
        raise invalid_param(name, f"{name} is not of type integer.", "rest_invalid_type")
    if maximum is not None and not 1 <= int(text) <= maximum:
        reason = f"{name} must be between 1 (inclusive) and {maximum} (inclusive)"
        raise invalid_param(name, reason, "rest_out_of_bounds")
    if int(text) < 1:
        reason = f"{name} must be greater than or equal to 1"
        raise invalid_param(name, reason, "rest_out_of_bounds")
    return int(text)


def _one_of(params: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = params.get(name, default)
    if value not in allowed:
        words = f"{', '.join(allowed[:-1])}, and {allowed[-1]}"
        raise invalid_param(name, f"{name} is not one of {words}.", "rest_not_in_enum")
    return value


def _ids(params: Mapping[str, str], name: str) -> set[int]:
    return {int(text) for text in params.get(name, "").split(",") if text.strip().isdigit()}
