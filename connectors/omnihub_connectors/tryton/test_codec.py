"""Tryton's typed JSON."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub_connectors.tryton.codec import decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.datetimes()
    | st.times()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
).filter(lambda value: "__class__" not in str(value))


@given(values)
def test_every_value_survives(value: object) -> None:
    assert decode(encode(value)) == value


def test_the_forms_are_those_of_tryton() -> None:
    told = {
        "price": Decimal("19.90"),
        "day": date(2026, 3, 1),
        "at": datetime(2026, 3, 1, 2, 3, 4, 5),
        "hour": time(7, 30),
        "took": timedelta(seconds=1.5),
    }

    assert encode(told) == (
        b'{"price":{"__class__":"Decimal","decimal":"19.90"},'
        b'"day":{"__class__":"date","year":2026,"month":3,"day":1},'
        b'"at":{"__class__":"datetime","year":2026,"month":3,"day":1,'
        b'"hour":2,"minute":3,"second":4,"microsecond":5},'
        b'"hour":{"__class__":"time","hour":7,"minute":30,"second":0,"microsecond":0},'
        b'"took":{"__class__":"timedelta","seconds":1.5}}'
    )
    assert decode(encode(told)) == told


@pytest.mark.parametrize(
    "text",
    [
        b"<html>",
        b'{"__class__":"date","year":2026}',
        b'{"__class__":"date","year":2026,"month":13,"day":1}',
        b'{"__class__":"Decimal","decimal":"many"}',
        b'{"__class__":"timedelta","seconds":"x"}',
    ],
)
def test_what_cannot_be_read_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_what_tryton_has_no_word_for_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="object"):
        encode(object())
