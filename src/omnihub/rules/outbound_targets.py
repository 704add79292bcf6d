"""How a target of the outbound rule is named, and when a command counts as lost.

Guarantees: one key per tenant, instance and entity at the other side; the same in every mode.
"""

from typing import Protocol

from omnihub.model.ids import InstanceId, TenantId
from omnihub.model.records import CommandResult
from omnihub.model.time import MINUTE_US
from omnihub.rules.rule import Out, Rows

STUCK_AFTER_US = 15 * MINUTE_US
"""A command without a result for so long (its result was skipped in the hospital) is sent anew."""


class Addressed(Protocol):
    """What is meant for a target."""

    @property
    def tenant(self) -> TenantId:
        """The retailer."""

    @property
    def instance(self) -> InstanceId:
        """The connected system."""

    @property
    def target(self) -> str:
        """The entity there whose commands stay in order."""


class Mode(Protocol):
    """How the commands of some targets come to their end; each command belongs to one mode."""

    def settle(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """Close the command that is done or superseded; False when it is not of this mode."""

    def repeat(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """Issue the refused command again; False when it is not of this mode."""


def key_of(record: Addressed) -> str:
    """Return the key of a target."""
    return f"{record.tenant}:{record.instance}:{record.target}"


def command_topic(record: Addressed) -> str:
    """Return where the commands of an instance go."""
    return f"omni.command.{record.instance}.v1"


def is_stuck(sent_at_us: int | None, now_us: int) -> bool:
    """Tell whether a command that was sent then should have had its result by now."""
    return sent_at_us is not None and now_us - sent_at_us > STUCK_AFTER_US
