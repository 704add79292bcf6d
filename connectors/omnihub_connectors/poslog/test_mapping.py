"""What till lines become: the samples, the odd cases, and files that mean harm."""

import itertools
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.connect import order_id_of
from omnihub.connect.errors import BadDelivery
from omnihub.connect.kit.journey import Journey
from omnihub.model.errors import Unmapped
from omnihub.model.ids import ChannelId, DeliveryId, InstanceId, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    DeliveryKind,
    MovementKind,
    RawDelivery,
    Rejected,
    StockCounted,
    StockMoved,
)
from omnihub_connectors.poslog.config import PosLogConfig
from omnihub_connectors.poslog.mapping import PosLogMapping

SAMPLES = Path(__file__).parent / "samples"
POS = InstanceId("pos")
CONFIG = PosLogConfig(
    spool=Path("unused"), time_zone="America/New_York", time_zones={"9": "Europe/Berlin"}
)
T0_US = 1_800_000_000_000_000
KEY = (
    "<RetailStoreID>{store}</RetailStoreID><WorkstationID>3</WorkstationID>"
    "<SequenceNumber>{seq}</SequenceNumber><BusinessDayDate>2026-11-16</BusinessDayDate>"
)


class Codes:
    """Locations are STORE-<code>, SKUs are their own; one SKU is unknown."""

    channel = ChannelId("pos")

    def resolve(self, kind: str, code: str) -> str:
        if code == "unknown":
            raise Unmapped(POS, kind, code)
        return f"STORE-{code}" if kind == "location" else code

    def code_of(self, kind: str, canonical: str) -> str:
        return canonical


class Till:
    """Files in, stock events out."""

    def __init__(self, config: PosLogConfig = CONFIG) -> None:
        mapping = PosLogMapping(config)
        self._journey = Journey("poslog", POS, mapping, Codes(), frozenset({"stock"}))
        self._numbers = itertools.count(1)

    def drop(self, body: bytes, **headers: str) -> list[Record]:
        """Bring one file through split and translate; parked lines are left out."""
        return self._journey.tell(self.raw(body, headers))

    @property
    def parked(self) -> list[str]:
        return [str(error) for error in self._journey.parked]

    def raw(self, body: bytes, headers: dict[str, str]) -> RawDelivery:
        return RawDelivery(
            delivery_id=DeliveryId(f"d{next(self._numbers)}"),
            tenant=TenantId("t"),
            connector="poslog",
            instance=POS,
            kind=DeliveryKind.FILE,
            stream="spool",
            name="f.xml",
            headers=headers,
            body=body,
            accepted_at_us=T0_US,
        )


def transaction(
    lines: str,
    *,
    seq: int = 1,
    store: str = "367",
    end: str = "2026-11-16T18:05:10",
    link: str = "",
    flags: str = "",
) -> str:
    return (
        f"<Transaction{flags}>{KEY.format(store=store, seq=seq)}<EndDateTime>{end}</EndDateTime>"
        f"<RetailTransaction>{link}{lines}</RetailTransaction></Transaction>"
    )


def line(
    number: int = 1, act: str = "Sale", item: str = "111", quantity: str = "2", flags: str = ""
) -> str:
    return (
        f"<LineItem{flags}><SequenceNumber>{number}</SequenceNumber><{act}><ItemID>{item}</ItemID>"
        f"<Quantity>{quantity}</Quantity></{act}></LineItem>"
    )


def document(*transactions: str) -> bytes:
    return f"<POSLog>{''.join(transactions)}</POSLog>".encode()


VOID = f'<TransactionLink ReasonCode="Void">{KEY.format(store="367", seq=1)}</TransactionLink>'


def moved(event: Record) -> tuple[str, int, str | None, str | None]:
    assert isinstance(event, StockMoved)
    return event.kind, event.quantity_milli, event.from_location, event.to_location


