"""What became of the commands of one write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from omnihub.connect.errors import AuthFailed, PartialWrite
from omnihub.model.errors import OmniHubError, RetryableError
from omnihub.model.ids import CommandId


class Asked(Protocol):
    """A command, or what was made of it."""

    @property
    def command_id(self) -> CommandId:
        """The command's id."""


@dataclass(slots=True)
class Outcome:
    """Commands that are done, with Tryton's own word for it, and commands that failed."""

    done: dict[CommandId, str] = field(default_factory=dict)
    failed: dict[CommandId, OmniHubError] = field(default_factory=dict)

    def fail(self, asked: Iterable[Asked], error: OmniHubError) -> None:
        """Note that `asked` failed."""
        self.failed |= {each.command_id: error for each in asked}

    def fail_the_rest(self, asked: Iterable[Asked], error: OmniHubError) -> None:
        """Note that those of `asked` failed of which nothing is known yet."""
        known = self.done.keys() | self.failed.keys()
        self.fail((each for each in asked if each.command_id not in known), error)

    def settle(self) -> Mapping[CommandId, str]:
        """Return what is done.

        Raises:
            Transient, RateLimited, AuthFailed: nothing is done, all for this one reason.
            PartialWrite: some failed, each for its own reason.
        """
        if not self.failed:
            return self.done
        first, *others = self.failed.values()
        is_outage = isinstance(first, RetryableError | AuthFailed)
        if is_outage and not self.done and all(each is first for each in others):
            raise first
        raise PartialWrite(self.done, self.failed)
