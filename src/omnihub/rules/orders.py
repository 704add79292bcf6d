"""The order rule: a saga over the stock of every line, from placing to the goods' departure.

Guarantees: an order is confirmed only when stock gave its last word for every line, so nothing is
confirmed that is not there; an order that is not confirmed by its deadline, or closed, gives all
goods free, also those that are held too late; every open order has a deadline. An update that comes
before the creation is the placing. What cannot be done any more is a `Rejected` event; what is
done already changes nothing.
Does not (v1): change the lines of a placed order (`lines_changed`), take one place for all lines,
or look for other goods. A line whose hold was lost is asked for once more, then the order is
refused. A till sale in the moment of a cancel leaves the order CANCELLED with its line CONSUMED.

    PENDING ──▶ CONFIRMED ──▶ IN_FULFILMENT ──▶ PARTIALLY_FULFILLED ──▶ FULFILLED ──▶ COMPLETED
      │ ▲ └──▶ REFUSED  └──▶ CANCELLED (from each step, what has not left the house)
      └─┴──▶ ON_HOLD (a hold was lost, or a place says nothing)
"""

from typing import ClassVar

import msgspec

from omnihub.model.errors import InvariantBroken, RejectedError
from omnihub.model.record import Record
from omnihub.model.records import (
    CancelOrder,
    Fulfilment,
    LineStatus,
    Order,
    OrderIntent,
    OrderPlaced,
    OrderSaga,
    OrderStatus,
    Payment,
    PaymentRecorded,
    PaymentState,
    ReportFulfilment,
    ReservationChanged,
    ReservationStatus,
    TimerDue,
)
from omnihub.model.time import SECOND_US
from omnihub.rules.fulfilments import GIVEN_UP, LEFT, may_step, stepped
from omnihub.rules.order_lines import ORDER_RULE, fault_of, opening_lines, same_goods
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.order_saga import begin, cancel, lose, overdue, proceed, refuse
from omnihub.rules.order_work import (
    DEADLINE,
    ORDER_EVENTS,
    OrderWork,
    due_meta,
    find_order,
    order_key,
)
from omnihub.rules.payments import PAYMENT_TOPIC, payment_state, recorded
from omnihub.rules.rule import Out, Rows, Rule, on, on_timer

LATE_US = 5 * SECOND_US
"""A deadline that comes due so late slept through an outage of the hub: it starts anew."""
UNTOLD = frozenset({PaymentState.UNKNOWN, PaymentState.UNPAID})
"""A source that says this takes nothing back that is known of the money."""
CANCELLED_BY_SOURCE = "cancelled_by_source"
Keyed = OrderPlaced | CancelOrder | ReportFulfilment | ReservationChanged | PaymentRecorded


