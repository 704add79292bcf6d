"""The one HTTP transport of all connectors: budget, patience and circuit breaker under httpx.

Guarantees: authors use a plain `httpx.AsyncClient`; what can be repeated without a second effect
is repeated with full jitter, what cannot is reported. Every failure leaves as `Transient`,
`RateLimited` or `AuthFailed`; other answers (404, 422, ...) are returned as they are.
Does not: refresh tokens (a connector catches `AuthFailed` and signs in again), or repeat a POST
unless the request says `extensions={"idempotent": True}` or the system cannot have seen it.
"""

from dataclasses import dataclass, field

import httpx

from omnihub.connect.budget import Breaker, Budget, retry_after_s
from omnihub.connect.errors import AuthFailed, RateLimited, Transient
from omnihub.connect.observer import Observer, Unobserved
from omnihub.connect.pace import Time
from omnihub.model.ids import InstanceId

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_UNSEEN = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_TOO_MANY, _SERVER_ERROR = 429, 500
_AUTH = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long one call is tried before its failure is reported."""

    attempts: int = 4
    backoff_s: float = 0.25
    backoff_max_s: float = 5.0
    wait_max_s: float = 10.0
    """A longer wait is not slept here but reported, so that a stop is noticed meanwhile."""


@dataclass
class PatientTransport(httpx.AsyncBaseTransport):
    """Wraps another transport (a real one, or a simulator by `ASGITransport`)."""

    inner: httpx.AsyncBaseTransport
    instance: InstanceId
    budget: Budget = field(default_factory=Budget)
    breaker: Breaker = field(default_factory=Breaker)
    patience: Patience = field(default_factory=Patience)
    time: Time = field(default_factory=Time)
    observer: Observer = field(default_factory=Unobserved)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, if need be several times.

        Raises:
            Transient, RateLimited, AuthFailed: see the module.
        """
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return await self._attempt(request)
            except RateLimited as error:
                await self._pause(error, attempt)
            except Transient as error:
                if not (_may_repeat(request) or isinstance(error.__cause__, _UNSEEN)):
                    raise
                await self._pause(error, attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self.inner.aclose()

    async def _attempt(self, request: httpx.Request) -> httpx.Response:
        await self._admitted(request)
        try:
            response = await self.inner.handle_async_request(request)
            await response.aread()
        except httpx.TransportError as error:
            self.breaker.failed(self.time.monotonic_s())
            raise Transient(
                f"{_told(request)} failed: {type(error).__name__}. Is the system up?"
            ) from error
        except BaseException:
            self.breaker.abandoned()
            raise
        self._judge(request, response)
        return response

    async def _admitted(self, request: httpx.Request) -> None:
        """Wait for budget and breaker; report waits that are too long to sleep through."""
        if wait := self.breaker.wait_s(self.time.monotonic_s()):
            raise _Open(f"{_told(request)} not sent: the system was down a moment ago", wait)
        try:
            while wait := self.budget.take(self.time.monotonic_s()):
                if wait > self.patience.wait_max_s:
                    raise RateLimited(f"{_told(request)}: budget is used up", wait)
                self.observer.waited(self.instance, "budget", wait)
                await self.time.sleep(wait)
        except BaseException:
            self.breaker.abandoned()
            raise

    def _judge(self, request: httpx.Request, response: httpx.Response) -> None:
        now_s, wall_s = self.time.monotonic_s(), self.time.wall_s()
        status = response.status_code
        self.budget.learn(response.headers, now_s, wall_s)
        wait = retry_after_s(response.headers, wall_s)
        if status >= _SERVER_ERROR:
            self.breaker.failed(now_s)
            raise Transient(f"{_told(request)} answered {status}", wait)
        self.breaker.succeeded()
        if status == _TOO_MANY:
            self.budget.block(now_s, wait or 0.0)
            raise RateLimited(f"{_told(request)} answered 429", wait)
        if status in _AUTH:
            raise AuthFailed(
                f"{_told(request)} answered {status}. Check credentials and rights of "
                f"connectors.{self.instance}."
            )

    async def _pause(self, error: Transient | RateLimited, attempt: int) -> None:
        """Sleep before the next attempt, or raise `error` when there is none."""
        bound = min(self.patience.backoff_max_s, self.patience.backoff_s * 2**attempt)
        wait = bound * self.time.chance()
        if error.retry_after_s is not None:
            wait += error.retry_after_s
        is_last = attempt >= self.patience.attempts
        if is_last or wait > self.patience.wait_max_s or isinstance(error, _Open):
            raise error
        self.observer.waited(self.instance, type(error).__name__, wait)
        await self.time.sleep(wait)


class _Open(Transient):
    """The breaker is open: nothing was sent and nothing is slept here."""


def _may_repeat(request: httpx.Request) -> bool:
    return request.method in _IDEMPOTENT or request.extensions.get("idempotent") is True


def _told(request: httpx.Request) -> str:
    # The query may hold keys and personal data: only method, host and path are told.
    return f"{request.method} {request.url.host}{request.url.path}"