# -- the samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.xml")))
def test_every_sample_is_understood_line_by_line(name: str) -> None:
    till = Till()
    events = till.drop((SAMPLES / name).read_bytes())
    assert events
    assert till.parked == []
    assert not [event for event in events if isinstance(event, Rejected)]
    assert till.drop((SAMPLES / name).read_bytes()) == []


def test_there_is_a_sample_of_each_kind() -> None:
    kinds = {"sale", "return", "void-line", "post-void", "count", "mixed", "collection"}
    assert kinds <= {path.stem for path in SAMPLES.glob("*.xml")}


def test_a_sale_leaves_its_store_when_the_transaction_ended() -> None:
    events = Till().drop((SAMPLES / "sale.xml").read_bytes())
    first = events[0]
    assert isinstance(first, StockMoved)
    assert (first.kind, first.from_location, first.to_location) == (
        MovementKind.SALE,
        "STORE-367",
        None,
    )
    assert first.movement_id.startswith("pos:367:")
    assert first.meta.tz == "America/New_York"


# -- lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "link", "expected"),
    [
        ("Sale", "", (MovementKind.SALE, 2000, "STORE-367", None)),
        ("Return", "", (MovementKind.RETURN, 2000, None, "STORE-367")),
        ("Sale", VOID, (MovementKind.VOID, 2000, None, "STORE-367")),
        ("Return", VOID, (MovementKind.VOID, 2000, "STORE-367", None)),
    ],
)
def test_what_each_line_moves(act: str, link: str, expected: object) -> None:
    (event,) = Till().drop(document(transaction(line(act=act), link=link)))
    assert moved(event) == expected


def test_lines_and_transactions_that_never_happened_are_no_facts() -> None:
    till = Till()
    assert (
        till.drop(
            document(
                transaction(line(flags=' VoidFlag="true"')),
                transaction(line(), flags=' TrainingModeFlag="true"'),
                transaction(line(), flags=' CancelFlag="1"'),
                "<Transaction><ControlTransaction/></Transaction>".replace(
                    "<Control", KEY.format(store="1", seq=1) + "<Control"
                ),
            )
        )
        == []
    )
    assert till.parked == []


def test_a_zero_quantity_is_a_fact_that_moves_nothing() -> None:
    (event,) = Till().drop(document(transaction(line(quantity="0"))))
    assert moved(event)[1] == 0


@pytest.mark.parametrize(
    ("text", "milli"), [("2", 2000), ("29.383", 29383), ("0.5", 500), ("1.10", 1100)]
)
def test_quantities_are_thousandths(text: str, milli: int) -> None:
    (event,) = Till().drop(document(transaction(line(quantity=text))))
    assert moved(event)[1] == milli


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-1", "negative_quantity"),
        ("1.2345", "bad_quantity"),
        ("two", "bad_quantity"),
        ("", "bad_quantity"),
        ("1e3", "bad_quantity"),
        ("NaN", "bad_quantity"),
        ("٣", "bad_quantity"),
    ],
)
def test_a_bad_quantity_is_rejected_and_its_neighbour_is_not(text: str, reason: str) -> None:
    rejected, event = Till().drop(document(transaction(line(1, quantity=text) + line(2))))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason_code, rejected.subject) == (reason, "367:3:2026-11-16:1:1")
    assert moved(event)[1] == 2000


def test_a_line_without_item_or_with_a_bad_time_is_rejected() -> None:
    (first,) = Till().drop(document(transaction(line(item=""))))
    (second,) = Till().drop(document(transaction(line(), end="yesterday")))
    assert isinstance(first, Rejected)
    assert isinstance(second, Rejected)
    assert (first.reason_code, second.reason_code) == ("missing_item", "bad_time")


def test_an_unknown_sku_parks_only_its_line() -> None:
    till = Till()
    events = till.drop(document(transaction(line(1, item="unknown") + line(2))))
    assert [moved(event)[1] for event in events] == [2000]
    assert till.parked == ["sku 'unknown' of pos has no canonical id"]


