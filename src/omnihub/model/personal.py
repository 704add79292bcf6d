"""Text about a person, on its short way between an edge and the codec.

Guarantees: it never shows itself by accident: `repr`, `str` and f-strings say `<personal>`; whoever
has the right asks for `reveal()`. Does not: protect memory. On topics, in state and in rules the
same field holds sealed bytes instead (`contracts.sealing`).
"""

import msgspec


class Personal(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A personal value in the clear."""

    text: str

    def reveal(self) -> str:
        """Return the value. Say where it goes before you call this."""
        return self.text

    def __repr__(self) -> str:
        """Say that there is something, not what."""
        return "<personal>"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        """Rich prints fields of msgspec structs unless told otherwise."""
        return [("", "<personal>")]

    __str__ = __repr__
