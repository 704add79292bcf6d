"""Article numbers as systems tell them: GTIN, EAN, UPC.

Guarantees: a number counts only with its right check digit. Does not: ask who issued it.
"""

from stdnum import ean


def gtin_14(text: str | None) -> str | None:
    """Return a GTIN of 8, 12, 13 or 14 digits zero-padded to 14; None for anything else."""
    if not text or not (text.isascii() and text.isdigit()):
        return None
    return text.zfill(14) if ean.is_valid(text) else None