def test_a_transaction_without_its_key_parks_alone() -> None:
    till = Till()
    broken = "<Transaction><RetailStoreID>1</RetailStoreID></Transaction>"
    assert len(till.drop(document(broken, transaction(line())))) == 1
    assert till.parked == ["transaction 1 has no <WorkstationID> in f.xml"]


def test_prefixes_and_missing_namespaces_do_not_matter() -> None:
    plain = document(transaction(line())).decode()
    prefixed = plain.replace("</", "</p:").replace("<", "<p:").replace("<p:/p:", "</p:")
    prefixed = prefixed.replace("<p:POSLog>", '<p:POSLog xmlns:p="urn:x">')
    one, other = Till().drop(plain.encode()), Till().drop(prefixed.encode())
    assert [moved(event) for event in one] == [moved(event) for event in other]


# -- collected orders ----------------------------------------------------------------------------

ORDER_ID = "0d4c3b2a-1111-5222-8333-444455556666"
WEB_4711 = order_id_of(TenantId("t"), "web", "4711")
APP_4711 = order_id_of(TenantId("t"), "app", "4711")
APP_UUID = order_id_of(TenantId("t"), "app", ORDER_ID)


def collected(
    act: str = "PreviousCustomerOrder", order: str = "4711", source: str = "", number: int = 1
) -> str:
    named = f"<InventoryReservationID{source}>{order}</InventoryReservationID>"
    return line(number, act=act).replace(f"</{act}>", f"{named}</{act}>")


def orders_of(events: list[Record]) -> list[str | None]:
    return [event.order_id for event in events if isinstance(event, StockMoved)]


def test_a_collection_moves_the_goods_of_its_order_and_a_plain_line_of_none() -> None:
    events = Till().drop((SAMPLES / "collection.xml").read_bytes())

    assert [moved(event)[0] for event in events] == [MovementKind.SALE, MovementKind.SALE]
    assert orders_of(events) == [WEB_4711, ORDER_ID]
    assert orders_of(Till().drop(document(transaction(line())))) == [None]


@pytest.mark.parametrize("act", ["PreviousCustomerOrder", "Sale", "Return"])
def test_an_order_is_named_by_its_canonical_id_or_by_that_of_its_source(act: str) -> None:
    knowing = CONFIG.model_copy(update={"order_source": InstanceId("web")})
    told = [
        (CONFIG, collected(act, ORDER_ID.upper()), ORDER_ID),
        (CONFIG, collected(act, source=' OrderSource="web"'), WEB_4711),
        (knowing, collected(act), WEB_4711),
        (knowing, collected(act, source=' OrderSource="app"'), APP_4711),
        # What looks like ours is the source's own when the till says so.
        (CONFIG, collected(act, ORDER_ID, ' OrderSource="app"'), APP_UUID),
    ]
    for config, body, expected in told:
        assert orders_of(Till(config).drop(document(transaction(body)))) == [expected]


def test_an_order_of_nobody_parks_its_line_alone() -> None:
    till = Till()

    events = till.drop(document(transaction(collected() + line(2))))

    assert orders_of(events) == [None]
    assert till.parked == ["line 367:3:2026-11-16:1:1 names an order, but not whose it is"]


def test_a_collected_line_told_again_is_dropped_and_its_void_brings_the_goods_back() -> None:
    till = Till()
    body = collected(source=' OrderSource="web"')
    [sale] = till.drop(document(transaction(body)))

    assert till.drop(document(transaction(body))) == []
    [void] = till.drop(document(transaction(body, seq=2, link=VOID)))

    assert moved(sale) == (MovementKind.SALE, 2000, "STORE-367", None)
    assert moved(void) == (MovementKind.VOID, 2000, None, "STORE-367")
    assert orders_of([sale, void]) == [WEB_4711, WEB_4711]


