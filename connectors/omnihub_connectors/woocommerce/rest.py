"""Calls of WooCommerce REST v3.

Guarantees: an answer is what was asked for or an error with a name: a refusal keeps the shop's
own code, and anything that is not JSON (a maintenance page, a PHP warning) is transient.
Does not: retry, wait or judge 401, 429 and 5xx; the transport of `Context.http` does.
"""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import msgspec

from omnihub.connect.errors import Refused, Transient
from omnihub_connectors.woocommerce.config import WooCommerceConfig

Params = dict[str, str | int]
T = TypeVar("T")
NOT_FOUND = 404


class Failure(msgspec.Struct):
    """The shop's error body, also inside the answer of a batch."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a collection: the JSON array as received and what its headers say."""

    body: bytes
    total: int
    pages: int
    answered_at: datetime
    """The shop's own clock."""


class Rest:
    """The API of one shop."""

    def __init__(self, http: httpx.AsyncClient, config: WooCommerceConfig) -> None:
        self._http = http
        self._api = f"{str(config.url).rstrip('/')}/wp-json/wc/v3"
        self._auth = (
            config.consumer_key.get_secret_value(),
            config.consumer_secret.get_secret_value(),
        )

    async def page(self, path: str, params: Params) -> Page:
        """Return one page of a collection."""
        response = await self._send("GET", path, params=params)
        try:
            return Page(
                body=response.content,
                total=int(response.headers["X-WP-Total"]),
                pages=int(response.headers["X-WP-TotalPages"]),
                answered_at=parsedate_to_datetime(response.headers["Date"]),
            )
        except (KeyError, ValueError) as error:
            raise Transient(
                f"GET {path}: the answer lacks the header {error}. "
                "Let caches and proxies before the shop pass X-WP-Total, X-WP-TotalPages and Date."
            ) from error

    async def find(self, path: str) -> bytes | None:
        """Return one resource as received, None when it does not exist."""
        response = await self._send("GET", path, allow_missing=True)
        return None if response.status_code == NOT_FOUND else response.content

    async def post(self, path: str, body: Any, answer: type[T]) -> T:
        """Send a call that may be repeated without a second effect; return its decoded answer."""
        response = await self._send("POST", path, json=body, extensions={"idempotent": True})
        return decode(response.content, answer, f"POST {path}")

    async def create(self, path: str, body: Any) -> None:
        """Send a call that must not be repeated blindly."""
        await self._send("POST", path, json=body)

    async def put(self, path: str, body: Any) -> None:
        """Change one resource."""
        await self._send("PUT", path, json=body)

    async def _send(
        self, method: str, path: str, allow_missing: bool = False, **content: Any
    ) -> httpx.Response:
        response = await self._http.request(
            method, f"{self._api}/{path}", auth=self._auth, **content
        )
        is_json = response.headers.get("content-type", "").startswith("application/json")
        if not is_json:
            raise Transient(
                f"{method} {path} answered {response.status_code} without JSON. "
                "Is the shop in maintenance, or url not the shop's address?"
            )
        missing = allow_missing and response.status_code == NOT_FOUND
        if response.is_error and not missing:
            failure = decode(response.content, Failure, f"{method} {path}")
            raise refused(failure, f"{method} {path}")
        return response


def decode(body: bytes, answer: type[T], told: str) -> T:
    """Return the decoded body; an answer of another shape is transient."""
    try:
        return msgspec.json.decode(body, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Transient(f"{told}: the answer cannot be read: {error}") from error


def refused(failure: Failure, told: str) -> Refused:
    """Return the error of a call the shop will not accept, in its own words."""
    return Refused(
        f"{told} was refused: {failure.code} ({failure.message})",
        cure="mend the product in the shop, or stop publishing this SKU to it, then retry",
    )
