"""Records golden logs, and what today's rules make of them.

    .venv/bin/python tools/golden.py add       writes the logs that are not there
    .venv/bin/python tools/golden.py record    writes anew what today's rules make of every log

`make golden` is `record`. Look at the difference before you commit it: a changed byte is a changed
promise to everybody who reads these topics, or replays them. A log, once there, is never written
again: it is what a release wrote, and must be readable for ever.
"""

import base64
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from omnihub.broker.memory import Stored
from omnihub.contracts.avsc import Schema
from omnihub.contracts.codec import FRAME_BYTES
from omnihub.contracts.ids import content_id
from omnihub.contracts.inline import own_schemas
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import TestDriver
from omnihub.engine.golden import COUNTS, INPUT_FILE, RESULT_FILE, GoldenLog, fold
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
    SubjectId,
    TenantId,
)
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import (
    CancelOrder,
    CommandResult,
    Contact,
    CustomerObserved,
    EventMeta,
    FulfilmentStatus,
    FulfilmentType,
    Identifier,
    IdentifierKind,
    Money,
    MovementKind,
    OrderIntent,
    OrderLine,
    OrderPlaced,
    Outcome,
    PaymentKind,
    PaymentRecorded,
    PaymentState,
    ReportFulfilment,
    SafetyStockSet,
    StockCounted,
    StockMoved,
    TaskPosition,
)
from omnihub.rules.customers import CustomerRule
from omnihub.rules.identity import IdentityRule
from omnihub.rules.order_policy import OrderPolicy
from omnihub.rules.order_routing import OrderRoutes, SaleRoute, TotalRoute
from omnihub.rules.orders import OrderRule
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.policy import Channel, LevelRoute, MovementRoute, StockPolicy
from omnihub.rules.profiles import ProfileRule
from omnihub.rules.rule import Handler
from omnihub.rules.stock import StockRule

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "golden"
TENANT, WEB = TenantId("acme"), ChannelId("web")
ERP, SHOP, TILL, MAIL = (InstanceId(name) for name in ("erp", "shop", "till", "mail"))
DEPOT, NORTH = LocationId("depot"), LocationId("north")
STOCK, ORDERS, PEOPLE = "omni.stock.inbox.v1", "omni.order.inbox.v1", "omni.customer.inbox.v1"
OUTBOUND = "omni.outbound.inbox.v1"
FEW = 3
DAY_S = 24 * 3600
START_US = 1_764_000_000_000_000
PLACES = frozenset({DEPOT, NORTH})


def handlers() -> list[Handler]:
    """Return the rules whose logs are kept, under the policy of a small retailer."""
    stock = StockPolicy(
        channels=(Channel(WEB, PLACES, buffer_milli=1000),),
        levels=(LevelRoute(SHOP, WEB),),
        movements=(MovementRoute(ERP, PLACES),),
        safety_milli={NORTH: 1000},
    )
    routes = OrderRoutes(
        status=frozenset({SHOP}),
        messages=(MAIL,),
        sales=(SaleRoute(ERP, frozenset({DEPOT})),),
        totals=(TotalRoute(ERP, frozenset({WEB})),),
    )
    orders = OrderPolicy(sources={WEB: (DEPOT, NORTH)}, routes=routes)
    people: list[Handler] = [CustomerRule(), IdentityRule(), ProfileRule()]
    return [StockRule(stock), OrderRule(orders), OutboundRule(), *people]


