"""State mode for stock levels: the newest value wins, one command per target is out.

Guarantees: as `outbound_states`; a value that is shown already is not sent again. One row a target
instead of three: levels are by far the most of what goes out.
"""

import msgspec

from omnihub.model.ids import CommandId, derive_id
from omnihub.model.records import CommandResult, LevelDesired, OutboundTarget, SetStockLevel
from omnihub.rules.outbound_targets import command_topic, is_stuck, key_of
from omnihub.rules.rule import Out, Rows


class Levels:
    """What channels should show of a SKU."""

    def want(self, wanted: LevelDesired, rows: Rows, out: Out) -> None:
        """Send the value now, or remember it while an older one is out."""
        target = rows.get(OutboundTarget, key_of(wanted)) or OutboundTarget()
        newest_seq = target.desired.seq if target.desired else target.shown_seq
        if wanted.seq <= newest_seq:
            return
        if target.outstanding is not None and not is_stuck(target.sent_at_us, out.accepted_at_us):
            desired = _covering(wanted, target.desired)
            rows.put(key_of(wanted), msgspec.structs.replace(target, desired=desired))
        else:
            self._send(target, wanted, rows, out)

    def settle(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """See `Mode.settle`; what waited goes out next."""
        target = rows.get(OutboundTarget, key_of(result))
        if target is None or target.outstanding_command_id != result.command_id:
            return False
        shown = target.outstanding
        settled = OutboundTarget(
            shown_milli=shown.quantity_milli if shown else None,
            shown_seq=shown.seq if shown else 0,
        )
        if target.desired is None:
            rows.put(key_of(result), settled)
        else:
            self._send(settled, target.desired, rows, out)
        return True

    def repeat(self, result: CommandResult, rows: Rows, out: Out) -> bool:
        """See `Mode.repeat`; the newest value goes, not the refused one."""
        target = rows.get(OutboundTarget, key_of(result))
        if target is None or target.outstanding_command_id != result.command_id:
            return False
        if (wanted := target.desired or target.outstanding) is not None:
            self._send(target, wanted, rows, out, force=True)
        return True

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
            rows.put(key_of(wanted), settled)
            return
        command = _set_level(wanted, out.accepted_at_us)
        sent = OutboundTarget(
            outstanding=wanted,
            outstanding_command_id=command.command_id,
            sent_at_us=out.accepted_at_us,
            shown_milli=target.shown_milli,
            shown_seq=wanted.seq,
        )
        rows.put(key_of(wanted), sent)
        out.emit(command_topic(wanted), command)


def _set_level(wanted: LevelDesired, sent_at_us: int) -> SetStockLevel:
    cause = f"{key_of(wanted)}:{wanted.seq}:{sent_at_us}"
    return SetStockLevel(
        command_id=CommandId(derive_id(cause, "level")), **msgspec.structs.asdict(wanted)
    )


def _covering(wanted: LevelDesired, waiting: LevelDesired | None) -> LevelDesired:
    """Return `wanted` carrying the acceptance time of the oldest change it stands for."""
    if waiting is None or waiting.accepted_at_us >= wanted.accepted_at_us:
        return wanted
    return msgspec.structs.replace(wanted, accepted_at_us=waiting.accepted_at_us)
