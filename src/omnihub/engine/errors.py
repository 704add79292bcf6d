"""What can end a worker, named by what its supervisor should do.

OmniHubError (model)
├── SlotTaken        another process holds this slot: exit, never fight (exit 4)
├── TaskRefused      this code must not run on this state or topic: mend, then start
└── TransactionLost  (RetryableError) a transaction failed; the worker rewinds by itself
"""

from omnihub.model.errors import OmniHubError, RetryableError


class SlotTaken(OmniHubError):
    """Another live process has this worker's slot; two holders would fence each other for ever."""


class TaskRefused(OmniHubError):
    """A task cannot be opened safely with this code, topic or state."""


class TransactionLost(RetryableError):
    """A transaction was aborted or its outcome is unknown; its tasks must be opened anew."""
