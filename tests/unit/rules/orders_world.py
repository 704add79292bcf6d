"""A small retailer for tests of orders: stock and order rule together, on virtual time.

One channel `web` sells from a depot and two shops; shop orders are collected, others are shipped.
"""

from itertools import count

from omnihub.engine.driver import TestDriver
from omnihub.model.ids import (
    ChannelId,
    EventId,
    InstanceId,
    LineId,
    LocationId,
    MovementId,
    OrderId,
    PaymentId,
    Sku,
    TenantId,
)
from omnihub.model.records import (
    CancelOrder,
    EventMeta,
    Fulfilment,
    FulfilmentStatus,
    FulfilmentType,
    Money,
    MovementKind,
    Order,
    OrderChanged,
    OrderIntent,
    OrderLine,
    OrderPlaced,
    Payment,
    PaymentKind,
    PaymentRecorded,
    PaymentState,
    Rejected,
    ReportFulfilment,
    Reservation,
    StockCounted,
    StockLevel,
    StockMoved,
)
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.orders import OrderRule
from omnihub.rules.places import StoreLocation
from omnihub.rules.policy import Channel, StockPolicy
from omnihub.rules.stock import StockRule

TENANT, WEB, SHOP = TenantId("t"), ChannelId("web"), InstanceId("shop")
DEPOT, NORTH, SOUTH = LocationId("depot"), LocationId("north"), LocationId("south")
APPLE, PEAR = Sku("apple"), Sku("pear")
SHIP, PICKUP = FulfilmentType.SHIP, FulfilmentType.PICKUP
ORDERS, STOCK = "omni.order.inbox.v1", "omni.stock.inbox.v1"
EVENTS = "omni.order.event.v1"
START_US = 1_764_000_000_000_000
HOLD_S = 900
ONE = 1000


def shop(name):
    return StoreLocation(location=name, lat=39.1, lon=-84.5, services=frozenset({"pickup"}))


STOCK_POLICY = StockPolicy(channels=(Channel(WEB, frozenset({DEPOT, NORTH, SOUTH})),))
ORDER_POLICY = OrderPolicy(
    hold_s=HOLD_S,
    payment_s=HOLD_S,
    sources={WEB: (DEPOT, NORTH)},
    locations={
        DEPOT: StoreLocation(location=DEPOT, services=frozenset({"ship"})),
        NORTH: shop(NORTH),
        SOUTH: shop(SOUTH),
    },
)


def line(name, sku=APPLE, milli=ONE, kind=SHIP, at=None):
    return OrderLine(
        line_id=LineId(name), sku=sku, quantity_milli=milli, fulfilment=kind, location=at,
        unit_price=Money(unscaled=250, scale=2, currency="EUR"), total_minor=250,
    )  # fmt: skip


class World:
    """Stock and orders; tell it what happens, ask it where things stand."""

    def __init__(
        self, topics=None, codec=None, batch_records=100, order_policy=ORDER_POLICY, **stock
    ):
        rules = [StockRule(STOCK_POLICY), OrderRule(order_policy)]
        self.driver = TestDriver(
            rules, topics, codec=codec, now_us=START_US, batch_records=batch_records
        )
        self.numbers = count(1)
        for name, places in stock.items():
            for place, units in places.items():
                self.count(Sku(name), LocationId(place), units)

    def meta(self, version=None, name=None):
        number = next(self.numbers)
        return EventMeta(
            tenant=TENANT, event_id=EventId(name or f"event-{number}"), cause_id="d",
            source=SHOP, entity="order:1", version=version,
            occurred_at_us=self.driver.now_us, accepted_at_us=self.driver.now_us,
        )  # fmt: skip

    def tell(self, topic, record, run=True):
        self.driver.append(topic, record)
        if run:
            self.driver.run()

    def count(self, sku, place, units):
        record = StockCounted(
            meta=self.meta(), count_id=f"count-{sku}-{place}", sku=sku, location=place,
            quantity_milli=units * ONE, as_of_us=self.driver.now_us - 1,
        )  # fmt: skip
        self.tell(STOCK, record)

    def place(self, *lines, name="1", pay=PaymentState.PAID, intent=OrderIntent.PLACE,
              version=1, run=True):  # fmt: skip
        lines = lines or (line("a"),)
        record = OrderPlaced(
            meta=self.meta(version), order_id=OrderId(name), number=f"#{name}", channel=WEB,
            intent=intent, payment=pay, currency="EUR", lines=tuple(lines),
            total_minor=250 * len(lines), placed_at_us=self.driver.now_us,
        )  # fmt: skip
        self.tell(ORDERS, record, run)

    def cancel(self, name="1", reason="changed_mind", run=True):
        request = CancelOrder(
            meta=self.meta(), order_id=OrderId(name), reason=reason, requested_by="buyer"
        )
        self.tell(ORDERS, request, run)

    def report(self, status, at=DEPOT, name="1", run=True):
        report = ReportFulfilment(
            meta=self.meta(), order_id=OrderId(name), location=at,
            status=FulfilmentStatus(status), reported_by="shop",
        )  # fmt: skip
        self.tell(ORDERS, report, run)

    def pay(self, kind, minor, name="1", payment="p1", event=None, currency="EUR", run=True):
        record = PaymentRecorded(
            meta=self.meta(name=event), payment_id=PaymentId(payment), order_id=OrderId(name),
            kind=PaymentKind(kind), amount_minor=minor, currency=currency, provider="bank",
            provider_reference="r",
        )  # fmt: skip
        self.tell(ORDERS, record, run)

    def sell(self, movement, sku=APPLE, at=NORTH, milli=ONE, order=None, run=True):
        record = StockMoved(
            meta=self.meta(), movement_id=MovementId(movement), sku=sku, kind=MovementKind.SALE,
            from_location=at, quantity_milli=milli, order_id=order and OrderId(order),
        )  # fmt: skip
        self.tell(STOCK, record, run)

    def order(self, name="1") -> Order:
        return self.driver.state("omni.order.state.v1")[f"{TENANT}:{name}"]

    def orders(self) -> list[Order]:
        return list(self.driver.state("omni.order.state.v1").values())

    def status(self, name="1"):
        return self.order(name).status.value

    def lines(self, name="1"):
        return [each.status.value for each in self.order(name).lines]

    def steps(self, name="1"):
        changes = self.driver.records(EVENTS, OrderChanged)
        return [each.status.value for each in changes if each.order_id == name]

    def fulfilments(self, name="1") -> dict[str, Fulfilment]:
        known = self.driver.state("omni.fulfilment.state.v1").values()
        return {each.location: each for each in known if each.order_id == name}

    def reservations(self) -> list[Reservation]:
        return list(self.driver.state("omni.reservation.state.v1").values())

    def payments(self) -> list[Payment]:
        return list(self.driver.state("omni.payment.state.v1").values())

    def level(self, sku=APPLE, at=DEPOT) -> StockLevel:
        return self.driver.state("omni.stock.state.v1")[f"{TENANT}:{sku}:{at}"]

    def promised_milli(self):
        levels = self.driver.state("omni.stock.state.v1").values()
        return sum(each.held_milli + each.committed_milli for each in levels)

    def refusals(self, topic=EVENTS):
        return [each.reason_code for each in self.driver.records(topic, Rejected)]

    def timers(self):
        """Return the timers of orders that are still to come."""
        rows = self.driver.rows("order")
        return sorted(key.split("/", 2)[2] for key in rows if key.startswith("TimerRow/"))
