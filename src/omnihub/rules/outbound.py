"""The outbound rule: turns what systems should know into commands, one effect each.

Guarantees, in state mode: the newest desired value wins and at most one command per target is out;
the command tells the oldest event it covers. In append mode: every fact becomes one command, in
order, with an id that follows from the fact. A command refused for good parks its target: later
values wait behind it, other targets go on; a retry issues it again.
Does not: talk to systems (sinks do) or retry outages (sinks wait them out).
"""

from typing import ClassVar

from omnihub.model.errors import ParkError
from omnihub.model.record import Record
from omnihub.model.records import (
    CommandResult,
    DayTotal,
    DayTotalAdded,
    LevelDesired,
    MessageDesired,
    MovementDesired,
    OrderStatus,
    OrderStatusDesired,
    Outcome,
    RecordMovement,
    RecordSale,
    SaleDesired,
    SendMessage,
    SetDayTotal,
    SetOrderStatus,
)
from omnihub.rules.outbound_facts import Facts
from omnihub.rules.outbound_levels import Levels
from omnihub.rules.outbound_states import States
from omnihub.rules.outbound_targets import STUCK_AFTER_US, Mode, key_of
from omnihub.rules.routing import OUTBOUND_INBOX
from omnihub.rules.rule import Out, Rows, Rule, on
from omnihub.rules.withholding import WITHHELD_TOPIC, withheld

__all__ = ["STUCK_AFTER_US", "OutboundRule"]


def _is_over(wanted: OrderStatusDesired) -> bool:
    return wanted.status in (OrderStatus.COMPLETED, OrderStatus.REFUSED, OrderStatus.CANCELLED)


_LEVELS = Levels()
_STATUSES = States(OrderStatusDesired, SetOrderStatus, "status", _is_over)
_TOTALS = States(DayTotal, SetDayTotal, "total")
_MOVEMENTS = Facts(RecordMovement, "record")
_MESSAGES = Facts(SendMessage, "message")
_SALES = Facts(RecordSale, "sale")
_MODES: tuple[Mode, ...] = (_LEVELS, _MOVEMENTS, _STATUSES, _MESSAGES, _SALES, _TOTALS)


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
        """State mode."""
        _LEVELS.want(wanted, rows, out)

    @on(OrderStatusDesired)
    def on_status(self, wanted: OrderStatusDesired, rows: Rows, out: Out) -> None:
        """State mode."""
        _STATUSES.want(wanted, rows, out)

    @on(DayTotalAdded)
    def on_total(self, added: DayTotalAdded, rows: Rows, out: Out) -> None:
        """Add to the day's total, which goes out in state mode."""
        known = rows.get(DayTotal, f"{key_of(added)}:sum")
        total = _with_added(known, added)
        rows.put(f"{key_of(added)}:sum", total)
        _TOTALS.want(total, rows, out)

    @on(MovementDesired)
    def on_movement(self, fact: MovementDesired, rows: Rows, out: Out) -> None:
        """Append mode."""
        _MOVEMENTS.tell(fact, fact.movement_id, rows, out)

    @on(MessageDesired)
    def on_message(self, fact: MessageDesired, rows: Rows, out: Out) -> None:
        """Append mode; what a replay would say to people is withheld, unless it may."""
        if (kept := withheld(fact)) is not None:
            out.emit(WITHHELD_TOPIC, kept)
        else:
            _MESSAGES.tell(fact, fact.message_id, rows, out)

    @on(SaleDesired)
    def on_sale(self, fact: SaleDesired, rows: Rows, out: Out) -> None:
        """Append mode."""
        _SALES.tell(fact, fact.order_id, rows, out)

    @on(CommandResult)
    def on_result(self, result: CommandResult, rows: Rows, out: Out) -> None:
        """Close the command; a refusal parks the target until somebody cures it."""
        is_refused = result.outcome is Outcome.REFUSED
        if is_refused and not out.is_retry:
            reason = f"{result.instance} refused: {result.error_class}: {result.message}"
            raise ParkError(reason, cure=result.cure or "mend the cause, then retry")
        for mode in _MODES:
            close = mode.repeat if is_refused else mode.settle
            if close(result, rows, out):
                return


def _with_added(known: DayTotal | None, added: DayTotalAdded) -> DayTotal:
    return DayTotal(
        tenant=added.tenant,
        instance=added.instance,
        target=added.target,
        cause_id=added.cause_id,
        accepted_at_us=added.accepted_at_us,
        channel=added.channel,
        day=added.day,
        currency=added.currency,
        orders=(known.orders if known else 0) + added.orders,
        total_minor=(known.total_minor if known else 0) + added.total_minor,
        seq=known.seq + 1 if known else 1,
    )
