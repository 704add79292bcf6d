"""State mode for any kind: the newest value wins, one command per target is out.

Guarantees: a target is told the newest value and never an older one after it; the command tells the
oldest event it covers; a value that is shown already is not sent again; a target that reached its
last state leaves no rows. Kinds never disturb each other, even under one target.
Does not: know what the values mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from omnihub.model.ids import CommandId, derive_id
from omnihub.model.records import (
    CommandResult,
    DayTotal,
    OrderStatusDesired,
    OutboundSlot,
    SetDayTotal,
    SetOrderStatus,
)
from omnihub.rules.outbound_targets import command_topic, is_stuck, key_of
from omnihub.rules.rule import Out, Rows

V = TypeVar("V", OrderStatusDesired, DayTotal)


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class States(Generic[V]):
    """Values of one kind. `role` names their rows and commands and never changes."""

    kind: type[V]
    command: type[SetOrderStatus | SetDayTotal]
    role: str
    is_last: Callable[[V], bool] = _never

    def want(self, wanted: V, rows: Rows, out: Out) -> None:
        """Send the value now, or remember it while an older one is out."""
        slot = rows.get(OutboundSlot, self._slot(wanted))
        waiting = rows.get(self.kind, f"{key_of(wanted)}:wanted")
        known = waiting.seq if waiting else slot.shown_seq if slot else -1
        if wanted.seq <= known:
            return
        is_out = slot is not None and slot.outstanding_command_id is not None
        if slot and is_out and not is_stuck(slot.sent_at_us, out.accepted_at_us):
            rows.put(f"{key_of(wanted)}:wanted", _covering(wanted, waiting))
        else:
            shown = None if is_out else rows.get(self.kind, f"{key_of(wanted)}:out")
            self._send(_covering(wanted, waiting), shown, rows, out)

    def settle(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """See `Mode.settle`; what waited goes out next."""
        slot = rows.get(OutboundSlot, self._slot(result))
        if slot is None or slot.outstanding_command_id != result.command_id:
            return False
        shown = rows.get(self.kind, f"{key_of(result)}:out")
        waiting = rows.get(self.kind, f"{key_of(result)}:wanted")
        if waiting is not None:
            self._send(waiting, shown, rows, out)
        elif shown is not None:
            self._rest(shown, rows)
        return True

    def repeat(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """See `Mode.repeat`; the newest value goes, not the refused one."""
        slot = rows.get(OutboundSlot, self._slot(result))
        if slot is None or slot.outstanding_command_id != result.command_id:
            return False
        refused = rows.get(self.kind, f"{key_of(result)}:out")
        wanted = rows.get(self.kind, f"{key_of(result)}:wanted") or refused
        if wanted is not None:
            self._send(wanted, None, rows, out)
        return True

    def _send(self, wanted: V, shown: V | None, rows: Rows, out: Out) -> None:
        """Send `wanted` unless the target is known to show it."""
        rows.delete(self.kind, f"{key_of(wanted)}:wanted")
        if shown is not None and _says_the_same(shown, wanted):
            self._rest(wanted, rows)
            return
        cause = f"{key_of(wanted)}:{wanted.seq}:{out.accepted_at_us}"
        command_id = CommandId(derive_id(cause, self.role))
        slot = OutboundSlot(
            outstanding_command_id=command_id,
            sent_at_us=out.accepted_at_us,
            shown_seq=wanted.seq,
        )
        rows.put(self._slot(wanted), slot)
        rows.put(f"{key_of(wanted)}:out", wanted)
        command = self.command(command_id=command_id, **msgspec.structs.asdict(wanted))
        out.emit(command_topic(wanted), command)

    def _rest(self, shown: V, rows: Rows) -> None:
        """Note that the target shows what it should, and nothing is out."""
        if self.is_last(shown):
            rows.delete(OutboundSlot, self._slot(shown))
            rows.delete(self.kind, f"{key_of(shown)}:out")
        else:
            rows.put(self._slot(shown), OutboundSlot(shown_seq=shown.seq))

    def _slot(self, record: V | CommandResult) -> str:
        return f"{key_of(record)}:{self.role}"


def _covering(wanted: V, waiting: V | None) -> V:
    """Return `wanted` carrying the acceptance time of the oldest change it stands for."""
    if waiting is None or waiting.accepted_at_us >= wanted.accepted_at_us:
        return wanted
    return msgspec.structs.replace(wanted, accepted_at_us=waiting.accepted_at_us)


def _says_the_same(shown: V, wanted: V) -> bool:
    """Compare what is shown, not why or when it came to be."""
    return wanted == msgspec.structs.replace(
        shown,
        seq=wanted.seq,
        cause_id=wanted.cause_id,
        accepted_at_us=wanted.accepted_at_us,
    )
