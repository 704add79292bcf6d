"""One order while one record is being worked on: its snapshot, its fulfilments, what is not public.

Guarantees: what is published follows from what was read and done, once, in this order: fulfilments,
the order, whoever must hear of it; an order that is open after `save` has a timer, one that is
closed has none. Does not: decide anything (see `orders`).
"""

from collections.abc import Iterator

import msgspec

from omnihub.model.ids import EventId, InstanceId, OrderId, TenantId, derive_id
from omnihub.model.records import (
    EventMeta,
    Fulfilment,
    FulfilmentChanged,
    FulfilmentStatus,
    LineStatus,
    Order,
    OrderChanged,
    OrderLineState,
    OrderSaga,
    OrderStatus,
    Origin,
    PaymentState,
    TimerDue,
)
from omnihub.model.time import DAY_US
from omnihub.rules.fulfilments import GIVEN_UP, LEFT, fulfilment_id, stepped
from omnihub.rules.meta import caused_by
from omnihub.rules.order_lines import ORDER_RULE, OVER, StockDesk, with_line
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.order_routing import tell_order
from omnihub.rules.order_words import waiting_on
from omnihub.rules.rule import Out, Rows

ORDER_EVENTS = "omni.order.event.v1"
ORDER_TOPIC = "omni.order.state.v1"
FULFILMENT_TOPIC = "omni.fulfilment.state.v1"
DEADLINE = "order"
FULFIL_US = 7 * DAY_US
"""A place that says nothing about an order for so long puts it on hold."""
CLOSED = frozenset({OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.REFUSED})
PAID = frozenset({PaymentState.AUTHORISED, PaymentState.PAID, PaymentState.ON_COLLECTION})


class OrderWork:
    """An order being worked on because of `cause`."""

    def __init__(
        self,
        order: Order,
        saga: OrderSaga,
        cause: EventMeta,
        policy: OrderPolicy,
        rows: Rows,
        out: Out,
    ) -> None:
        self.order = order
        self.saga = saga
        self.cause = cause
        self.policy = policy
        self._rows = rows
        self._out = out
        key = order_key(order.tenant, order.order_id)
        self._key = key
        self._known = rows.get(Order, key)
        self._known_saga = rows.get(OrderSaga, key)
        self._known_fulfilments = {each.fulfilment_id: each for each in _stored(order, rows)}
        self._fulfilments = dict(self._known_fulfilments)

    @property
    def now_us(self) -> int:
        """The time of the record being worked on."""
        return self._out.accepted_at_us

    @property
    def stock(self) -> StockDesk:
        """Where goods are asked for."""
        return StockDesk(self.order, self.cause, self._out)

    @property
    def is_closed(self) -> bool:
        """Nothing can happen to the order any more, but to its money and its parcels."""
        return self.order.status in CLOSED

    @property
    def is_confirmed(self) -> bool:
        """Every line was promised."""
        return self.saga.confirmed_at_us is not None

    @property
    def is_paid(self) -> bool:
        """The order need not wait for money; goods handed over at a till were paid there."""
        lines = self.order.lines
        taken = any(line.status is LineStatus.CONSUMED for line in lines)
        return taken or self.saga.is_completing or self.order.payment in PAID

    @property
    def wanted_lines(self) -> list[OrderLineState]:
        """The lines that were neither refused nor given up."""
        dropped = (LineStatus.REFUSED, LineStatus.RELEASED)
        return [line for line in self.order.lines if line.status not in dropped]

    @property
    def fulfilments(self) -> tuple[Fulfilment, ...]:
        """What the order has at each place, by place."""
        return tuple(
            sorted(self._fulfilments.values(), key=lambda f: (f.location, f.fulfilment.value))
        )

    def lines_of(self, fulfilment: Fulfilment) -> list[OrderLineState]:
        """Return the lines of a fulfilment as they are now."""
        ids = {line.line_id for line in fulfilment.lines}
        return [line for line in self.order.lines if line.line_id in ids]

    def set_order(self, **fields: object) -> None:
        """Change fields of the order."""
        self.order = msgspec.structs.replace(self.order, **fields)

    def set_saga(self, **fields: object) -> None:
        """Change fields that are not public."""
        self.saga = msgspec.structs.replace(self.saga, **fields)

    def set_line(self, line: OrderLineState, **fields: object) -> OrderLineState:
        """Change fields of one line."""
        changed = msgspec.structs.replace(line, **fields)
        self.order = with_line(self.order, changed)
        return changed

    def put_fulfilment(self, fulfilment: Fulfilment) -> None:
        """Add or change a fulfilment."""
        self._fulfilments[fulfilment.fulfilment_id] = fulfilment

    def leave(
        self, known: Fulfilment, status: FulfilmentStatus, tracking_number: str | None = None
    ) -> None:
        """Goods are out of the house, and no till said so: stock books them as sold."""
        self.put_fulfilment(stepped(known, status, self.now_us, tracking_number))
        for line in self.lines_of(known):
            if line.status is LineStatus.COMMITTED:
                self.stock.consume(line)

    def give_up(self, known: Fulfilment, status: FulfilmentStatus, reason: str) -> None:
        """Goods stay in the house and are free again."""
        self.put_fulfilment(stepped(known, status, self.now_us))
        self.release(self.lines_of(known), reason)

    def release(self, lines: list[OrderLineState], reason: str) -> None:
        """Give free what lines may still bind."""
        for line in lines:
            if line.status not in OVER:
                self.stock.release(line, reason)
                self.set_line(line, status=LineStatus.RELEASED)

    def releasable_lines(self) -> list[OrderLineState]:
        """Return the lines whose goods are still in the house."""
        gone = {line.line_id for f in self.fulfilments if f.status in LEFT for line in f.lines}
        return [
            line
            for line in self.order.lines
            if line.status not in OVER and line.line_id not in gone
        ]

    def close_unasked(self, status: OrderStatus, reason: str) -> None:
        """Close an order for which nothing was asked of stock yet."""
        lines = tuple(
            msgspec.structs.replace(line, status=LineStatus.RELEASED) for line in self.order.lines
        )
        self.set_order(status=status, reason=reason, lines=lines)

    def arm(self, due_at_us: int) -> None:
        """Set the deadline of the step the order is in."""
        self._out.arm(DEADLINE, self._key, self._key, due_at_us)

    def save(self) -> None:
        """Keep and publish what changed."""
        moved = [
            each
            for each in self.fulfilments
            if each != self._known_fulfilments.get(each.fulfilment_id)
        ]
        for fulfilment in moved:
            self._publish_fulfilment(fulfilment)
        words = waiting_on(self.order, self.fulfilments, is_paid=self.is_paid)
        self.set_order(waiting_on=None if self.is_closed else words)
        if moved or self.order != self._known:
            self._publish_order()
        if self.saga != self._known_saga:
            self._rows.put(self._key, self.saga)
            self._known_saga = self.saga
        self._see_to_deadline()

    def _publish_fulfilment(self, fulfilment: Fulfilment) -> None:
        known = self._known_fulfilments.get(fulfilment.fulfilment_id)
        new = msgspec.structs.replace(
            fulfilment,
            seq=fulfilment.seq + 1,
            cause_id=self.cause.event_id,
            occurred_at_us=self.cause.occurred_at_us,
            accepted_at_us=self.cause.accepted_at_us,
        )
        changed = FulfilmentChanged(
            meta=caused_by(self.cause, ORDER_RULE, f"fulfilment:{new.fulfilment_id}:{new.seq}"),
            fulfilment_id=new.fulfilment_id,
            order_id=new.order_id,
            location=new.location,
            status=new.status,
            previous=known.status if known else FulfilmentStatus.UNKNOWN,
            lines=new.lines,
        )
        self._rows.put(f"{self._key}:{new.fulfilment_id}", new)
        self._out.emit(FULFILMENT_TOPIC, new)
        self._out.emit(ORDER_EVENTS, changed)
        self._fulfilments[new.fulfilment_id] = new
        self._known_fulfilments[new.fulfilment_id] = new

    def _publish_order(self) -> None:
        old = self._known
        new = msgspec.structs.replace(
            self.order,
            seq=self.order.seq + 1,
            cause_id=self.cause.event_id,
            occurred_at_us=self.cause.occurred_at_us,
            accepted_at_us=self.cause.accepted_at_us,
        )
        self._rows.put(self._key, new)
        self._out.emit(ORDER_TOPIC, new)
        previous = old.status if old else OrderStatus.UNKNOWN
        if new.status is not previous:
            self._out.emit(ORDER_EVENTS, _changed(new, previous, self.cause))
        routes = self.policy.routes
        tell_order(old, new, self.fulfilments, self.cause, routes, self._out)
        self.order = self._known = new

    def _see_to_deadline(self) -> None:
        if self.is_closed:
            self._out.disarm(DEADLINE, self._key)
        elif self.is_confirmed:
            waits = [
                each.pickup_expires_at_us
                for each in self.fulfilments
                if each.pickup_expires_at_us and each.status not in LEFT | GIVEN_UP
            ]
            self.arm(min([*waits, self.now_us + FULFIL_US]))