class Story:
    """A day in that retailer: told to all rules at once, so that every inbox gets its part."""

    def __init__(self) -> None:
        log = GoldenLog("", {}, [])
        self.driver = TestDriver(
            handlers(), Topics.load(counts=COUNTS), codec=log.codec(), now_us=START_US
        )
        self._numbers = count(1)
        self._answered: dict[str, int] = {}

    def tell(self) -> None:
        """Tell it all."""
        for topic, record in self._events():
            self.driver.append(topic, record)
            self.driver.run()
            self._answer()
            self.driver.advance(7)
        for pause_s in (*[5] * 200, 3 * DAY_S, 3 * DAY_S, 3 * DAY_S):
            self.driver.advance(pause_s)
            self._answer()

    def _events(self) -> Iterator[tuple[str, Record]]:
        apple, pear = Sku("apple"), Sku("pear")
        yield STOCK, self._count(apple, DEPOT, 12)
        yield STOCK, self._count(apple, NORTH, 5)
        yield STOCK, self._count(pear, NORTH, 3)
        yield (
            STOCK,
            SafetyStockSet(meta=self._meta(ERP), sku=pear, location=NORTH, safety_milli=2000),
        )
        yield STOCK, self._sale(apple, NORTH, 2, "r1")
        yield STOCK, self._sale(apple, NORTH, 2, "r1")  # Told twice.
        yield STOCK, self._sale(pear, NORTH, -1, "r2")  # The sender's fault.
        yield STOCK, self._sale(pear, NORTH, 4, "r3")  # More than there is.
        yield PEOPLE, self._person("s1", "ann")
        yield PEOPLE, self._person("s2", "ann")
        yield ORDERS, self._order("o1", apple, 2, PaymentState.PAID)
        yield ORDERS, self._order("o2", apple, 99, PaymentState.PAID)
        yield ORDERS, self._order("o3", apple, 1, PaymentState.UNPAID)
        yield ORDERS, self._order("o4", apple, 1, PaymentState.UNPAID)
        yield ORDERS, self._payment("o3")
        yield ORDERS, self._order("o5", apple, 1, PaymentState.PAID)
        yield (
            ORDERS,
            CancelOrder(
                meta=self._meta(SHOP),
                order_id=OrderId("o5"),
                reason="changed",
                requested_by="buyer",
            ),
        )
        yield ORDERS, self._report("o1", FulfilmentStatus.PICKING)
        yield ORDERS, self._report("o1", FulfilmentStatus.SHIPPED)
        yield ORDERS, self._report("o1", FulfilmentStatus.PICKING)  # Too late.
        yield STOCK, self._count(apple, DEPOT, 8)
        yield (
            STOCK,
            StockMoved(
                meta=self._meta(ERP),
                movement_id=MovementId("m-transfer"),
                sku=apple,
                kind=MovementKind.TRANSFER,
                from_location=DEPOT,
                to_location=NORTH,
                quantity_milli=3000,
            ),
        )

    def _answer(self) -> None:
        """Let every system do what it was asked."""
        for instance in (ERP, SHOP, MAIL):
            topic = f"omni.command.{instance}.v1"
            commands = self.driver.log.read(topic, 0, self._answered.get(instance, 0))
            for stored in commands:
                command = self.driver.codec.decode(stored.value or b"")
                self._answered[instance] = self._answered.get(instance, 0) + 1
                self.driver.append(OUTBOUND, self._result(command))
            self.driver.run()

    def _result(self, command: Record) -> CommandResult:
        told = {name: getattr(command, name) for name in
                ("command_id", "tenant", "instance", "target", "accepted_at_us")}  # fmt: skip
        return CommandResult(**told, outcome=Outcome.DONE, finished_at_us=self.driver.now_us)

    def _meta(self, source: InstanceId, version: int | None = None) -> EventMeta:
        number, now_us = next(self._numbers), self.driver.now_us
        return EventMeta(
            tenant=TENANT,
            event_id=EventId(f"e{number:03d}"),
            cause_id=f"d{number:03d}",
            source=source,
            entity=f"thing:{number}",
            version=version,
            occurred_at_us=now_us - 1_000_000,
            accepted_at_us=now_us,
            tz="Europe/Berlin",
        )

    def _count(self, sku: Sku, place: LocationId, units: int) -> StockCounted:
        meta = self._meta(ERP)
        return StockCounted(
            meta=meta,
            count_id=f"count-{meta.event_id}",
            sku=sku,
            location=place,
            quantity_milli=units * 1000,
            as_of_us=meta.occurred_at_us,
        )

    def _sale(self, sku: Sku, place: LocationId, units: int, receipt: str) -> StockMoved:
        return StockMoved(
            meta=self._meta(TILL),
            movement_id=MovementId(f"till:{receipt}"),
            sku=sku,
            kind=MovementKind.SALE,
            from_location=place,
            quantity_milli=units * 1000,
        )

    def _order(self, name: str, sku: Sku, units: int, payment: PaymentState) -> OrderPlaced:
        line = OrderLine(
            line_id=LineId("1"),
            sku=sku,
            title="Äpfel",
            quantity_milli=units * 1000,
            unit_price=Money(unscaled=250, scale=2, currency="EUR"),
            total_minor=250 * units,
            fulfilment=FulfilmentType.SHIP,
        )
        return OrderPlaced(
            meta=self._meta(SHOP, version=1),
            order_id=OrderId(name),
            number=f"W-{name}",
            channel=WEB,
            intent=OrderIntent.PLACE,
            payment=payment,
            currency="EUR",
            lines=(line,),
            total_minor=250 * units,
            contact=self._contact("s1"),
            subject=SubjectId("s1"),
            placed_at_us=self.driver.now_us,
        )

    def _payment(self, order: str) -> PaymentRecorded:
        return PaymentRecorded(
            meta=self._meta(SHOP),
            payment_id=PaymentId(f"pay-{order}"),
            order_id=OrderId(order),
            kind=PaymentKind.CAPTURED,
            amount_minor=250,
            currency="EUR",
            provider="psp",
            provider_reference=f"ref-{order}",
        )

    def _report(self, order: str, status: FulfilmentStatus) -> ReportFulfilment:
        return ReportFulfilment(
            meta=self._meta(ERP),
            order_id=OrderId(order),
            location=DEPOT,
            status=status,
            reported_by="erp",
        )

    def _person(self, subject: str, name: str) -> CustomerObserved:
        kind = IdentifierKind.EMAIL
        mail = Identifier(kind=kind, scope="", token=f"token-{name}", is_verified=True)
        return CustomerObserved(
            meta=self._meta(SHOP),
            subject=SubjectId(subject),
            identifiers=(mail,),
            contact=self._contact(subject),
        )

    def _contact(self, subject: str) -> Contact:
        mail = Personal("ann@example.com")
        return Contact(subject=SubjectId(subject), name=Personal("Ann"), email=mail)


