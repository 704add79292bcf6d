"""Exact amounts in minor units, by ISO 4217."""

from decimal import Decimal

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from omnihub.model.errors import RejectedError
from omnihub.model.money import CURRENCIES, decimal_of, exponent_of, minor_of, money_of
from omnihub.model.records import Money


@pytest.mark.parametrize(("code", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_each_currency_has_its_own_number_of_digits(code: str, digits: int) -> None:
    assert exponent_of(code) == digits


def test_every_code_of_the_table_is_a_currency_that_babel_knows_too() -> None:
    known = set(Locale("en").currencies)
    assert len(CURRENCIES) > 160
    assert CURRENCIES - known <= {"XCG", "ZWG"}  # newer than some releases of its data


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "DEM"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(RejectedError, match="wrong_currency"):
        exponent_of(code)


@pytest.mark.parametrize("text", ["", "1,50", "NaN", "Infinity", "12 EUR"])
def test_what_is_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(RejectedError, match="total is '"):
        decimal_of(text, "total")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.5", "EUR", 1250), ("0.005", "EUR", 1), ("-0.005", "EUR", -1), ("99", "JPY", 99)],
)
def test_minor_units_are_rounded_half_up(amount: str, currency: str, minor: int) -> None:
    assert minor_of(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("amount", "unscaled", "scale"),
    [("1.5", 150, 2), ("0.884956", 884956, 6), ("2", 200, 2), ("0.1234567", 123457, 6)],
)
def test_a_unit_price_keeps_up_to_six_digits(amount: str, unscaled: int, scale: int) -> None:
    told = money_of(Decimal(amount), "EUR")
    assert told == Money(unscaled=unscaled, scale=scale, currency="EUR")


@given(
    st.decimals(-(10**9), 10**9, places=6, allow_nan=False, allow_infinity=False),
    st.sampled_from(["EUR", "JPY"]),
)
def test_money_is_exact(amount: Decimal, currency: str) -> None:
    told = money_of(amount, currency)
    assert Decimal(told.unscaled).scaleb(-told.scale) == amount