def order_key(tenant: TenantId, order_id: OrderId) -> str:
    """Return the key of an order's rows, which is also its timer's id."""
    return f"{tenant}:{order_id}"


def find_order(
    cause: EventMeta, order_id: OrderId, policy: OrderPolicy, rows: Rows, out: Out
) -> OrderWork | None:
    """Return a known order to work on; None when it was never placed."""
    key = order_key(cause.tenant, order_id)
    order = rows.get(Order, key)
    if order is None:
        return None
    return OrderWork(order, rows.get(OrderSaga, key) or OrderSaga(), cause, policy, rows, out)


def due_meta(due: TimerDue, known: Order, origin: Origin | None) -> EventMeta:
    """Return the meta of what time alone does to an order."""
    return EventMeta(
        tenant=known.tenant,
        event_id=EventId(derive_id(f"{due.timer_id}:{due.due_at_us}", due.name)),
        cause_id=known.cause_id,
        source=InstanceId(ORDER_RULE),
        entity=known.order_id,
        occurred_at_us=due.due_at_us,
        accepted_at_us=due.fired_at_us,
        origin=origin,
    )


def _stored(order: Order, rows: Rows) -> Iterator[Fulfilment]:
    """Yield the fulfilments of an order: their ids follow from where its lines are held."""
    key = order_key(order.tenant, order.order_id)
    ids = {
        fulfilment_id(order, line.location, line.fulfilment)
        for line in order.lines
        if line.location is not None
    }
    for each in sorted(ids):
        if (found := rows.get(Fulfilment, f"{key}:{each}")) is not None:
            yield found


def _changed(order: Order, previous: OrderStatus, cause: EventMeta) -> OrderChanged:
    return OrderChanged(
        meta=caused_by(cause, ORDER_RULE, f"order:{order.order_id}:{order.seq}"),
        order_id=order.order_id,
        number=order.number,
        channel=order.channel,
        status=order.status,
        previous=previous,
        reason=order.reason,
        total_minor=order.total_minor,
        currency=order.currency,
    )