def test_an_order_placed_at_the_till_moves_nothing_yet() -> None:
    placing = [collected("CustomerOrderForPickup"), collected("CustomerOrderForDelivery", number=2)]
    till = Till()
    assert till.drop(document(transaction("".join(placing)))) == []
    assert till.parked == []


# -- order and repetition ------------------------------------------------------------------------


@settings(deadline=None)  # a slow machine is no fault
@given(order=st.permutations(range(4)), again=st.integers(0, 3))
def test_any_order_and_repetition_give_the_same_facts(order: list[int], again: int) -> None:
    files = [
        document(transaction(line(1) + line(2, item="222"), seq=1)),
        document(transaction(line(1) + line(2, item="222"), seq=2, link=VOID)),
        document(transaction(line(1, act="Return"), seq=3)),
        document(transaction(line(1) + line(2, item="222"), seq=1), transaction(line(), seq=4)),
    ]
    till = Till()
    events = [event for index in (*order, again) for event in till.drop(files[index])]
    stock: dict[str, int] = {}
    for event in events:
        _, milli, source, _ = moved(event)
        assert isinstance(event, StockMoved)
        stock[event.sku] = stock.get(event.sku, 0) + (-milli if source else milli)
    assert len(events) == 6
    assert stock == {"111": -2000 + 2000 + 2000 - 2000, "222": 0}


def test_the_same_line_with_other_content_is_a_conflict_and_changes_nothing() -> None:
    till = Till()
    till.drop(document(transaction(line())))
    (rejected,) = till.drop(document(transaction(line(quantity="5"))))
    assert isinstance(rejected, Rejected)
    assert rejected.reason_code == "conflicting_fact"


# -- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "local", "utc"),
    [
        ("367", "2026-11-16T18:05:10", "2026-11-16T23:05:10"),
        ("9", "2026-11-16T18:05:10", "2026-11-16T17:05:10"),
        ("367", "2026-11-01T01:30:00", "2026-11-01T05:30:00"),  # happens twice: the first
        ("367", "2026-03-08T02:30:00", "2026-03-08T07:30:00"),  # never happens: offset before
        ("367", "2026-11-16T18:05:10+01:00", "2026-11-16T17:05:10"),  # told with an offset
    ],
)
def test_local_times_are_told_in_the_stores_zone(store: str, local: str, utc: str) -> None:
    (event,) = Till().drop(document(transaction(line(), store=store, end=local)))
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert isinstance(event, StockMoved)
    assert event.meta.occurred_at_us == int(expected.timestamp()) * 1_000_000


def test_a_count_is_as_of_its_own_time() -> None:
    events = Till().drop((SAMPLES / "count.xml").read_bytes())
    assert all(isinstance(event, StockCounted) for event in events)
    first = events[0]
    assert isinstance(first, StockCounted)
    assert first.as_of_us == first.meta.occurred_at_us
    assert first.location == "STORE-367"


# -- files that mean harm ------------------------------------------------------------------------

BOMB = (
    b'<!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12))
    + b"]><POSLog>&m;</POSLog>"
)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (BOMB, "it defines a DTD or entities"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><POSLog/>', "it defines a DTD or entities"),
        (b"<POSLog><Transaction>", "not well-formed"),
        (b"", "not well-formed"),
        (b"\x00\xff", "not well-formed"),
        (b"<html/>", "root is <html>"),
        (b'<?xml version="1.0" encoding="no-such"?><POSLog/>', "POSLog"),
    ],
)
def test_a_file_that_is_no_poslog_parks_whole_with_reason_and_cure(body: bytes, why: str) -> None:
    tracemalloc.start()
    with pytest.raises(BadDelivery, match=why) as caught:
        Till().drop(body)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "archive/f.xml" in caught.value.cure
    assert peak_bytes < 5_000_000


def test_a_file_too_large_to_read_parks_with_its_size() -> None:
    with pytest.raises(BadDelivery, match="99 bytes"):
        Till().drop(b"", too_large_bytes="99")
