"""The outbound rule: turns what systems should know into commands, one effect each.

Guarantees, in state mode: the newest desired value wins and at most one command per target is out;
the command tells the oldest event it covers. In append mode: every fact becomes one command, in
order, with an id that follows from the fact. A command refused for good parks its target: later
values wait behind it, other targets go on; a retry issues it again.
Does not: talk to systems (sinks do) or retry outages (sinks wait them out).
"""

from typing import ClassVar

import msgspec

from omnihub.model.errors import ParkError
from omnihub.model.ids import CommandId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import (
    CommandResult,
    LevelDesired,
    MovementDesired,
    OutboundTarget,
    Outcome,
    RecordMovement,
    SetStockLevel,
)
from omnihub.model.time import MINUTE_US
from omnihub.rules.routing import OUTBOUND_INBOX
from omnihub.rules.rule import Out, Rows, Rule, on

STUCK_AFTER_US = 15 * MINUTE_US
"""A command without a result for so long (its result was skipped in the hospital) is sent anew."""

Desired = LevelDesired | MovementDesired | CommandResult


class OutboundRule(Rule):
    """Keyed by target: tenant, instance and the entity at the other side."""

    name: ClassVar[str] = "outbound"
    inbox: ClassVar[str] = OUTBOUND_INBOX
    events: ClassVar[str] = "omni.rejected.v1"

    def park_key(self, record: Record) -> str:
        """Everything for one target waits together."""
        return f"{getattr(record, 'instance', '')}:{getattr(record, 'target', '')}"

    @on(LevelDesired)
    def on_level(self, wanted: LevelDesired, rows: Rows, out: Out) -> None:
        """Send the value now, or remember it while an older one is out."""
        target = rows.get(OutboundTarget, _key(wanted)) or OutboundTarget()
        newest_seq = target.desired.seq if target.desired else target.shown_seq
        if wanted.seq <= newest_seq:
            return
        if target.outstanding is not None and not _is_stuck(target, out.accepted_at_us):
            desired = _covering(wanted, target.desired)
            rows.put(_key(wanted), msgspec.structs.replace(target, desired=desired))
        else:
            self._send(target, wanted, rows, out)

    @on(MovementDesired)
    def on_movement(self, wanted: MovementDesired, rows: Rows, out: Out) -> None:
        """Send a fact once; the command is kept until its result is known."""
        command_id = CommandId(derive_id(f"{wanted.instance}:{wanted.movement_id}", "record"))
        if rows.get(RecordMovement, command_id) is not None:
            return
        command = RecordMovement(command_id=command_id, **msgspec.structs.asdict(wanted))
        rows.put(command_id, command)
        out.emit(_topic(wanted), command)

    @on(CommandResult)
    def on_result(self, result: CommandResult, rows: Rows, out: Out) -> None:
        """Close the command; a refusal parks the target until somebody cures it."""
        if result.outcome is Outcome.REFUSED:
            if not out.is_retry:
                reason = f"{result.instance} refused: {result.error_class}: {result.message}"
                raise ParkError(reason, cure=result.cure or "mend the cause, then retry")
            self._send_again(result, rows, out)
        elif rows.get(RecordMovement, result.command_id) is not None:
            rows.delete(RecordMovement, result.command_id)
        else:
            self._shown(result, rows, out)

    def _shown(self, result: CommandResult, rows: Rows, out: Out) -> None:
        target = rows.get(OutboundTarget, _key(result))
        if target is None or target.outstanding_command_id != result.command_id:
            return
        shown = target.outstanding
        settled = OutboundTarget(
            shown_milli=shown.quantity_milli if shown else None,
            shown_seq=shown.seq if shown else 0,
        )
        if target.desired is None:
            rows.put(_key(result), settled)
        else:
            self._send(settled, target.desired, rows, out)

    def _send_again(self, result: CommandResult, rows: Rows, out: Out) -> None:
        movement = rows.get(RecordMovement, result.command_id)
        target = rows.get(OutboundTarget, _key(result))
        if movement is not None:
            out.emit(_topic(result), movement)
        elif target is not None and target.outstanding_command_id == result.command_id:
            wanted = target.desired or target.outstanding
            if wanted is not None:
                self._send(target, wanted, rows, out, force=True)

    def _send(
        self,
        target: OutboundTarget,
        wanted: LevelDesired,
        rows: Rows,
        out: Out,
        *,
        force: bool = False,
    ) -> None:
        if target.shown_milli == wanted.quantity_milli and not force:
            settled = OutboundTarget(shown_milli=target.shown_milli, shown_seq=wanted.seq)
            rows.put(_key(wanted), settled)
            return
        command = _set_level(wanted, out.accepted_at_us)
        sent = OutboundTarget(
            outstanding=wanted,
            outstanding_command_id=command.command_id,
            sent_at_us=out.accepted_at_us,
            shown_milli=target.shown_milli,
            shown_seq=wanted.seq,
        )
        rows.put(_key(wanted), sent)
        out.emit(_topic(wanted), command)


def _set_level(wanted: LevelDesired, sent_at_us: int) -> SetStockLevel:
    cause = f"{_key(wanted)}:{wanted.seq}:{sent_at_us}"
    return SetStockLevel(
        command_id=CommandId(derive_id(cause, "level")), **msgspec.structs.asdict(wanted)
    )


def _covering(wanted: LevelDesired, waiting: LevelDesired | None) -> LevelDesired:
    """Return `wanted` carrying the acceptance time of the oldest change it stands for."""
    if waiting is None or waiting.accepted_at_us >= wanted.accepted_at_us:
        return wanted
    return msgspec.structs.replace(wanted, accepted_at_us=waiting.accepted_at_us)


def _is_stuck(target: OutboundTarget, now_us: int) -> bool:
    return target.sent_at_us is not None and now_us - target.sent_at_us > STUCK_AFTER_US


def _key(record: Desired) -> str:
    return f"{record.tenant}:{record.instance}:{record.target}"


def _topic(record: Desired) -> str:
    return f"omni.command.{record.instance}.v1"
