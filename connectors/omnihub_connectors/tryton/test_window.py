"""The offset of a feed: what was read, and how latecomers show."""

import json
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from omnihub_connectors.tryton.window import START, Digest, Mark, Window

NOON = datetime(2026, 3, 1, 12)
OVERLAP_S = 60.0


def marks(*seconds: float, first_id: int = 1) -> list[Mark]:
    return [Mark(NOON + timedelta(seconds=s), first_id + i) for i, s in enumerate(seconds)]


def known(window: Window, rows: list[Mark]) -> Digest:
    """Return the digest that the system would give for the window."""
    return Digest.of(row.id for row in rows if window.floor < row <= window.frontier)


@given(
    st.lists(st.lists(st.floats(0, 300), min_size=1, max_size=5), min_size=1, max_size=8),
    st.sampled_from([0.0, 7.0, 60.0]),
)
def test_the_digest_is_that_of_the_rows_between_floor_and_frontier(
    pages: list[list[float]], overlap_s: float
) -> None:
    rows = marks(*sorted(second for page in pages for second in page))
    window, start = Window(), 0
    for page in pages:
        window = window.advanced(rows[start : start + len(page)], overlap_s)
        start += len(page)

        assert window.digest == known(window, rows)
        assert window.frontier == rows[start - 1]
        assert window.frontier.at - window.floor.at >= timedelta(seconds=overlap_s)


def test_a_latecomer_within_the_overlap_changes_the_digest() -> None:
    rows = marks(0, 100, 130)
    window = Window().advanced(rows, OVERLAP_S)
    late = Mark(NOON + timedelta(seconds=75), 99)

    assert known(window, rows) == window.digest
    assert known(window, [*rows, late]) != window.digest


def test_a_row_that_took_the_place_of_another_changes_the_digest() -> None:
    window = Window().advanced(marks(0, 1), OVERLAP_S)

    assert known(window, [*marks(0), Mark(NOON, 99)]) != window.digest


def test_rewinding_reads_everything_behind_the_floor_again() -> None:
    window = Window().advanced(marks(0, 100, 130), OVERLAP_S)

    again = window.rewound()

    assert again.frontier == again.floor == window.floor
    assert again.digest == Digest()


def test_rows_far_back_are_forgotten() -> None:
    window = Window().advanced(marks(0, 1, 2), OVERLAP_S).advanced(marks(500), OVERLAP_S)

    assert len(window.seen) == 1
    assert window.floor.at > NOON + timedelta(seconds=2)


def test_the_window_closes_after_polls_longer_than_any_transaction() -> None:
    window = Window().advanced(marks(0, 1), OVERLAP_S)
    for _ in range(11):
        window = window.rested(OVERLAP_S, interval_s=5.0)
        assert window.seen
    window = window.rested(OVERLAP_S, interval_s=5.0).rested(OVERLAP_S, interval_s=5.0)

    assert window.floor == window.frontier == marks(0, 1)[-1]
    assert window.rested(OVERLAP_S, interval_s=5.0) == window


def test_news_keep_the_window_open() -> None:
    window = Window().advanced(marks(0), OVERLAP_S)
    for second in range(1, 30):
        window = window.rested(OVERLAP_S, 5.0)
        window = window.advanced(marks(second, first_id=second + 1), OVERLAP_S)

    assert window.quiet == 0
    assert window.digest.rows == 30


def test_an_offset_survives_json() -> None:
    window = Window().advanced(marks(0, 100.5, 130), OVERLAP_S).rested(OVERLAP_S, 5.0)

    assert Window.from_offset(json.loads(json.dumps(window.offset()))) == window
    assert Window.from_offset(None).frontier == START
