"""A GTIN counts only with its check digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connect.gtin import gtin_14


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("4006381333931", "04006381333931"),
        ("96385074", "00000096385074"),
        ("036000291452", "00036000291452"),
        ("10614141000415", "10614141000415"),
        ("4006381333932", None),
        ("40063813339", None),
        ("4006-381333931", None),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", None),
        ("", None),
        (None, None),
    ],
)
def test_a_gtin_counts_only_with_its_check_digit(text: str | None, gtin: str | None) -> None:
    assert gtin_14(text) == gtin


@given(st.integers(0, 10**12 - 1))
def test_of_ten_last_digits_exactly_one_is_right(stem: int) -> None:
    numbers = [f"{stem:012d}{digit}" for digit in range(10)]
    assert sum(gtin_14(number) is not None for number in numbers) == 1
