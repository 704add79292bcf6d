"""The steps of an order's saga: begin, proceed as far as stock and money allow, or give up.

Guarantees: an order is confirmed when every line it still wants is promised for good; giving up
releases everything that has not left the house. Each step starts from where the order is, so it
may be taken again without harm.
Does not: read records (see `orders`) or publish (see `order_work`).
"""

from omnihub.model.errors import RejectedError
from omnihub.model.records import (
    FulfilmentStatus,
    LineStatus,
    OrderLineState,
    OrderStatus,
    ReservationChanged,
)
from omnihub.rules.fulfilments import GIVEN_UP, LEFT, allocate, left_status, stepped
from omnihub.rules.order_lines import BOUND, PROMISED, reservation_id
from omnihub.rules.order_work import OrderWork

HOLD_LOST, OVERDUE, NOT_COLLECTED = "hold_lost", "fulfilment_overdue", "not_collected"


def begin(work: OrderWork) -> None:
    """Ask stock for every line; unpaid orders have their own deadline."""
    chosen = {line.line_id: line.location for line in work.saga.lines}
    until_us = work.now_us + work.policy.hold_us
    for line in work.order.lines:
        work.stock.reserve(line, chosen[line.line_id], until_us, work.policy)
    work.arm(until_us if work.is_paid else work.now_us + work.policy.payment_us)


def proceed(work: OrderWork) -> None:
    """Take every step that can be taken now, and publish."""
    if not work.is_confirmed and not work.is_closed:
        _towards_confirmation(work)
    if work.is_confirmed and not work.is_closed:
        _towards_completion(work)
    work.save()
    if work.order.status is OrderStatus.FULFILLED:
        work.set_order(status=OrderStatus.COMPLETED)
        work.save()


def cancel(work: OrderWork, reason: str) -> None:
    """Release what is still in the house; with nothing consumed the order is cancelled.

    Raises:
        RejectedError: everything has left.
    """
    lines = work.releasable_lines()
    if not lines:
        raise RejectedError("illegal_transition", "all its goods have left", work.order.order_id)
    for each in work.fulfilments:
        if each.status not in LEFT | GIVEN_UP:
            work.put_fulfilment(stepped(each, FulfilmentStatus.CANCELLED, work.now_us))
    work.release(lines, reason)
    work.set_order(reason=reason)
    proceed(work)


def refuse(work: OrderWork, reason: str) -> None:
    """Give up an order that is not confirmed; what a till handed over already is kept."""
    work.release(work.releasable_lines(), reason)
    work.set_order(reason=reason)
    if not work.wanted_lines:
        work.set_order(status=OrderStatus.REFUSED)
    proceed(work)


def lose(work: OrderWork, line: OrderLineState, refusal: ReservationChanged) -> None:
    """Stock refused a line: ask once more if it had been held, else refuse the order."""
    first = reservation_id(work.order.tenant, work.order.order_id, line)
    if line.status is LineStatus.HELD and line.reservation_id == first:
        _ask_again(work, line)
    else:
        work.set_line(line, status=LineStatus.REFUSED)
        refuse(work, refusal.reason or "not_enough_stock")


def overdue(work: OrderWork, now_us: int) -> None:
    """Give up what was not collected; hold an order whose places say nothing."""
    late = [
        each
        for each in work.fulfilments
        if each.status is FulfilmentStatus.READY_FOR_PICKUP
        and (each.pickup_expires_at_us or now_us) <= now_us
    ]
    for each in late:
        work.give_up(each, FulfilmentStatus.PICKUP_EXPIRED, NOT_COLLECTED)
        work.set_order(reason=NOT_COLLECTED)
    if late:
        proceed(work)
    else:
        work.set_order(status=OrderStatus.ON_HOLD, reason=OVERDUE)
        work.save()


def _ask_again(work: OrderWork, line: OrderLineState) -> None:
    order, saga = work.order, work.saga
    again = reservation_id(order.tenant, order.order_id, line, ":again")
    chosen = next(each.location for each in saga.lines if each.line_id == line.line_id)
    until_us = work.now_us + 2 * work.policy.hold_us  # The first hold's time has passed.
    waiting = work.set_line(line, reservation_id=again, location=chosen, status=LineStatus.WAITING)
    work.stock.reserve(waiting, chosen, until_us, work.policy)
    work.set_order(status=OrderStatus.ON_HOLD, reason=HOLD_LOST)
    work.set_saga(is_committing=False)
    work.arm(until_us)
    work.save()


def _towards_confirmation(work: OrderWork) -> None:
    lines = work.wanted_lines
    if not lines:
        work.set_order(status=OrderStatus.CANCELLED)
        return
    statuses = {line.status for line in lines}
    if work.is_paid and statuses <= BOUND and not work.saga.is_committing:
        work.set_saga(is_committing=True)
        for line in lines:
            if line.status is LineStatus.HELD:
                work.stock.commit(line)
    if work.is_paid and statuses <= PROMISED:
        _confirm(work)


def _confirm(work: OrderWork) -> None:
    for each in allocate(work.order, work.cause, work.now_us, work.policy.locations):
        work.put_fulfilment(each)
    kept = work.order.reason if len(work.wanted_lines) < len(work.order.lines) else None
    work.set_order(status=OrderStatus.CONFIRMED, reason=kept)
    work.set_saga(confirmed_at_us=work.now_us)
    work.save()


def _towards_completion(work: OrderWork) -> None:
    for each in work.fulfilments:
        wanted = [line for line in work.lines_of(each) if line in work.wanted_lines]
        is_gone = all(line.status is LineStatus.CONSUMED for line in wanted)
        if each.status in LEFT | GIVEN_UP or not wanted:
            continue
        if is_gone or work.saga.is_completing:
            work.leave(each, left_status(each))
    if work.order.reason == OVERDUE:
        work.set_order(reason=None)
    work.set_order(status=_standing(work))


def _standing(work: OrderWork) -> OrderStatus:
    """Return the status that lines and fulfilments of a confirmed order add up to."""
    lines = work.wanted_lines
    consumed = [line for line in lines if line.status is LineStatus.CONSUMED]
    if not lines:
        return OrderStatus.CANCELLED
    if len(consumed) == len(lines):
        return OrderStatus.FULFILLED
    statuses = {each.status for each in work.fulfilments} - GIVEN_UP
    if (consumed or statuses & LEFT) and not statuses <= LEFT:
        return OrderStatus.PARTIALLY_FULFILLED
    is_begun = bool(statuses - {FulfilmentStatus.ALLOCATED})
    return OrderStatus.IN_FULFILMENT if is_begun else OrderStatus.CONFIRMED