def add() -> None:
    """Write the logs that are not there: each inbox whole, and its second half on restored rows."""
    story = Story()
    story.tell()
    by_name = {handler.name: handler for handler in handlers()}
    for task in story.driver.tasks:
        whole = _log(task.name, story.driver.log.read(task.inbox, 0))
        _add(task.name, whole)
        if len(whole.records) > FEW:
            _add(f"{task.name}-restored", _second_half(whole, by_name[task.name]))


def _log(task: str, stored: Sequence[Stored]) -> GoldenLog:
    records = [(each.timestamp_ms, each.key.decode(), each.value or b"") for each in stored]
    return GoldenLog(task, _schemas(value for _, _, value in records), records)


def _second_half(whole: GoldenLog, handler: Handler) -> GoldenLog:
    middle = len(whole.records) // 2
    first = fold(replace(whole, records=whole.records[:middle]), handler)
    newest = {key: base64.b64decode(value) for _, key, value in first.changelog}
    rows = [(key, value) for key, value in newest.items() if value and not _is_position(key)]
    records = whole.records[middle:]
    values = [value for _, value in rows] + [value for _, _, value in records]
    return GoldenLog(whole.task, _schemas(values), records, rows)


def _is_position(key: str) -> bool:
    return key.startswith(TaskPosition.__name__)


def _schemas(values: Iterable[bytes]) -> dict[int, Schema]:
    """Return the schemas that these values were written under."""
    by_id = {content_id(schema): schema for schema in own_schemas().values()}
    used = {int.from_bytes(value[1:FRAME_BYTES], "big") for value in values}
    return {at: by_id[at] for at in sorted(used)}


def _add(name: str, log: GoldenLog) -> None:
    path = FOLDER / name / INPUT_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        log.write(path)
        print(f"{name}: {len(log.records)} records, {len(log.rows)} rows")


def record() -> None:
    """Write anew what today's rules make of every log."""
    by_name = {handler.name: handler for handler in handlers()}
    for path in sorted(FOLDER.glob(f"*/{INPUT_FILE}")):
        log = GoldenLog.read(path)
        folded = fold(log, by_name[log.task])
        folded.write(path.parent / RESULT_FILE)
        print(f"{path.parent.name}: {len(folded.outputs)} outputs, {len(folded.rows)} rows")


if __name__ == "__main__":
    {"add": add, "record": record}[sys.argv[1]]()
