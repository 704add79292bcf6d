"""Where a task reads on: its rows' own position against the group's committed offset.

Guarantees: a pure comparison. Equal: go. The rows are ahead: the group's offsets were lost, the
rows win. The rows are behind: the changelog is not complete yet (under KIP-447 the offsets' marker
may land first), look again; still behind after several looks, it has lost its tail.
"""

from enum import StrEnum


class Standing(StrEnum):
    """How the position of the rows compares with the group's offset."""

    NEW = "new"
    EQUAL = "equal"
    AHEAD = "ahead"
    BEHIND = "behind"


def compare(position: int | None, committed: int) -> Standing:
    """Compare the rows' next offset (None: no rows) with the group's (negative: none)."""
    if position is None:
        return Standing.NEW if committed < 0 else Standing.BEHIND
    if position == committed:
        return Standing.EQUAL
    return Standing.AHEAD if position > committed else Standing.BEHIND
