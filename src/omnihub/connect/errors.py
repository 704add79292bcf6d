"""What a connector may raise, named by what the runtime then does.

RetryableError (model)
├── Transient          the system is down or slow: back off with jitter, nothing is lost
└── RateLimited        wait until the budget is back
OmniHubError (model)
├── AuthFailed         refresh once, then stop calling and raise an alarm
├── Refused            this command will never succeed: report REFUSED, the target waits
├── PartialWrite       some commands of a batch failed; each failure is judged alone
├── OffsetGone         upstream no longer has this offset: never skip silently
├── BadSignature       a webhook without proof of its sender: answered 401, nothing is kept
└── BadDelivery        a delivery or entity that cannot be understood: parked with its reason
"""

from collections.abc import Mapping

from omnihub.model.errors import OmniHubError, ParkError, RetryableError
from omnihub.model.ids import CommandId


class Transient(RetryableError):
    """The other system is unreachable, slow or answers 5xx."""


class RateLimited(RetryableError):
    """The other system asks for patience."""


class AuthFailed(OmniHubError):
    """Credentials are wrong, expired or lack a right."""


class Refused(OmniHubError):
    """The other system will never accept this command as it is."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


class PartialWrite(OmniHubError):
    """Some commands of one write failed; the others are done, with the system's references."""

    def __init__(
        self, done: Mapping[CommandId, str], failed: Mapping[CommandId, OmniHubError]
    ) -> None:
        super().__init__(f"{len(failed)} of {len(done) + len(failed)} commands failed")
        self.done = dict(done)
        self.failed = dict(failed)


class OffsetGone(OmniHubError):
    """The system no longer has what this offset points at."""


class BadSignature(OmniHubError):
    """A webhook is not proven to come from its sender; the message never shows the proof."""


class BadDelivery(ParkError):
    """A delivery or entity cannot be understood; it is parked whole with its reason."""
