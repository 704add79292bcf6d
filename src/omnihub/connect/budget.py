"""How many calls a credential may make: a token bucket that believes the system, and a breaker.

Guarantees: the budget only ever learns downwards from what the system says, and refills at the
configured rate; an open breaker lets one probe through at a time. Pure of clocks: times are given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_EPOCH_S = 1_000_000_000
_LEAST_WAIT_S = 0.001
_REMAINING = ("ratelimit-remaining", "x-ratelimit-remaining")
_RESET = ("ratelimit-reset", "x-ratelimit-reset")


@dataclass(slots=True)
class Budget:
    """Tokens of one credential. `rate_per_s` refills up to `burst`."""

    rate_per_s: float = 20.0
    burst: float = 40.0
    tokens: float = -1.0
    at_s: float = 0.0
    blocked_until_s: float = 0.0

    def take(self, now_s: float) -> float:
        """Take one token; return how long to wait before the call (0 = go)."""
        if self.tokens < 0 and self.at_s == 0.0:
            self.tokens, self.at_s = self.burst, now_s
        if now_s < self.blocked_until_s:
            return self.blocked_until_s - now_s
        self._refill(now_s)
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        # Never less than a clock can tell: a wait it cannot see would be asked for without end.
        return max(_LEAST_WAIT_S, (1 - self.tokens) / self.rate_per_s)

    def learn(self, headers: Mapping[str, str], now_s: float, wall_s: float) -> None:
        """Correct the tokens downwards by what the system says is left."""
        left = _number(headers, _REMAINING)
        if left is None:
            return
        self._refill(now_s)
        self.tokens = min(self.tokens, left)
        reset = _number(headers, _RESET)
        if left < 1 and reset is not None:
            self.block(now_s, reset - wall_s if reset > _EPOCH_S else reset)

    def block(self, now_s: float, seconds: float) -> None:
        """Make no call for `seconds`: the system asked for it."""
        self.tokens = 0.0
        self.blocked_until_s = max(self.blocked_until_s, now_s + max(0.0, seconds))

    def _refill(self, now_s: float) -> None:
        since_s = max(0.0, now_s - max(self.at_s, self.blocked_until_s))
        self.tokens = min(self.burst, self.tokens + since_s * self.rate_per_s)
        self.at_s = now_s


@dataclass(slots=True)
class Breaker:
    """Stops calling a system that is down: open after `limit` failures in a row."""

    limit: int = 5
    pause_s: float = 5.0
    failures: int = 0
    open_until_s: float = 0.0
    is_probing: bool = False

    def wait_s(self, now_s: float) -> float:
        """Return 0 when a call may be made, otherwise how long to stay away."""
        if self.failures < self.limit:
            return 0.0
        if now_s < self.open_until_s:
            return self.open_until_s - now_s
        if self.is_probing:
            return self.pause_s
        self.is_probing = True
        return 0.0

    def succeeded(self) -> None:
        """The system answered: close."""
        self.failures, self.is_probing = 0, False

    def failed(self, now_s: float) -> None:
        """The system is down: after the limit, and after each probe, stay away."""
        self.failures += 1
        self.is_probing = False
        self.open_until_s = now_s + self.pause_s

    def abandoned(self) -> None:
        """A call ended without telling anything about the system: let another one probe."""
        self.is_probing = False


def retry_after_s(headers: Mapping[str, str], wall_s: float) -> float | None:
    """Return the wait that a Retry-After header asks for: seconds or an HTTP date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if (seconds := _float(text)) is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - wall_s)


def _number(headers: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        if (text := headers.get(name)) is not None:
            return _float(text)
    return None


def _float(text: str) -> float | None:
    digits = text.strip()
    return float(digits) if digits.isascii() and digits.replace(".", "", 1).isdigit() else None
