"""How long a worker lets records gather between two commits.

Guarantees: no pause behind a full batch; never less than `least_s` and never over `LONGEST_PAUSE_S`
for the commit's sake. Why half of what the commit took: one that took long tells of a broker with
much to do, for which more such commits are worse for everybody, and fewer, larger ones are not.
"""

LONGEST_PAUSE_S = 0.1


def pause_after(took_s: float, *, is_full: bool, least_s: float) -> float:
    """Return the pause in seconds after a commit that took `took_s`."""
    if is_full:
        return 0.0
    return max(least_s, min(took_s / 2, LONGEST_PAUSE_S))
