"""Explain an order and a customer: from the delivery to every system, personal data apart."""

import msgspec
import pytest

from omnihub.broker.memory import MemoryLog
from omnihub.broker.ports import Entry, Position
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.contracts.vault import MemoryVault
from omnihub.model.ids import (
    ChannelId,
    CommandId,
    CustomerId,
    DeliveryId,
    EventId,
    InstanceId,
    LineId,
    LocationId,
    OrderId,
    ReservationId,
    Sku,
    SubjectId,
)
from omnihub.model.records import (
    CommandResult,
    CustomerObserved,
    DeliveryKind,
    EventMeta,
    FulfilmentStatus,
    OrderIntent,
    OrderPlaced,
    OrderStatus,
    Outcome,
    PaymentState,
    RawDelivery,
    ReservationChanged,
    ReservationStatus,
    ReserveStock,
    SetOrderStatus,
    SourceEntity,
    StockLevel,
    SubjectLinked,
    TimerDue,
)
from omnihub.views.chain import Link, Opener, explain, link_of
from tests.unit.views.examples import ADAS, EMAIL, MAIN, contact, link, order, profile

SHOP = InstanceId("shop")
TOPICS = (
    *("omni.raw.shop.v1", "omni.entity.shop.v1", "omni.order.inbox.v1", "omni.order.state.v1"),
    *("omni.stock.inbox.v1", "omni.stock.state.v1", "omni.command.shop.v1", "omni.result.v1"),
    *("omni.customer.inbox.v1", "omni.identity.state.v1", "omni.profile.state.v1"),
)


def meta(event_id: str, cause_id: str, entity: str = "order:7", at_us: int = 1) -> EventMeta:
    return EventMeta(
        tenant=MAIN,
        event_id=EventId(event_id),
        cause_id=cause_id,
        source=SHOP,
        entity=entity,
        occurred_at_us=at_us,
        accepted_at_us=at_us,
    )


def delivery(at_us: int = 1) -> tuple[RawDelivery, SourceEntity]:
    common = {"tenant": MAIN, "connector": "shop", "instance": SHOP}
    common |= {"kind": DeliveryKind.WEBHOOK, "delivery_id": DeliveryId("d1")}
    raw = RawDelivery(stream="orders", name="7", body=b"x", accepted_at_us=at_us, **common)
    entity = SourceEntity(type="order", entity_id="7", body=b"x", accepted_at_us=at_us, **common)
    return raw, entity


def placed() -> OrderPlaced:
    return OrderPlaced(
        meta=meta("e-placed", "d1"),
        order_id=OrderId("o1"),
        number="1001",
        channel=ChannelId("web"),
        intent=OrderIntent.PLACE,
        payment=PaymentState.PAID,
        currency="EUR",
        lines=(),
        total_minor=398,
        contact=contact(),
        subject=SubjectId("s-ada"),
        placed_at_us=1,
    )


def reserving() -> tuple[ReserveStock, ReservationChanged, StockLevel]:
    common = {
        "reservation_id": ReservationId("r1"),
        "order_id": OrderId("o1"),
        "line_id": LineId("1"),
        "sku": Sku("4711"),
        "channel": ChannelId("web"),
        "quantity_milli": 1000,
    }
    places = (LocationId("S1"),)
    ask = ReserveStock(meta=meta("e-ask", "e-placed"), locations=places, expires_at_us=9, **common)
    held = ReservationChanged(
        meta=meta("e-held", "e-ask"), status=ReservationStatus.HELD, location="S1", **common
    )
    level = StockLevel(
        tenant=MAIN,
        sku=Sku("4711"),
        location=LocationId("S1"),
        on_hand_milli=2000,
        held_milli=1000,
        ats_milli=1000,
        seq=2,
        cause_id="e-ask",
        occurred_at_us=1,
        accepted_at_us=1,
    )
    return ask, held, level


def telling() -> tuple[SetOrderStatus, CommandResult]:
    target = {"tenant": MAIN, "instance": SHOP, "target": "order:o1"}
    command = SetOrderStatus(
        command_id=CommandId("cmd-1"),
        cause_id="e-held",
        accepted_at_us=1,
        order_id=OrderId("o1"),
        number="1001",
        status=OrderStatus.CONFIRMED,
        fulfilment_status=FulfilmentStatus.ALLOCATED,
        seq=2,
        **target,
    )
    result = CommandResult(
        command_id=CommandId("cmd-1"),
        outcome=Outcome.DONE,
        accepted_at_us=1,
        finished_at_us=2,
        **target,
    )
    return command, result