class OrderRule(Rule):
    """Keyed by order: one writer sees everything that happens to it."""

    name: ClassVar[str] = ORDER_RULE
    inbox: ClassVar[str] = "omni.order.inbox.v1"
    events: ClassVar[str] = ORDER_EVENTS

    def __init__(self, policy: OrderPolicy) -> None:
        self.policy = policy

    def park_key(self, record: Record) -> str:
        """Everything about one order waits together."""
        if isinstance(record, TimerDue):
            return record.key
        if isinstance(record, Keyed):
            return order_key(record.meta.tenant, record.order_id)
        raise InvariantBroken(f"{self.name} got {type(record).__name__}, which it never reads")

    @on(OrderPlaced)
    def on_placed(self, event: OrderPlaced, rows: Rows, out: Out) -> None:
        """Place an order that is new, else do what its source wants now."""
        work = find_order(event.meta, event.order_id, self.policy, rows, out)
        if work is None:
            self._place(event, rows, out)
        elif not _is_stale(event, work.order):
            _take_over(event, work)

    @on(CancelOrder)
    def on_cancel(self, request: CancelOrder, rows: Rows, out: Out) -> None:
        """Cancel what has not left the house."""
        work = self._known(request, rows, out)
        _cancel(work, request.reason)

    @on(ReportFulfilment)
    def on_report(self, report: ReportFulfilment, rows: Rows, out: Out) -> None:
        """Take the step that a place reports."""
        work = self._known(report, rows, out)
        here = [each for each in work.fulfilments if each.location == report.location]
        able = [each for each in here if may_step(each, report.status)]
        if not here:
            raise _refusal("no_fulfilment", f"nothing is allocated at {report.location}", report)
        if not able:
            if any(each.status is report.status for each in here):
                return
            statuses = ", ".join(each.status.value for each in here)
            detail = f"{report.status.value} at {report.location}, where it is {statuses}"
            raise _refusal("illegal_transition", detail, report)
        for each in able:
            _step(work, each, report)
        proceed(work)

    @on(ReservationChanged)
    def on_reservation(self, reply: ReservationChanged, rows: Rows, out: Out) -> None:
        """Match stock's answer with its line; what is held for nobody is given back.

        An expired hold decides nothing: the commit is granted anew or refused. A reservation of an
        order that was never placed is not ours and ends by its own deadline.
        """
        work = find_order(reply.meta, reply.order_id, self.policy, rows, out)
        if work is None:
            return
        line = next(
            (each for each in work.order.lines if each.reservation_id == reply.reservation_id), None
        )
        dropped = (LineStatus.REFUSED, LineStatus.RELEASED)
        is_binding = reply.status in (ReservationStatus.HELD, ReservationStatus.COMMITTED)
        if line is None or (is_binding and line.status in dropped):
            if is_binding:
                work.stock.give_back(reply)
            return
        where = reply.location or line.location
        match reply.status, line.status:
            case ReservationStatus.CONSUMED, status if status is not LineStatus.CONSUMED:
                work.set_line(line, status=LineStatus.CONSUMED, location=where)
            case ReservationStatus.HELD, LineStatus.WAITING:
                work.set_line(line, status=LineStatus.HELD, location=where)
            case ReservationStatus.COMMITTED, LineStatus.WAITING | LineStatus.HELD:
                work.set_line(line, status=LineStatus.COMMITTED, location=where)
            case ReservationStatus.REFUSED, LineStatus.WAITING | LineStatus.HELD:
                lose(work, line, reply)
                return
            case _:
                return
        proceed(work)

    @on(PaymentRecorded)
    def on_payment(self, event: PaymentRecorded, rows: Rows, out: Out) -> None:
        """Keep the payment's sums; money told before its order waits for it here."""
        key = order_key(event.meta.tenant, event.order_id)
        saga = rows.get(OrderSaga, key) or OrderSaga()
        if event.meta.event_id in saga.payment_events:
            return
        payment = recorded(rows.get(Payment, f"{key}:{event.payment_id}"), event)
        ids = saga.payment_ids
        saga = msgspec.structs.replace(
            saga,
            payment_ids=ids if event.payment_id in ids else (*ids, event.payment_id),
            payment_events=(*saga.payment_events, event.meta.event_id),
        )
        rows.put(f"{key}:{event.payment_id}", payment)
        rows.put(key, saga)
        out.emit(PAYMENT_TOPIC, payment)
        out.emit(self.events, event)
        work = find_order(event.meta, event.order_id, self.policy, rows, out)
        if work is not None:
            work.set_order(payment=_paid_so_far(work.order, saga, rows))
            proceed(work)

    @on_timer(DEADLINE)
    def on_deadline(self, due: TimerDue, rows: Rows, out: Out) -> None:
        """End a step that took too long."""
        order = rows.get(Order, due.timer_id)
        if order is None:
            return
        saga = rows.get(OrderSaga, due.timer_id) or OrderSaga()
        cause = due_meta(due, order, saga.origin)
        work = find_order(cause, order.order_id, self.policy, rows, out)
        if work is None or work.is_closed:
            return
        if work.is_confirmed:
            overdue(work, due.fired_at_us)
        elif due.fired_at_us > due.due_at_us + LATE_US:
            work.arm(due.fired_at_us + self.policy.hold_us)
        else:
            refuse(work, "stock_timeout" if work.is_paid else "payment_deadline")

    def _place(self, event: OrderPlaced, rows: Rows, out: Out) -> None:
        key = order_key(event.meta.tenant, event.order_id)
        saga = msgspec.structs.replace(
            rows.get(OrderSaga, key) or OrderSaga(),
            lines=event.lines,
            is_completing=event.intent is OrderIntent.COMPLETE,
            origin=event.meta.origin,
        )
        order = _opening(event)
        if saga.payment_ids:
            payment = _paid_so_far(order, saga, rows)
            order = msgspec.structs.replace(order, payment=payment)
        work = OrderWork(order, saga, event.meta, self.policy, rows, out)
        out.emit(self.events, event)
        if event.intent is OrderIntent.CANCEL:
            work.close_unasked(OrderStatus.CANCELLED, CANCELLED_BY_SOURCE)
        elif fault := fault_of(event, self.policy):
            work.close_unasked(OrderStatus.REFUSED, fault)
        else:
            begin(work)
        work.save()

    def _known(self, request: CancelOrder | ReportFulfilment, rows: Rows, out: Out) -> OrderWork:
        work = find_order(request.meta, request.order_id, self.policy, rows, out)
        if work is None:
            raise _refusal("unknown_order", "it was never placed here", request)
        return work


