"""One attempt at a batch of commands, judged: what is done, what never will be, what comes again.

Guarantees: every command of the batch ends in exactly one of the three. A connector that raises
what it should not is asked again for each command alone, so that one cannot take down the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from omnihub.connect.errors import AuthFailed, PartialWrite, Refused
from omnihub.connect.sdk import Command, Connector
from omnihub.model.errors import InvariantBroken, OmniHubError, RetryableError
from omnihub.model.ids import CommandId
from omnihub.model.records import Refetch, SetDayTotal, SetOrderStatus, SetStockLevel

_log = structlog.get_logger()
_Absolute = SetStockLevel | SetOrderStatus | SetDayTotal
_ABSOLUTE = (SetStockLevel, SetOrderStatus, SetDayTotal)
"""Commands that say how it should be, not what to add: only the newest of a target counts."""


class Crashed(OmniHubError):
    """A connector raised something that is not in its contract, for one command alone."""


@dataclass(slots=True)
class Attempt:
    """What became of the commands of one write."""

    done: dict[CommandId, str] = field(default_factory=dict)
    refused: dict[CommandId, OmniHubError] = field(default_factory=dict)
    again: list[Command] = field(default_factory=list)
    error: OmniHubError | None = None
    """Why commands come again; None when nothing failed."""

    def add(self, other: "Attempt") -> None:
        """Take over the outcome of another attempt."""
        self.done |= other.done
        self.refused |= other.refused
        self.again += other.again
        self.error = other.error or self.error


async def attempt_write(connector: Connector[Any], commands: Sequence[Command]) -> Attempt:
    """Write `commands` once, in order."""
    if not commands:
        return Attempt()
    try:
        done = await connector.write(commands)
    except PartialWrite as error:
        return _partial(commands, error)
    except (RetryableError, AuthFailed) as error:
        return Attempt(again=list(commands), error=error)
    except Refused as error:
        return Attempt(refused={command.command_id: error for command in commands})
    except NotImplementedError:
        return _takes_none(connector, commands)
    except Exception as error:  # noqa: BLE001 (logged; one command cannot stop all others)
        return await _one_by_one(connector, commands, error)
    return _reported(commands, done)


def _partial(commands: Sequence[Command], error: PartialWrite) -> Attempt:
    outcome = Attempt(done=dict(error.done))
    for command in commands:
        failure = error.failed.get(command.command_id)
        if command.command_id in outcome.done:
            continue
        if failure is None or isinstance(failure, RetryableError | AuthFailed):
            outcome.again.append(command)
            outcome.error = failure or outcome.error or error
        else:
            outcome.refused[command.command_id] = failure
    return outcome


async def _one_by_one(
    connector: Connector[Any], commands: Sequence[Command], error: Exception
) -> Attempt:
    if len(commands) == 1:
        _log.error("write_crashed", command=commands[0].command_id, exc_info=error)
        crash = Crashed(f"{type(error).__name__} in {connector.name}.write")
        return Attempt(again=list(commands), error=crash)
    outcome = Attempt()
    for command in commands:
        outcome.add(await attempt_write(connector, [command]))
    return outcome


def _reported(commands: Sequence[Command], done: Mapping[CommandId, str]) -> Attempt:
    silent = InvariantBroken("the connector neither reported nor refused this command")
    return Attempt(
        done={
            each.command_id: done[each.command_id] for each in commands if each.command_id in done
        },
        refused={each.command_id: silent for each in commands if each.command_id not in done},
    )


def _takes_none(connector: Connector[Any], commands: Sequence[Command]) -> Attempt:
    error = Refused(
        f"connector {connector.name} does not take {type(commands[0]).__name__}",
        cure="remove what omnihub.yaml sends it (levels, movements, sales, messages), then skip",
    )
    return Attempt(refused={command.command_id: error for command in commands})


@dataclass(frozen=True, slots=True)
class Plan:
    """Commands of one batch, sorted out: each once, of absolute values the newest per target."""

    writes: list[Command]
    refetches: list[Refetch]
    superseded: list[Command]


def plan(commands: Sequence[Command]) -> Plan:
    """Sort out a batch; order among the writes is kept."""
    unique = list({command.command_id: command for command in commands}.values())
    values = [command for command in unique if isinstance(command, _ABSOLUTE)]
    newest: dict[tuple[type[Command], str], _Absolute] = {}
    for value in values:
        known = newest.get((type(value), value.target))
        if known is None or value.seq >= known.seq:
            newest[type(value), value.target] = value
    old = {each.command_id for each in values if newest[type(each), each.target] is not each}
    return Plan(
        writes=[
            each for each in unique if not isinstance(each, Refetch) and each.command_id not in old
        ],
        refetches=[each for each in unique if isinstance(each, Refetch)],
        superseded=[each for each in unique if each.command_id in old],
    )