@pytest.fixture
async def story() -> "Story":
    """The whole way of one order and its buyer, and a neighbour of both."""
    sealer = Sealer(MemoryVault(), seals_bodies=False)
    log = MemoryLog(Topics.load(), Codec(SchemaIds.offline(), sealer))
    raw, entity = delivery()
    await log.append("omni.raw.shop.v1", raw)
    await log.append("omni.entity.shop.v1", entity)
    await log.append("omni.order.inbox.v1", placed())
    ask, held, level = reserving()
    await log.append("omni.stock.inbox.v1", ask)
    await log.append("omni.order.inbox.v1", held)
    await log.append("omni.stock.state.v1", level)
    known = msgspec.structs.replace(order("o1", number="1001"), cause_id="e-held")
    await log.append("omni.order.state.v1", known)
    command, result = telling()
    await log.append("omni.command.shop.v1", command)
    await log.append("omni.result.v1", result)
    observed = CustomerObserved(
        meta=meta("e-seen", "d1"),
        subject=SubjectId("s-ada"),
        identifiers=(),
        contact=contact(),
        consents=(),
        segments=(),
    )
    await log.append("omni.customer.inbox.v1", observed)
    linked = SubjectLinked(
        meta=meta("e-linked", "e-seen"),
        subject=SubjectId("s-ada"),
        customer_id=CustomerId("c1"),
    )
    await log.append("omni.customer.inbox.v1", linked)
    ada = msgspec.structs.replace(link("s-ada", "c1"), cause_id="e-linked")
    await log.append("omni.identity.state.v1", ada)
    person = msgspec.structs.replace(profile("c1"), cause_id="e-linked")
    await log.append("omni.profile.state.v1", person)
    await log.append("omni.order.state.v1", order("o2", subject=None))
    due = TimerDue(name="deadline", key="main:o1", timer_id="t", due_at_us=5, fired_at_us=5)
    entries = await log.read_all(TOPICS)
    return Story(
        [*entries, Entry(Position("omni.order.inbox.v1", 9, 0), 1, "main:o1", due)], sealer
    )


class Story:
    def __init__(self, entries: list[Entry], sealer: Sealer) -> None:
        self.entries, self.sealer = entries, sealer

    def links(self, opener: Opener | None = None) -> list[Link]:
        found = (link_of(entry, opener) for entry in self.entries)
        return [one for one in found if one]

    def chain(self, wanted: str) -> list[str]:
        return [one.type for one in explain(self.links(), wanted)]


WAY = ["RawDelivery", "SourceEntity", "OrderPlaced", "ReserveStock", "ReservationChanged"]
EFFECT = ["SetOrderStatus", "CommandResult"]


@pytest.mark.parametrize("wanted", ["o1", "1001"])
def test_an_order_shows_its_way_from_the_delivery_to_the_effect(story: Story, wanted: str) -> None:
    chain = story.chain(wanted)
    for step in (*WAY, "StockLevel", "Order", "TimerDue", *EFFECT):
        assert chain.count(step) == 1, (step, chain)


def test_a_reservation_shows_the_order_behind_it_and_what_it_changed(story: Story) -> None:
    chain = story.chain("r1")
    assert set(chain) == {*WAY, "StockLevel", "Order", *EFFECT}


@pytest.mark.parametrize("wanted", ["c1", "s-ada"])
def test_a_customer_shows_how_they_became_known(story: Story, wanted: str) -> None:
    chain = set(story.chain(wanted))
    known = {"RawDelivery", "SourceEntity", "CustomerObserved", "SubjectLinked", "SubjectLink"}
    assert known | {"CustomerProfile"} <= chain


def test_an_order_shows_nothing_of_its_neighbour(story: Story) -> None:
    assert story.chain("o2") == ["Order"]


def test_nothing_personal_is_told_without_the_right(story: Story) -> None:
    told = repr(story.links())
    assert not [value for value in ADAS if value in told]
    assert "siv" not in told


def test_with_the_right_what_is_personal_is_told(story: Story) -> None:
    told = {one.type: one.told for one in story.links(story.sealer.open_record)}
    for kind in ("OrderPlaced", "Order", "CustomerObserved", "CustomerProfile"):
        assert told[kind]["contact.email"] == EMAIL, kind
