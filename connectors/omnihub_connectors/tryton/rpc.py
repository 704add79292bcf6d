"""Tryton's JSON-RPC over httpx: sessions, typed JSON, and errors named by what to do about them.

Guarantees: a call signs in when there is no session and once more when the session was refused;
every failure leaves as `Transient`, `RateLimited`, `AuthFailed` or `Refused`. The user's own
preferences (company, language) are the context of every call, as in Tryton's own client.
Does not: repeat a call that may have had an effect: say `repeatable=True` for those that may be
asked twice.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import SecretStr

from omnihub.connect.errors import AuthFailed, RateLimited, Refused, Transient
from omnihub_connectors.tryton.codec import decode, encode

Row = dict[str, Any]
Domain = list[Any]
MAX_ROWS_PER_CREATE = 80
"""trytond's SQL for many new records at once nests; a hundred overflow SQLite's parser."""

READ_TIMEOUT_S = 20.0
WRITE_TIMEOUT_S = 60.0
"""A write over a slow ERP's lock; giving up earlier would only leave the outcome open."""

MAX_WARNINGS = 5

_NO_RIGHTS = "you are not allowed"
_BUSY = ("database is locked", "timeout")


class Warned(Refused):
    """Tryton asks a person before it goes on; `name` is what a yes refers to."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message, cure="do it once by hand in Tryton, then retry the command")
        self.name = name


@dataclass(frozen=True, slots=True)
class Account:
    """Where a Tryton is and who signs in."""

    url: str
    database: str
    user: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class _Session:
    authorization: str
    context: Mapping[str, Any]


class TrytonRpc:
    """One account's calls; safe for concurrent tasks of one event loop.

    One call at a time, first come first served: a slow ERP does nothing sooner for being asked
    twice at once, and at its database writers that wait for each other starve at random. Whoever
    has several calls to make in a row asks for a `turn`.
    """

    def __init__(self, http: httpx.AsyncClient, account: Account) -> None:
        self._http = http
        self._account = account
        self._session: _Session | None = None
        self._signing_in = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._taken_by: asyncio.Task[Any] | None = None

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Keep the account to the present task for several calls."""
        task = asyncio.current_task()
        if self._taken_by is task:
            yield
            return
        async with self._turn:
            self._taken_by = task
            try:
                yield
            finally:
                self._taken_by = None

    async def call(
        self, method: str, *params: Any, repeatable: bool = False, **context: Any
    ) -> Any:
        """Call `method`; `context` adds to the user's own.

        Raises:
            Transient, RateLimited: ask again later.
            AuthFailed: the account is refused, or lacks a right.
            Refused: Tryton will not do this.
        """
        content = await self.fetch(method, *params, repeatable=repeatable, **context)
        return result_of(method, content)

    async def fetch(
        self, method: str, *params: Any, repeatable: bool = False, **context: Any
    ) -> bytes:
        """Call `method` and return the answer's bytes as they came, known to hold a result.

        Raises: as `call`.
        """
        async with self.turn():
            content = await self._signed_in(method, params, context, repeatable)
        _judge_answer(method, content)
        return content

    async def _signed_in(
        self, method: str, params: tuple[Any, ...], context: Mapping[str, Any], repeatable: bool
    ) -> bytes:
        session = self._session or await self._sign_in(None)
        try:
            return await self._post(session, method, params, context, repeatable)
        except AuthFailed:
            # A refused session was not used: nothing happened, whatever the method does.
            session = await self._sign_in(session)
            return await self._post(session, method, params, context, repeatable)

    async def search_read(
        self, model: str, domain: Domain, fields: list[str], limit: int | None = None
    ) -> list[Row]:
        """Return rows of `model` that match, oldest first."""
        rows: list[Row] = await self.call(
            f"model.{model}.search_read", domain, 0, limit, [["id", "ASC"]], fields, repeatable=True
        )
        return rows

    async def create(self, model: str, values: list[Row]) -> list[int]:
        """Create records in one transaction and return their ids; one attempt, never repeated."""
        ids: list[int] = await self.call(f"model.{model}.create", values)
        return ids

    async def press(self, model: str, button: str, ids: list[int]) -> None:
        """Press a workflow button; Tryton ignores it for records it does not apply to.

        Warnings are questions to a person ("no origin", "in the future"); here they are answered
        with yes, each once, as Tryton's own client does it.
        """
        for _ in range(MAX_WARNINGS):
            try:
                await self.call(f"model.{model}.{button}", ids, repeatable=True)
                return
            except Warned as warning:
                await self.call("model.res.user.warning.skip", warning.name)
        raise Refused(f"{model}.{button} keeps on asking", cure="do it once by hand in Tryton")

    async def server(self) -> tuple[str, datetime]:
        """Return the server's series ("8.2") and its clock; needs no account."""
        method = "common.server.version"
        body: Row = {"id": 0, "method": method, "params": []}
        response = await self._send("", body, {}, repeatable=True)
        told = response.headers.get("Date", "")
        try:
            now = parsedate_to_datetime(told)
        except ValueError:
            raise Refused(f"the server's clock reads '{told}'", cure="check `url`") from None
        return str(result_of(method, response.content)), now

    async def user_context(self) -> Mapping[str, Any]:
        """Return the user's own context: company, language, groups."""
        return (self._session or await self._sign_in(None)).context

    def forget_session(self) -> None:
        """Sign in anew at the next call: the user's preferences have changed."""
        self._session = None

    async def _sign_in(self, refused: _Session | None) -> _Session:
        """Return a session other than `refused`; concurrent callers share one sign-in."""
        async with self._signing_in:
            if self._session is None or self._session is refused:
                self._session = None
                self._session = await self._new_session()
            return self._session

    async def _new_session(self) -> _Session:
        account = self._account
        secret = {"password": account.password.get_secret_value()}
        body = {"id": 0, "method": "common.db.login", "params": [account.user, secret, "en"]}
        answer = await self._send(self._account.database, body, {}, repeatable=True)
        uid, token = result_of("common.db.login", answer.content)[:2]
        told = base64.b64encode(f"{account.user}:{uid}:{token}".encode()).decode()
        bare = _Session(f"Session {told}", {})
        asked = "model.res.user.get_preferences"
        preferences = result_of(asked, await self._post(bare, asked, (True,), {}, True))
        kept = ("company", "companies", "company_filter", "groups", "language")
        context = {name: preferences[name] for name in kept if name in preferences}
        return _Session(bare.authorization, context)

    async def _post(
        self,
        session: _Session,
        method: str,
        params: tuple[Any, ...],
        context: Mapping[str, Any],
        repeatable: bool,
    ) -> bytes:
        # Exactly these three keys: with any other set Tryton answers in another form.
        body = {"id": 1, "method": method, "params": [*params, {**session.context, **context}]}
        headers = {"Authorization": session.authorization}
        return (await self._send(self._account.database, body, headers, repeatable)).content

    async def _send(
        self, database: str, body: Row, headers: dict[str, str], repeatable: bool
    ) -> httpx.Response:
        method = body["method"]
        path = f"/{database}/rpc/" if database else "/rpc/"
        try:
            response = await self._http.post(
                self._account.url.rstrip("/") + path,
                content=encode(body),
                headers={"Content-Type": "application/json", **headers},
                timeout=READ_TIMEOUT_S if repeatable else WRITE_TIMEOUT_S,
                extensions={"idempotent": repeatable},
            )
        except httpx.TransportError as error:
            raise Transient(f"Tryton does not answer {method}: {error!r}") from error
        _judge_status(method, response.status_code)
        return response


