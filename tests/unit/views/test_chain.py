"""Explain: of everything in the log, exactly what led to a fact and followed from it."""

from omnihub.broker.ports import Entry, Position
from omnihub.model.ids import (
    CommandId,
    DeliveryId,
    EventId,
    InstanceId,
    LocationId,
    MovementId,
    Sku,
    TenantId,
)
from omnihub.model.records import (
    ChannelAts,
    CommandResult,
    DeliveryKind,
    EventMeta,
    LevelDesired,
    MovementKind,
    Outcome,
    RawDelivery,
    SetStockLevel,
    SourceEntity,
    StockLevel,
    StockMoved,
)
from omnihub.views.chain import explain, link_of

MAIN, WEB, POS = TenantId("main"), InstanceId("web"), InstanceId("pos")


class Story:
    """One delivery with two sales of two SKUs, each as far as the web store."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        raw = RawDelivery(
            delivery_id=DeliveryId("d1"),
            tenant=MAIN,
            connector="poslog",
            instance=POS,
            kind=DeliveryKind.FILE,
            stream="spool",
            name="day.xml",
            body=b"secret body",
            accepted_at_us=1,
        )
        self.add("omni.raw.poslog.v1", raw)
        for line, sku in (("1", "A"), ("2", "B")):
            self.sale(line, sku)

    def add(self, topic: str, record) -> None:
        at = Position(topic, 0, sum(1 for one in self.entries if one.at.topic == topic))
        self.entries.append(Entry(at, 1, "key", record))

    def sale(self, line: str, sku: str) -> None:
        entity = SourceEntity(
            tenant=MAIN,
            connector="poslog",
            instance=POS,
            type="line",
            entity_id=line,
            kind=DeliveryKind.FILE,
            delivery_id=DeliveryId("d1"),
            accepted_at_us=1,
            body=b"secret body",
        )
        self.add("omni.entity.poslog.v1", entity)
        event = f"e{line}"
        meta = EventMeta(
            tenant=MAIN,
            event_id=EventId(event),
            cause_id="d1",
            source="pos",
            entity=f"line:{line}",
            occurred_at_us=1,
            accepted_at_us=1,
        )
        moved = StockMoved(
            meta=meta,
            movement_id=MovementId(f"m{line}"),
            sku=Sku(sku),
            kind=MovementKind.SALE,
            from_location=LocationId("S1"),
            quantity_milli=1000,
        )
        self.add("omni.stock.inbox.v1", moved)
        self.add("omni.stock.event.v1", moved)
        common = {"tenant": MAIN, "sku": Sku(sku), "cause_id": event, "accepted_at_us": 1, "seq": 1}
        level = StockLevel(
            location=LocationId("S1"), on_hand_milli=0, ats_milli=0, occurred_at_us=1, **common
        )
        self.add("omni.stock.state.v1", level)
        self.add(
            "omni.stock.channel.state.v1",
            ChannelAts(channel="WEB", pool_milli=0, ats_milli=0, **common),
        )
        target = {"instance": WEB, "target": sku, "quantity_milli": 0, **common}
        self.add("omni.outbound.inbox.v1", LevelDesired(**target))
        self.add("omni.command.web.v1", SetStockLevel(command_id=CommandId(f"c{line}"), **target))
        result = CommandResult(
            command_id=CommandId(f"c{line}"),
            tenant=MAIN,
            instance=WEB,
            target=sku,
            outcome=Outcome.DONE,
            accepted_at_us=1,
            finished_at_us=2,
        )
        self.add("omni.result.v1", result)

    def chain(self, wanted: str) -> list[str]:
        links = [link for entry in self.entries if (link := link_of(entry))]
        return [link.type for link in explain(links, wanted)]


WHOLE = [
    "RawDelivery",
    "SourceEntity",
    "StockMoved",
    "StockMoved",
    "ChannelAts",
    "StockLevel",
    "LevelDesired",
    "SetStockLevel",
    "CommandResult",
]


def test_an_event_id_shows_its_whole_way_and_nothing_of_its_neighbour() -> None:
    assert Story().chain("e1") == WHOLE


def test_a_sku_a_source_key_and_a_movement_show_the_same_way() -> None:
    for wanted in ("A", "line:1", "m1"):
        assert Story().chain(wanted) == WHOLE, wanted


def test_a_command_shows_what_led_to_it_and_its_result() -> None:
    way = ["RawDelivery", "SourceEntity", "StockMoved", "StockMoved"]
    assert Story().chain("c1") == [*way, "SetStockLevel", "CommandResult"]


def test_a_delivery_shows_everything_that_came_with_it() -> None:
    assert len(Story().chain("d1")) == 1 + 2 * (len(WHOLE) - 1)
    assert len(Story().chain("day.xml")) == 1 + 2 * (len(WHOLE) - 1)


def test_an_unknown_id_shows_nothing() -> None:
    assert Story().chain("nobody") == []


def test_no_link_holds_a_body() -> None:
    links = [link_of(entry) for entry in Story().entries]
    assert "secret body" not in repr(links)
