"""What can end or delay a worker, named by what its supervisor should do.

OmniHubError (model)
├── SlotTaken        another process holds this slot: exit, never fight
├── TaskRefused      (Refused) this code must not run on this state or topic: mend, then start
├── TransactionLost  (RetryableError) a transaction failed; the worker rewinds by itself
├── StoreUnusable    (RetryableError) the rows on disk cannot be used; the tasks are opened anew
├── RowsUnfit        (RetryableError) a row cannot be stored; the batch runs again, its record parks
└── Misplaced        (ParkError) a record of a type that its inbox does not take
"""

from omnihub.model.errors import OmniHubError, ParkError, Refused, RetryableError


class SlotTaken(OmniHubError):
    """Another live process has this worker's slot; two holders would fence each other for ever."""


class TaskRefused(Refused):
    """A task cannot be opened safely with this code, topic or state."""


class TransactionLost(RetryableError):
    """A transaction was aborted or its outcome is unknown; its tasks must be opened anew."""


class StoreUnusable(RetryableError):
    """The disk or the database on it failed; every row is in the changelogs, nothing is lost."""


class RowsUnfit(RetryableError):
    """A changed row does not fit its schema or the log; found when the batch was to be committed.

    The second time the task is careful with this batch: it tries every row of every record at once,
    so that the record that wrote the row is parked and its neighbours go on.
    """


class Misplaced(ParkError):
    """A record lies on an inbox that does not take its type."""
