"""Avro's variable-length zig-zag integers, two bytes at a time by table.

Guarantees: the same bytes as Avro's specification for every 64-bit integer, and an error for any
other. Encoded bytes are carried as latin-1 text, one character a byte: see `writing`.
"""

import struct

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
TIME_BYTES = 8  # What micros since 1970 take, from 1979 to 2540.
EARLIEST, LATEST = 1 << 48, 1 << 54
"""Times in this range are `TIME_BYTES` long."""
_KEPT = 1 << 14
_TWO_BYTES = 1 << 14
_SHIFTS = range(14, 64, 7)
four_pairs = struct.Struct("<4H").unpack_from

# Text of a 14-bit group: followed by more bytes, and as the last of its number.
MORE = [chr(group & 127 | 128) + chr(group >> 7 | 128) for group in range(_TWO_BYTES)]
_LAST = [
    chr(group) if group < 128 else chr(group & 127 | 128) + chr(group >> 7)
    for group in range(_TWO_BYTES)
]
# The group in two bytes read as a little-endian number; -1 where the flags say otherwise.
GROUP = [
    (pair & 127) | (pair >> 8 & 127) << 7 if pair & 0x8080 == 0x8080 else -1
    for pair in range(1 << 16)
]
LAST_GROUP = [
    (pair & 127) | pair >> 8 << 7 if pair & 0x8080 == 0x0080 else -1 for pair in range(1 << 16)
]


def long_text(number: int) -> str:
    """Return the encoding of `number`, one character a byte.

    Raises:
        ValueError: it does not fit 64 bits.
    """
    if not LOWEST <= number <= HIGHEST:
        raise ValueError("integer over 64 bits")
    left = number << 1 ^ number >> 63
    text = ""
    while left >= _TWO_BYTES:
        text += MORE[left & 16383]
        left >>= 14
    return text + _LAST[left]


def read_long(value: bytes, at: int) -> tuple[int, int]:
    """Return the integer at `at` and where the next value begins.

    Raises:
        IndexError: the bytes end inside it.
        ValueError: it does not fit 64 bits.
    """
    byte = value[at]
    if byte < 128:
        return byte >> 1 ^ -(byte & 1), at + 1
    number = byte & 127
    byte = value[at + 1]
    if byte < 128:
        number |= byte << 7
        return number >> 1 ^ -(number & 1), at + 2
    number |= (byte & 127) << 7
    at += 2
    for shift in _SHIFTS:
        byte = value[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
    else:
        raise ValueError("integer over 64 bits")
    if number >> 64:
        raise ValueError("integer over 64 bits")
    return number >> 1 ^ -(number & 1), at


def read_size(value: bytes, at: int) -> tuple[int, int]:
    """Return where a string that starts with its length at `at` begins and ends."""
    size, begin = read_long(value, at)
    if size < 0:
        raise ValueError("negative length")
    return begin, begin + size


class HighTexts(dict[int, str]):
    """The last four bytes of times, by what is left of them: one entry for two minutes."""

    def __missing__(self, high: int) -> str:
        """Encode, and keep it until the table is full."""
        if len(self) >= _KEPT:
            self.clear()
        text = self[high] = MORE[high & 16383] + _LAST[high >> 14]
        return text


class LongTexts(dict[int, str]):
    """Encodings by number, for quantities, sequences and lengths, most of which repeat."""

    def __missing__(self, number: int) -> str:
        """Encode, and keep it until the table is full."""
        text = long_text(number)
        if len(self) >= _KEPT:
            self.clear()
        self[number] = text
        return text
