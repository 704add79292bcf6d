"""Prices that add up: from the hub's minor units to Tryton's decimals."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.model.ids import ChannelId, CommandId, LineId, LocationId, OrderId, Sku
from omnihub.model.records import Money, RecordSale, SaleLine, SetDayTotal
from omnihub_connectors.tryton.catalogue import Article
from omnihub_connectors.tryton.doubles import ERP, TENANT
from omnihub_connectors.tryton.rpc import Row
from omnihub_connectors.tryton.sale_rows import (
    ROUNDING,
    SHIPPING,
    order_in,
    order_reference,
    sale_lines,
    total_reference,
)

ORDER = OrderId("0d4c3b2a-1111-5222-8333-444455556666")
CENT = Decimal("0.01")


def sold(quantity_milli: int, price: str, total_minor: int) -> SaleLine:
    return SaleLine(
        line_id=LineId("1"),
        sku=Sku("A"),
        quantity_milli=quantity_milli,
        unit_price=Money(unscaled=int(Decimal(price).scaleb(6)), scale=6, currency="USD"),
        total_minor=total_minor,
    )


def rows(*lines: SaleLine, shipping_minor: int = 0, total_minor: int | None = None) -> list[Row]:
    total = sum(line.total_minor for line in lines) + shipping_minor
    command = RecordSale(
        command_id=CommandId("c"), tenant=TENANT, instance=ERP, target=ORDER, cause_id="e",
        accepted_at_us=1, order_id=ORDER, number="7", channel=ChannelId("web"),
        location=LocationId("s"), currency="USD", lines=lines, shipping_minor=shipping_minor,
        total_minor=total if total_minor is None else total_minor, placed_at_us=1,
    )  # fmt: skip
    return sale_lines(command, {"A": Article(5, 1)}, ["A"] * len(lines))


def amount(row: Row) -> Decimal:
    """Return what Tryton makes of a line."""
    price: Decimal = row["unit_price"]
    exact = Decimal(str(row["quantity"])) * price
    return exact.quantize(CENT, ROUND_HALF_EVEN)


def test_a_line_keeps_its_price_where_price_times_quantity_is_its_total() -> None:
    [row] = rows(sold(3000, "2.99", 897))

    assert (row["product"], row["quantity"], row["unit_price"]) == (5, 3.0, Decimal("2.99"))


def test_a_discounted_line_has_the_price_the_buyer_pays() -> None:
    [row] = rows(sold(3000, "2.99", 800))

    assert row["unit_price"] == Decimal("2.6667")
    assert amount(row) == Decimal("8.00")


def test_shipping_and_what_is_left_over_are_lines_without_product() -> None:
    goods, shipping, rest = rows(sold(1000, "5", 500), shipping_minor=490, total_minor=900)

    assert "product" in goods
    assert (shipping["description"], amount(shipping)) == (SHIPPING, Decimal("4.90"))
    assert (rest["description"], amount(rest)) == (ROUNDING, Decimal("-0.90"))


@settings(deadline=None)  # a slow machine is no fault
@given(
    lines=st.lists(
        st.tuples(st.integers(1, 99_999), st.integers(0, 10_000_000)), min_size=1, max_size=5
    ),
    shipping_minor=st.integers(0, 9_999),
    discount_minor=st.integers(0, 9_999),
)
def test_any_sale_adds_up_to_the_order_and_each_line_to_its_own_total(
    lines: list[tuple[int, int]], shipping_minor: int, discount_minor: int
) -> None:
    goods = [sold(milli, "1", total) for milli, total in lines]
    total = sum(line.total_minor for line in goods) + shipping_minor - discount_minor

    told = rows(*goods, shipping_minor=shipping_minor, total_minor=total)

    assert sum(amount(row) for row in told) == Decimal(total).scaleb(-2)
    assert [amount(row) for row in told[: len(goods)]] == [
        Decimal(line.total_minor).scaleb(-2) for line in goods
    ]


def test_a_million_pieces_still_add_up_over_the_whole_sale() -> None:
    told = rows(sold(1_000_000_000, "1", 33_333_333))

    assert sum(amount(row) for row in told) == Decimal("333333.33")
    assert told[-1]["description"] == ROUNDING


@pytest.mark.parametrize("reference", [None, "", "PO 4711", "hub:total:web:20000:USD"])
def test_only_a_sale_of_ours_holds_an_order_of_ours(reference: str | None) -> None:
    assert order_in(reference) is None
    assert order_in(order_reference(ORDER)) == ORDER


def test_a_total_is_known_by_channel_day_and_currency() -> None:
    command = SetDayTotal(
        command_id=CommandId("c"), tenant=TENANT, instance=ERP, target="web:20000:USD",
        cause_id="e", accepted_at_us=1, channel=ChannelId("web"), day=20_000, currency="USD",
        orders=2, total_minor=1, seq=1,
    )  # fmt: skip
    assert total_reference(command) == "hub:total:web:20000:USD"