def _step(work: OrderWork, known: Fulfilment, report: ReportFulfilment) -> None:
    """Take one step of one fulfilment, with what it means for the goods."""
    status = report.status
    if status in GIVEN_UP:
        reason = status.value.lower()
        work.set_order(reason=reason)
        work.give_up(known, status, reason)
    elif status in LEFT:
        work.leave(known, status, report.tracking_number)
    else:
        work.put_fulfilment(stepped(known, status, work.now_us, report.tracking_number))


def _take_over(event: OrderPlaced, work: OrderWork) -> None:
    """Do what the source of a known order wants now."""
    if event.intent is not OrderIntent.CANCEL and not same_goods(event.lines, work.saga.lines):
        detail = "the lines of a placed order cannot be changed: cancel it and place another"
        raise RejectedError("lines_changed", detail, event.order_id)
    told = work.order.payment if event.payment in UNTOLD else event.payment
    contact = event.contact or work.order.contact
    version = event.meta.version if event.meta.version is not None else work.order.version
    work.set_order(payment=told, contact=contact, version=version)
    if event.intent is OrderIntent.CANCEL:
        _cancel(work, CANCELLED_BY_SOURCE)
    elif event.intent is OrderIntent.COMPLETE:
        _complete(work)
    else:
        proceed(work)


def _cancel(work: OrderWork, reason: str) -> None:
    if work.order.status is OrderStatus.COMPLETED:
        raise _illegal("cancelled", work.order)
    if work.is_closed:
        work.save()
    else:
        cancel(work, reason)


def _complete(work: OrderWork) -> None:
    if work.is_closed and work.order.status is not OrderStatus.COMPLETED:
        raise _illegal("completed", work.order)
    if not work.is_closed:
        work.set_saga(is_completing=True)
    proceed(work)


def _opening(event: OrderPlaced) -> Order:
    return Order(
        tenant=event.meta.tenant,
        order_id=event.order_id,
        number=event.number,
        channel=event.channel,
        source=event.meta.source,
        status=OrderStatus.PENDING,
        payment=event.payment,
        currency=event.currency,
        lines=opening_lines(event),
        shipping_minor=event.shipping_minor,
        discount_minor=event.discount_minor,
        tax_minor=event.tax_minor,
        rounding_minor=event.rounding_minor,
        total_minor=event.total_minor,
        contact=event.contact,
        subject=event.subject,
        placed_at_us=event.placed_at_us,
        version=event.meta.version,
        seq=0,
        cause_id=event.meta.event_id,
        occurred_at_us=event.meta.occurred_at_us,
        accepted_at_us=event.meta.accepted_at_us,
    )


def _paid_so_far(order: Order, saga: OrderSaga, rows: Rows) -> PaymentState:
    """Return what all payments say; as long as they say nothing, what the source said."""
    key = order_key(order.tenant, order.order_id)
    payments = (rows.get(Payment, f"{key}:{each}") for each in saga.payment_ids)
    state = payment_state((each for each in payments if each), order.total_minor)
    return order.payment if state in UNTOLD else state


def _is_stale(event: OrderPlaced, order: Order) -> bool:
    told, known = event.meta.version, order.version
    return told is not None and known is not None and told < known


def _illegal(step: str, order: Order) -> RejectedError:
    detail = f"the order is {order.status.value}: it cannot be {step} any more"
    return RejectedError("illegal_transition", detail, order.order_id)


def _refusal(code: str, detail: str, request: CancelOrder | ReportFulfilment) -> RejectedError:
    return RejectedError(code, detail, request.order_id)
