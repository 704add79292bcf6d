"""The pause between two commits: short on an idle broker, longer on a busy one, none behind."""

import pytest

from omnihub.engine.pacing import LONGEST_PAUSE_S, pause_after


@pytest.mark.parametrize(
    ("took_s", "pause_s"),
    [(0.004, 0.01), (0.02, 0.01), (0.06, 0.03), (0.2, LONGEST_PAUSE_S), (5.0, LONGEST_PAUSE_S)],
)
def test_it_is_half_of_what_the_commit_took_within_bounds(took_s: float, pause_s: float) -> None:
    assert pause_after(took_s, is_full=False, least_s=0.01) == pytest.approx(pause_s)


def test_what_was_asked_for_is_never_cut() -> None:
    assert pause_after(0.01, is_full=False, least_s=0.5) == 0.5


def test_behind_a_full_batch_there_is_none() -> None:
    assert pause_after(0.06, is_full=True, least_s=0.01) == 0.0
