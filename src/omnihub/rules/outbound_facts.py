"""Append mode: every fact becomes one command, in order, kept until its result is known.

Guarantees: the command's id follows from the fact's natural id, so a fact told again while its
command is out sends nothing, and a repeated command is recognised at the other side.
Does not: remember facts whose command is done (connectors find their effects by natural key).
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from omnihub.model.ids import CommandId, derive_id
from omnihub.model.records import (
    CommandResult,
    MessageDesired,
    MovementDesired,
    RecordMovement,
    RecordSale,
    SaleDesired,
    SendMessage,
)
from omnihub.rules.outbound_targets import command_topic
from omnihub.rules.rule import Out, Rows

C = TypeVar("C", RecordMovement, SendMessage, RecordSale)


@dataclass(frozen=True, slots=True)
class Facts(Generic[C]):
    """Facts of one kind. `role` is part of their command ids and never changes."""

    command: type[C]
    role: str

    def tell(
        self,
        fact: MovementDesired | MessageDesired | SaleDesired,
        natural_id: str,
        rows: Rows,
        out: Out,
    ) -> None:
        """Send a fact once; the command is kept until its result is known."""
        command_id = CommandId(derive_id(f"{fact.instance}:{natural_id}", self.role))
        if rows.get(self.command, command_id) is not None:
            return
        command = self.command(command_id=command_id, **msgspec.structs.asdict(fact))
        rows.put(command_id, command)
        out.emit(command_topic(fact), command)

    def settle(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """See `Mode.settle`."""
        if rows.get(self.command, result.command_id) is None:
            return False
        rows.delete(self.command, result.command_id)
        return True

    def repeat(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """See `Mode.repeat`; the very same command goes."""
        command = rows.get(self.command, result.command_id)
        if command is None:
            return False
        out.emit(command_topic(result), command)
        return True
