"""What is asked of the views about orders, carts and prices."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from omnihub.model.ids import CartId, CustomerId, OrderId, Sku
from omnihub.model.records import Cart, Fulfilment, Order, Payment, Price, Reservation, Return
from omnihub.views import schema
from omnihub.views.rows import Page, Rows


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are wanted; None = all. `since_us` is the time of placing, UTC micros."""

    status: str | None = None
    channel: str | None = None
    source: str | None = None
    number: str | None = None
    subject: str | None = None
    customer_id: CustomerId | None = None
    since_us: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what every wanted row fulfils, besides its tenant."""
        table = schema.ORDER
        names = ("status", "channel", "source", "number", "subject")
        told = [(name, value) for name in names if (value := getattr(self, name)) is not None]
        found: list[ColumnElement[bool]] = [table.c[name] == value for name, value in told]
        if self.customer_id is not None:
            link = schema.SUBJECT_LINK
            linked = select(link.c.subject).where(
                link.c.tenant == table.c.tenant, link.c.customer_id == self.customer_id
            )
            found.append(table.c.subject.in_(linked))
        if self.since_us is not None:
            found.append(table.c.placed_at_us >= self.since_us)
        return found


class OrderViews:
    """Orders with their fulfilments, reservations, payments and returns; carts; prices."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def find(self, order_id: OrderId) -> Order | None:
        """Return an order, or None."""
        return self._rows.one(Order, schema.ORDER, order_id=order_id)

    def numbered(self, number: str) -> tuple[Order, ...]:
        """Return the orders that buyer and shop call `number`; two systems may use the same."""
        return self._rows.all(Order, schema.ORDER, "source", "order_id", number=number)

    def page(self, wanted: OrderFilter, cursor: str | None, limit: int) -> Page[Order]:
        """Return orders by the time of placing, newest first."""
        table = schema.ORDER
        where = [table.c.tenant == self._rows.tenant, *wanted.conditions()]
        order = ("placed_at_us", "order_id")
        return self._rows.page(Order, table, where, order, cursor, limit, newest_first=True)

    def fulfilments(self, order_id: OrderId) -> tuple[Fulfilment, ...]:
        """Return how far the order's goods are, by place."""
        return self._rows.all(
            Fulfilment, schema.FULFILMENT, "location", "fulfilment_id", order_id=order_id
        )

    def reservations(self, order_id: OrderId) -> tuple[Reservation, ...]:
        """Return what is held for the order, by line."""
        return self._rows.all(Reservation, schema.RESERVATION, "line_id", order_id=order_id)

    def payments(self, order_id: OrderId) -> tuple[Payment, ...]:
        """Return the money that moved for the order."""
        return self._rows.all(Payment, schema.PAYMENT, "payment_id", order_id=order_id)

    def returns(self, order_id: OrderId) -> tuple[Return, ...]:
        """Return what comes back of the order."""
        return self._rows.all(Return, schema.RETURN, "return_id", order_id=order_id)

    def cart(self, cart_id: CartId) -> Cart | None:
        """Return a cart, or None."""
        return self._rows.one(Cart, schema.CART, cart_id=cart_id)

    def prices(self, sku: Sku) -> tuple[Price, ...]:
        """Return every price of a SKU, by list and begin."""
        return self._rows.all(Price, schema.PRICE, "price_list", "valid_from_us", sku=sku)
