"""What can go wrong, named by what the caller should do.

    OmniHubError
    ├── ConfigurationError   fix the configuration; the process refuses to start (exit 2)
    ├── Refused              this release must not run on what it found (exit 4)
    ├── RetryableError       the same call may succeed later (outage, rate limit)
    ├── RejectedError        the sender's fault: becomes a `Rejected` event, nothing is parked
    ├── ParkError            cannot be processed now: park by key, with the act that cures it
    │   └── Unmapped         a source code has no canonical id yet
    └── InvariantBroken      a promise is broken: stop the worker

Messages say what happened, the value, where it came from and what to do. They never hold payload.
"""


class OmniHubError(Exception):
    """Root of every error that OmniHub raises on purpose."""


class ConfigurationError(OmniHubError):
    """The configuration is wrong; nothing starts until it is mended."""


class Refused(OmniHubError):
    """This release must not run on what it found; nothing was changed, and no restart mends it."""


class RetryableError(OmniHubError):
    """The same call may succeed later; `retry_after_s` is the earliest sensible moment."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RejectedError(OmniHubError):
    """The sender's request is refused for a business reason."""

    def __init__(self, reason_code: str, detail: str, subject: str = "") -> None:
        super().__init__(f"{reason_code}: {detail}")
        self.reason_code = reason_code
        self.detail = detail
        self.subject = subject


class ParkError(OmniHubError):
    """The record cannot be processed now: it waits in the hospital, others of its key behind it."""

    def __init__(self, message: str, cure: str, waits_for: str | None = None) -> None:
        super().__init__(message)
        self.cure = cure
        self.waits_for = waits_for


class Unmapped(ParkError):
    """A code of a source system has no canonical id; setting one releases what waits for it."""

    def __init__(self, instance: str, kind: str, code: str) -> None:
        super().__init__(
            f"{kind} '{code}' of {instance} has no canonical id",
            cure=f"omnihub map set {instance} {kind} '{code}' CANONICAL",
            waits_for=f"{instance}/{kind}/{code}",
        )


class InvariantBroken(OmniHubError):
    """Something that must always hold does not; continuing would spread the damage."""
