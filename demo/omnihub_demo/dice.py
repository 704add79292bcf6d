"""The only source of chance in a play."""

from random import Random


def dice(seed: int, purpose: str) -> Random:
    """Return the generator of one purpose: the same seed rolls the same, whatever else rolls."""
    return Random(f"{seed}:{purpose}")  # noqa: S311 - a play, not a secret
