"""Avro's integers, against a plain reading of the specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.contracts.varint import HIGHEST, LOWEST, long_text, read_long, read_size

LONGS = st.integers(LOWEST, HIGHEST)


def by_the_book(number: int) -> bytes:
    zigzag = number * 2 if number >= 0 else -number * 2 - 1
    out = []
    while zigzag > 127:
        out.append(zigzag % 128 + 128)
        zigzag //= 128
    return bytes([*out, zigzag])


@given(LONGS | st.integers(0, 70_000) | st.integers(1 << 47, 1 << 55))
def test_both_ways(number: int) -> None:
    encoded = by_the_book(number)
    assert long_text(number).encode("latin-1") == encoded
    assert read_long(b"?" + encoded + b"?", 1) == (number, 1 + len(encoded))


@pytest.mark.parametrize("number", [HIGHEST + 1, LOWEST - 1])
def test_over_64_bits_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        long_text(number)


@pytest.mark.parametrize("value", [b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02"])
def test_bytes_over_64_bits_are_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        read_long(value, 0)


def test_bytes_that_end_inside_are_refused() -> None:
    with pytest.raises(IndexError):
        read_long(b"\xff\xff", 0)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="negative length"):
        read_size(by_the_book(-2), 0)
