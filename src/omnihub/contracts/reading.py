"""Makes, for one schema, the Python function that reads its records from Avro bytes.

Guarantees: accepts what the Avro specification says and nothing else; every complaint is one of
`READ_ERRORS`. Why not fastavro: it builds a dict first and looks up the schema for every field;
written out as Python statements the same takes a third of the time (docs/decisions/0003-codec.md).
"""

from collections.abc import Callable
from typing import Any

from omnihub.contracts.avsc import NAMESPACE, Schema
from omnihub.contracts.errors import ContractError
from omnihub.contracts.inline import full_name
from omnihub.contracts.source import ENUMS, Source, null_and_other, record_class
from omnihub.contracts.varint import GROUP, LAST_GROUP, TIME_BYTES, four_pairs, read_long, read_size
from omnihub.model.record import Record

READ_ERRORS = (IndexError, ValueError, KeyError)  # UnicodeDecodeError is a ValueError.
_ONE_BYTE_SYMBOLS = 64
_BEYOND = 1 << 62
# Length by its first byte; an odd byte is a negative length, which points past any end.
_HALF = [byte >> 1 if byte % 2 == 0 else _BEYOND for byte in range(128)]


def compile_reader(schema: Schema, *, is_earlier: bool = False) -> Callable[[bytes, int], Record]:
    """Return `read(value, at)` for the self-contained record `schema`.

    It reads one record that fills `value` from `at` to the end. Fields that the schema of an
    earlier release lacks get their default.
    """
    source = Source(
        is_earlier=is_earlier,
        long=read_long,
        size=read_size,
        half=_HALF,
        pairs=four_pairs,
        group=GROUP,
        last=LAST_GROUP,
    )
    with source.block("def read(v, p):"):
        source.line("end = len(v)")
        # Strings are cut out of one text: cheaper than bytes that are decoded one by one.
        source.line("t = v.decode('latin-1')")
        made = _value(source, schema, "")
        with source.block("if p != end:"):
            source.line("raise ValueError('bytes left over')")
        source.line(f"return {made}")
    return source.compile("read")


def _value(source: Source, kind: Any, field: str) -> str:
    """Write the statements that read `kind`; return the expression that holds the value."""
    name, schema = source.resolve(kind)
    if name == "record":
        return _record(source, schema)
    into = source.name()
    if name in ("int", "long"):
        _long(source, into, is_time=field.endswith("_us"))
    elif name in ("string", "bytes"):
        _text(source, into, "t" if name == "string" else "v")
    elif name == "enum":
        _enum(source, into, schema)
    elif name == "boolean":
        source.line(f"{into} = {source.keep({0: False, 1: True})}[v[p]]; p += 1")
    elif name == "union":
        _nullable(source, into, schema, field)
    elif name in ("array", "map"):
        _blocks(source, into, schema)
    else:
        raise ContractError(f"Avro type '{name}' has no reader. Use another, or add it here.")
    return into


def _record(source: Source, schema: Schema) -> str:
    kind = source.keep(record_class(schema, is_earlier=source.is_earlier))
    parts = [
        f"{field['name']}={_value(source, field['type'], field['name'])}"
        for field in schema["fields"]
    ]
    return f"{kind}({', '.join(parts)})"


def _long(source: Source, into: str, is_time: bool) -> None:
    if is_time:
        source.line("n = -1")
        with source.block(f"if p + {TIME_BYTES} <= end:"):
            source.line("a, b, c, d = pairs(v, p)")
            source.line("n = group[a] | group[b] << 14 | group[c] << 28 | last[d] << 42")
        source.line(f"if n < 0: {into}, p = long(v, p)")
        source.line(f"else: {into} = n >> 1 ^ -(n & 1); p += {TIME_BYTES}")
    else:
        source.line("n = v[p]")
        source.line(f"if n < 128: {into} = n >> 1 ^ -(n & 1); p += 1")
        source.line(f"else: {into}, p = long(v, p)")


def _text(source: Source, into: str, whole: str) -> None:
    source.line("n = v[p]")
    source.line("if n < 128: p += 1; e = p + half[n]")
    source.line("else: p, e = size(v, p)")
    source.line(f"{into} = {whole}[p:e]")
    if whole == "t":
        source.line(f"if not {into}.isascii(): {into} = v[p:e].decode()")
    source.line("p = e")


def _enum(source: Source, into: str, schema: Schema) -> None:
    enum = ENUMS[full_name(schema, NAMESPACE)]
    symbols = {at: enum(symbol) for at, symbol in enumerate(schema["symbols"])}
    if len(symbols) <= _ONE_BYTE_SYMBOLS:
        by_byte = source.keep({2 * at: symbol for at, symbol in symbols.items()})
        source.line(f"{into} = {by_byte}[v[p]]; p += 1")
    else:
        source.line(f"n, p = long(v, p); {into} = {source.keep(symbols)}[n]")


def _nullable(source: Source, into: str, schema: Schema, field: str) -> None:
    null, other = null_and_other(schema)
    source.line("n = v[p]; p += 1")
    source.line(f"if n == {2 * null}: {into} = None")
    with source.block(f"elif n == {2 * (1 - null)}:"):
        made = _value(source, other, field)
        source.line(f"{into} = {made}")
    source.line("else: raise ValueError('no such branch')")


def _blocks(source: Source, into: str, schema: Schema) -> None:
    is_map = schema["type"] == "map"
    count = source.name()
    source.line(f"{into} = {'{}' if is_map else '[]'}")
    with source.block("while True:"):
        source.line(f"{count}, p = long(v, p)")
        source.line(f"if {count} == 0: break")
        source.line(f"if {count} < 0: {count} = -{count}; p = long(v, p)[1]")
        with source.block(f"for _ in range({count}):"):
            if is_map:
                key = _value(source, "string", "")
                source.line(f"{into}[{key}] = {_value(source, schema['values'], '')}")
            else:
                source.line(f"{into}.append({_value(source, schema['items'], '')})")
    if not is_map:
        source.line(f"{into} = tuple({into})")
