"""What can go wrong at the log's ports."""

from omnihub.model.errors import RejectedError, RetryableError


class LogUnavailable(RetryableError):
    """The log did not answer in time; what was being appended may still be written."""


class RecordTooLarge(RejectedError):
    """The record is larger than the log takes; nothing was written."""

    def __init__(self, topic: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            "record_too_large",
            f"A record of {size_bytes} bytes for '{topic}' is over the limit of {limit_bytes}. "
            "Send it in smaller parts.",
        )
