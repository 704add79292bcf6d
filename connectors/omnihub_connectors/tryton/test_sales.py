"""Orders and day totals into a real Tryton, sales of its staff out of it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import msgspec
import pytest

from omnihub.connect import contact_of, order_id_of
from omnihub.connect.errors import PartialWrite, Refused, Transient
from omnihub.connect.kit import TOKENS
from omnihub.connect.sdk import Command, ObservedOrder
from omnihub.model.ids import ChannelId, CommandId, LineId, LocationId, OrderId, Sku, SubjectId
from omnihub.model.records import (
    Contact,
    CustomerObserved,
    FulfilmentType,
    IdentifierKind,
    Money,
    MovementKind,
    OrderPlaced,
    PaymentState,
    RecordSale,
    SaleLine,
    SetDayTotal,
    StockMoved,
)
from omnihub.model.time import from_us, to_us
from omnihub_connectors.tryton.doubles import (
    ERP,
    OPENING_MILLI,
    TENANT,
    Cut,
    CutNetwork,
    Poller,
    Shop,
)
from omnihub_connectors.tryton.parties import Address, Buyer
from omnihub_connectors.tryton.sale_rows import order_reference, total_reference
from omnihub_connectors.tryton.seed import Caller, Sold, StaffSale
from omnihub_connectors.tryton.test_movements import movement

pytestmark = pytest.mark.tryton

PLACED_AT_US = to_us(datetime(2026, 3, 5, 23, 30, tzinfo=UTC))
DAY = date(2026, 3, 5)
WRITES_OF_A_SALE = 4
"""Party, sale, quote, confirm."""
ADDRESS = {"lines": ["1 Vine St"], "city": "Cincinnati", "region": "OH", "postcode": "45202"}
_numbers = count(1)


def buyer(shop: Shop, name: str = "Ada Lovelace", **changes: object) -> Contact:
    told = {"email": f"ada@{shop.code}.example", "phone": "+15135550100", "address": ADDRESS}
    subject = SubjectId(f"{shop.code}-{name.split()[0]}")
    return contact_of(TOKENS, subject, name=name, **{**told, **changes})  # type: ignore[arg-type]


def sale(shop: Shop, *lines: SaleLine, contact: Contact | None = None) -> RecordSale:
    number = next(_numbers)
    lines = lines or (line("SKU-001", 2, 598), line("SKU-002", 1, 100))
    order_id = OrderId(f"order-{shop.code}-{number}")
    return RecordSale(
        command_id=CommandId(f"{shop.code}-sale-{number}"), tenant=TENANT, instance=ERP,
        target=order_id, cause_id=f"event-{number}", accepted_at_us=to_us(datetime.now(UTC)),
        order_id=order_id, number=str(1000 + number), channel=ChannelId("web"),
        location=LocationId(shop.code), currency="USD", lines=lines, shipping_minor=490,
        total_minor=sum(each.total_minor for each in lines) + 490 - 10, contact=contact,
        placed_at_us=PLACED_AT_US,
    )  # fmt: skip


def line(sku: str, units: float, total_minor: int) -> SaleLine:
    price = Money(unscaled=round(total_minor / units), scale=2, currency="USD")
    return SaleLine(
        line_id=LineId(sku),
        sku=Sku(sku),
        quantity_milli=int(units * 1000),
        unit_price=price,
        total_minor=total_minor,
    )


def total(shop: Shop, orders: int, total_minor: int, seq: int = 1) -> SetDayTotal:
    channel, day = ChannelId(f"web-{shop.code}"), 20_000
    return SetDayTotal(
        command_id=CommandId(f"{shop.code}-total-{seq}"), tenant=TENANT, instance=ERP,
        target=f"{channel}:{day}:USD", cause_id="e", accepted_at_us=1, channel=channel, day=day,
        currency="USD", orders=orders, total_minor=total_minor, seq=seq,
    )  # fmt: skip


async def in_book(shop: Shop, *commands: RecordSale) -> list[ObservedOrder]:
    """Return what stands in Tryton of `commands`, in their order."""
    wanted = [each.order_id for each in commands]
    found = [each for each in await shop.connector().read_back_orders() if each.order_id in wanted]
    return sorted(found, key=lambda each: wanted.index(each.order_id))


def as_told(command: RecordSale) -> tuple[object, ...]:
    lines = [(each.sku, each.quantity_milli, each.total_minor) for each in command.lines]
    return (command.order_id, command.currency, command.total_minor, lines)


def as_seen(order: ObservedOrder) -> tuple[object, ...]:
    lines = [(each.sku, each.quantity_milli, each.total_minor) for each in order.lines]
    return (order.order_id, order.currency, order.total_minor, lines)


async def parties(shop: Shop, name: str) -> list[dict[str, object]]:
    fields = ["name", "code", "email", "phone", "addresses.street", "addresses.city"]
    return await shop.admin.search_read(
        "party.party", [["code", "=", f"hub:{shop.code}-{name}"]], fields
    )


# -- orders to sales -----------------------------------------------------------------------------


async def test_orders_stand_in_the_book_with_their_lines_totals_and_day(shop: Shop) -> None:
    commands = [sale(shop, contact=buyer(shop)) for _ in range(3)]
    odd = sale(shop, line("SKU-003", 3, 1000), line("SKU-004", 7, 1999))

    done = await shop.connector().write([*commands, odd])

    assert set(done) == {each.command_id for each in [*commands, odd]}
    seen = await in_book(shop, *commands, odd)
    assert [as_seen(each) for each in seen] == [as_told(each) for each in [*commands, odd]]
    assert {each.status for each in seen} == {"processing"}
    [row] = await shop.admin.search_read(
        "sale.sale",
        [["reference", "=", order_reference(odd.order_id)]],
        ["sale_date", "warehouse.storage_location.code", "description"],
    )
    assert str(row["sale_date"]) == "2026-03-06"  # in the company's zone
    assert row["warehouse."]["storage_location."]["code"] == shop.code
    assert row["description"] == f"web {odd.number}"


async def test_a_sale_moves_no_goods_its_movements_do(shop: Shop) -> None:
    command = sale(shop, line("SKU-001", 2, 598))
    await shop.connector().write([command])
    assert (await shop.on_hand())["SKU-001"] == OPENING_MILLI

    await shop.connector().write([movement(shop, "SKU-001", 2)])

    assert (await shop.on_hand())["SKU-001"] == OPENING_MILLI - 2000
    [row] = await shop.admin.search_read(
        "sale.sale",
        [["reference", "=", order_reference(command.order_id)]],
        ["moves", "shipments", "invoices"],
    )
    assert (row["moves"], row["shipments"], row["invoices"]) == ([], [], [])


async def test_a_person_is_one_party_with_an_address_per_place(shop: Shop) -> None:
    moved_on = {"lines": ["2 Race St", "Apt 3"], "city": "Dayton", "country": "XX"}
    commands = [
        sale(shop, contact=buyer(shop)),
        sale(shop, contact=buyer(shop, address=moved_on)),
        sale(shop, contact=buyer(shop, name="Bob Byte", email=None, phone=None)),
    ]
    await shop.connector().write(commands)
    again = [sale(shop, contact=buyer(shop, address=moved_on)), sale(shop, contact=buyer(shop))]
    await shop.connector().write(again)

    [ada] = await parties(shop, "Ada")
    [bob] = await parties(shop, "Bob")
    assert (ada["name"], ada["email"], ada["phone"]) == (
        "Ada Lovelace",
        f"ada@{shop.code}.example",
        "+15135550100",
    )
    places = [(each["street"], each["city"]) for each in ada["addresses."]]  # type: ignore[attr-defined]
    assert sorted(places) == [
        ("1 Vine St", "Cincinnati OH"),
        ("2 Race St\nApt 3\nXX", "Dayton"),
    ]
    assert bob["name"] == "Bob Byte"


async def test_buyers_nobody_knows_share_the_party_of_their_channel(shop: Shop) -> None:
    first, second = sale(shop), sale(shop)
    await shop.connector().write([first])
    await shop.connector().write([second])

    references = [order_reference(each.order_id) for each in (first, second)]
    rows = await shop.admin.search_read(
        "sale.sale", [["reference", "in", references]], ["party.code", "party.name"]
    )
    assert {row["party."]["code"] for row in rows} == {"hub:channel:web"}
    assert len({row["party."]["id"] for row in rows}) == 1


@pytest.mark.parametrize("how", Cut)
@pytest.mark.parametrize("at", range(1, WRITES_OF_A_SALE + 1))
async def test_a_write_that_broke_off_makes_no_second_sale(shop: Shop, at: int, how: Cut) -> None:
    commands = [sale(shop, contact=buyer(shop)) for _ in range(3)]
    network = CutNetwork(at, how)
    with pytest.raises(Transient):
        await shop.connector(network).write(commands)
    assert network.was_cut

    for batch in (commands[1:], commands[:2], commands):
        done = await shop.connector().write(batch)
        assert set(done) == {each.command_id for each in batch}

    seen = await in_book(shop, *commands)
    assert [as_seen(each) for each in seen] == [as_told(each) for each in commands]
    assert len(await parties(shop, "Ada")) == 1


async def test_a_create_that_lands_late_is_cancelled(shop: Shop) -> None:
    command = sale(shop, contact=buyer(shop))
    done = await shop.connector().write([command])
    domain = [["reference", "=", order_reference(command.order_id)]]
    [row] = await shop.admin.search_read("sale.sale", domain, ["id"])
    copied = await shop.admin.call(
        "model.sale.sale.copy", [row["id"]], {"reference": order_reference(command.order_id)}
    )

    again = await shop.connector().write([command])

    assert again == done
    states = await shop.admin.search_read("sale.sale", [["id", "in", copied]], ["state"])
    assert [each["state"] for each in states] == ["cancelled"]
    assert len(await in_book(shop, command)) == 1


async def test_an_order_that_is_refused_takes_no_other_with_it_and_names_nobody(
    shop: Shop,
) -> None:
    secret = "Zelda Quux"
    fine = [sale(shop, contact=buyer(shop)) for _ in range(3)]
    half = sale(shop, line("SKU-007", 0.5, 100), contact=buyer(shop, name=secret))
    unknown = sale(shop, line("SKU-NONE", 1, 100), contact=buyer(shop, name=secret))
    nowhere = msgspec.structs.replace(sale(shop), location=LocationId("nowhere"))
    wrong = msgspec.structs.replace(sale(shop), currency="EUR")
    bad = [half, unknown, nowhere, wrong]

    with pytest.raises(PartialWrite) as caught:
        await shop.connector().write([fine[0], *bad, *fine[1:]])

    assert set(caught.value.done) == {each.command_id for each in fine}
    assert set(caught.value.failed) == {each.command_id for each in bad}
    assert all(isinstance(each, Refused) and each.cure for each in caught.value.failed.values())
    told = " ".join(str(each) + getattr(each, "cure", "") for each in caught.value.failed.values())
    assert "Zelda" not in told
    assert len(await in_book(shop, *fine)) == 3


async def test_movements_sales_and_totals_of_one_batch_are_all_done(shop: Shop) -> None:
    commands: list[Command] = [sale(shop), movement(shop, "SKU-001"), total(shop, 2, 1234)]

    done = await shop.connector().write(commands)

    assert set(done) == {each.command_id for each in commands}
    assert (await shop.on_hand())["SKU-001"] == OPENING_MILLI - 1000


# -- day totals ----------------------------------------------------------------------------------


async def test_a_day_has_one_total_the_newest(shop: Shop) -> None:
    newest = total(shop, 3, 4567, seq=3)

    await shop.connector().write([total(shop, 1, 1000)])
    await shop.connector().write([total(shop, 2, 2000, seq=2), newest])
    done = await shop.connector().write([newest])

    assert set(done) == {newest.command_id}
    assert (await shop.connector().read_back_totals())[newest.target] == Decimal("45.67")
    rows = await shop.admin.search_read(
        "sale.sale", [["reference", "=", total_reference(newest)]], ["state", "description"]
    )
    assert [(row["state"], row["description"]) for row in rows] == [
        ("draft", f"3 orders of {newest.channel} on 2024-10-04")
    ]


@pytest.mark.parametrize("how", Cut)
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_total_that_broke_off_is_set_and_not_doubled(shop: Shop, at: int, how: Cut) -> None:
    command = total(shop, 2, 2000)
    with pytest.raises(Transient):
        await shop.connector(CutNetwork(at, how)).write([command])

    await shop.connector().write([command])

    domain = [["reference", "=", total_reference(command)], ["state", "!=", "cancelled"]]
    rows = await shop.admin.search_read("sale.sale", domain, ["total_amount", "lines"])
    assert [(row["total_amount"], len(row["lines"])) for row in rows] == [(Decimal(20), 1)]


async def test_a_day_that_somebody_closed_is_not_touched(shop: Shop) -> None:
    command = total(shop, 2, 2000)
    await shop.connector().write([command])
    domain = [["reference", "=", total_reference(command)]]
    [row] = await shop.admin.search_read("sale.sale", domain, ["party.addresses"])
    address = row["party."]["addresses"][0]
    await shop.admin.call("model.sale.sale.write", [row["id"]], {"invoice_address": address})
    await shop.admin.press("sale.sale", "quote", [row["id"]])

    with pytest.raises(PartialWrite) as caught:
        await shop.connector().write([total(shop, 3, 3000, seq=2)])

    [refusal] = caught.value.failed.values()
    assert "is 'quotation' in Tryton" in str(refusal)
    assert (await shop.connector().read_back_totals())[command.target] == Decimal(20)


async def test_totals_are_no_orders(shop: Shop) -> None:
    command = total(shop, 2, 2000)
    feed = Poller(shop.connector(read_sales=True), "sales")
    await feed.news()
    await shop.connector().write([command])

    assert await feed.news() == []
    numbers = [each.number for each in await shop.connector().read_back_orders()]
    assert command.target not in " ".join(numbers)


# -- sales of staff ------------------------------------------------------------------------------

CALLER = Caller("Grace Hopper", "+15135550123", "grace@navy.example", "3 Main St", "Dayton")


async def test_a_sale_that_staff_confirmed_is_an_order_and_a_person(shop: Shop) -> None:
    feed = Poller(shop.connector(read_sales=True), "sales")
    await feed.news()
    sold = [
        Sold(Sku("SKU-001"), 2000, Decimal("2.9900")),
        Sold(Sku("SKU-002"), 1000, Decimal("0.335")),
    ]
    made = await shop.seed.sell(CALLER, shop.code, DAY, sold)

    order, person = shop.events(await feed.news())

    assert isinstance(order, OrderPlaced)
    assert order.order_id == order_id_of(TENANT, ERP, str(made.id))
    assert (order.number, order.payment) == (made.number, PaymentState.ON_COLLECTION)
    assert (order.currency, order.total_minor, order.rounding_minor) == ("USD", 598 + 34, 0)
    assert [(each.sku, each.quantity_milli, each.total_minor) for each in order.lines] == [
        ("SKU-001", 2000, 598),
        ("SKU-002", 1000, 34),
    ]
    assert order.lines[1].unit_price == Money(unscaled=335, scale=3, currency="USD")
    assert {(each.location, each.fulfilment) for each in order.lines} == {
        (shop.code, FulfilmentType.SHIP)
    }
    assert from_us(order.placed_at_us).isoformat() == "2026-03-05T11:00:00+00:00"
    assert isinstance(person, CustomerObserved)
    assert person.subject == order.subject
    assert [(each.kind, each.token, each.is_verified) for each in person.identifiers[1:]] == [
        (IdentifierKind.EMAIL, TOKENS.email("grace@navy.example"), True),
        (IdentifierKind.PHONE, TOKENS.phone("+15135550123"), True),
    ]
    assert person.identifiers[0].kind is IdentifierKind.CUSTOMER_ID
    assert person.identifiers[0].scope == ERP
    [seen] = [
        each
        for each in await shop.connector().read_back_orders()
        if each.order_id == order.order_id
    ]
    assert (seen.number, seen.total_minor) == (made.number, order.total_minor)


async def test_what_the_hub_sold_is_no_news_of_staff(shop: Shop) -> None:
    feed = Poller(shop.connector(read_sales=True), "sales")
    await feed.news()
    await shop.connector().write([sale(shop, contact=buyer(shop))])

    assert await feed.news() == []


async def test_goods_delivered_for_a_sale_settle_its_order(shop: Shop) -> None:
    deliveries = Poller(shop.connector(read_sales=True), "deliveries")
    moves = Poller(shop.connector(read_sales=True), "moves")
    await deliveries.news()
    await moves.news()
    sold = [Sold(Sku("SKU-001"), 2000, Decimal(3)), Sold(Sku("SKU-002"), 1000, Decimal(1))]
    made = await shop.seed.sell(CALLER, shop.code, DAY, sold, ships=True)
    await shop.seed.deliver(made)

    told = shop.events(await deliveries.news())

    assert shop.events(await moves.news()) == []
    assert {
        (each.sku, each.quantity_milli, each.kind, each.order_id, each.from_location)
        for each in told
        if isinstance(each, StockMoved)
    } == {
        (sku, milli, MovementKind.SALE, order_id_of(TENANT, ERP, str(made.id)), shop.code)
        for sku, milli in (("SKU-001", 2000), ("SKU-002", 1000))
    }


async def test_a_hub_sale_that_staff_ship_by_hand_settles_the_hubs_order(shop: Shop) -> None:
    command = sale(shop, line("SKU-001", 2, 598), contact=buyer(shop))
    await shop.connector().write([command])
    deliveries = Poller(shop.connector(read_sales=True), "deliveries")
    await deliveries.news()
    domain = [["reference", "=", order_reference(command.order_id)]]
    [row] = await shop.admin.search_read("sale.sale", domain, ["id", "number"])
    await shop.admin.press("sale.sale", "manual_shipment", [row["id"]])
    await shop.seed.deliver(StaffSale(row["id"], row["number"]))

    [moved] = shop.events(await deliveries.news())
    assert isinstance(moved, StockMoved)
    assert moved.order_id == command.order_id


async def test_a_page_of_sales_is_the_servers_own_bytes(shop: Shop) -> None:
    feed = Poller(shop.connector(read_sales=True), "sales")
    await feed.news()
    await shop.seed.sell(CALLER, shop.code, DAY, [Sold(Sku("SKU-001"), 1000, Decimal(1))])

    [page] = await feed.news()

    assert json.loads(page.body)["result"][0]["party."]["name"] == CALLER.name


async def test_two_processes_at_once_make_one_sale_each(shop: Shop) -> None:
    """A paused process wakes beside the one that replaced it."""
    commands = [sale(shop, contact=buyer(shop)) for _ in range(3)]

    await asyncio.gather(
        *(shop.connector().write(commands) for _ in range(2)), return_exceptions=True
    )
    await shop.connector().write(commands)

    assert len(await parties(shop, "Ada")) == 1
    assert len({each.order_id for each in await in_book(shop, *commands)}) == 3


def test_a_buyer_does_not_show_itself() -> None:
    told = repr(replace(Buyer("hub:x", "Ada", "a@b.example"), address=Address("1 Vine St")))
    assert not any(each in told for each in ("Ada", "a@b", "Vine"))