def result_of(method: str, content: bytes) -> Any:
    """Return the result in an answer to `method`.

    Raises: as `TrytonRpc.call`; an answer that breaks off is `Transient`.
    """
    _judge_answer(method, content)
    try:
        return decode(content)["result"]
    except (ValueError, KeyError, TypeError):
        raise Transient(f"Tryton's answer to {method} cannot be read") from None


def _judge_status(method: str, status: int) -> None:
    if status == httpx.codes.OK:
        return
    told = f"Tryton answered {status} to {method}"
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise AuthFailed(f"{told}. Check user, password and rights of the account.")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise RateLimited(told)
    if status == httpx.codes.NOT_FOUND:
        raise Refused(f"{told}: no such database", cure="correct `database` of the instance")
    if httpx.codes.is_server_error(status):
        raise Transient(told)
    raise Refused(told, cure="check `url`: is it a Tryton 8 server?")


def _judge_answer(method: str, content: bytes) -> None:
    # The error key is the only one that can follow the id besides the result.
    if b'"error"' not in content[:40]:
        return
    try:
        name, *details = decode(content)["error"]
    except (ValueError, KeyError, TypeError):
        raise Transient(f"Tryton's answer to {method} cannot be read") from None
    told = _told(name, details)
    if name == "UserWarning" and details:
        raise Warned(f"{method}: {told}", details[0][0])
    if name == "ConcurrencyException" or any(word in told.lower() for word in _BUSY):
        raise Transient(f"{method}: {told}")
    if name == "UserError" and told.lower().startswith(_NO_RIGHTS):
        raise AuthFailed(f"{method}: {told}")
    raise Refused(f"{method}: {told}", cure="mend the record in Tryton, then retry the command")


def _told(name: str, details: list[Any]) -> str:
    if name in ("UserError", "UserWarning") and details and details[0]:
        parts = details[0][1:] if name == "UserWarning" else details[0]
        return " ".join(part for part in parts if isinstance(part, str) and part)
    return str(name)
