"""Where a task reads on: rows against the group's offset."""

import pytest

from omnihub.engine.position import Standing, compare


@pytest.mark.parametrize(
    ("position", "committed", "standing"),
    [
        (None, -1001, Standing.NEW),
        (None, 0, Standing.BEHIND),
        (7, 7, Standing.EQUAL),
        (7, 6, Standing.AHEAD),
        (7, -1001, Standing.AHEAD),
        (6, 7, Standing.BEHIND),
    ],
)
def test_standing(position, committed, standing):
    assert compare(position, committed) is standing
