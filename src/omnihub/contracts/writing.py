"""Makes, for one record type, the Python function that writes it as framed Avro bytes.

Guarantees: the same bytes as fastavro; a value that does not fit the schema raises one of
`WRITE_ERRORS`. How: the whole value is one f-string with one character a byte, turned into bytes
at once (latin-1); text that is not ASCII is first turned into its UTF-8 bytes. Measured against
fastavro in docs/decisions/0003-codec.md.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from omnihub.contracts.avsc import NAMESPACE, Schema
from omnihub.contracts.errors import ContractError
from omnihub.contracts.inline import definitions, full_name
from omnihub.contracts.source import ENUMS, Source, null_and_other, record_class
from omnihub.contracts.varint import (
    EARLIEST,
    LATEST,
    MORE,
    HighTexts,
    LongTexts,
    long_text,
)
from omnihub.model.personal import Personal
from omnihub.model.record import Record


class Seals(Protocol):
    """What the writer asks of `sealing.Sealer`."""

    def seal_text(self, key_id: str, where: str, value: Personal) -> bytes:
        """Return a personal value sealed for the place `where` (`Contact.email`)."""

    def seal_body(self, key_id: str, where: str, body: bytes) -> bytes:
        """Return the body of a delivery sealed."""


class Unsealed:
    """Implements `Seals` where there are no keys: bodies stay plain, personal text is refused."""

    def seal_text(self, key_id: str, where: str, value: Personal) -> bytes:
        """See `Seals.seal_text`."""
        raise ValueError(f"{where} is personal and this codec has no sealer")

    def seal_body(self, key_id: str, where: str, body: bytes) -> bytes:
        """See `Seals.seal_body`."""
        return body


_NOTHING = object()
WRITE_ERRORS = (TypeError, ValueError, AttributeError, KeyError)


def compile_writer(
    schema: Schema, frame: bytes, seals: Seals, *, is_earlier: bool = False
) -> Callable[[Record], bytes]:
    """Return `write(record)` for the self-contained record `schema`; `frame` goes first.

    `seals` turns what the schema marks as personal into the bytes to write. What the schema of an
    earlier release cannot hold raises one of `WRITE_ERRORS`, so nothing is ever left out.
    """
    kind = record_class(schema, is_earlier=is_earlier)
    source = Source(
        is_earlier=is_earlier,
        long=long_text,
        more=MORE,
        high=HighTexts(),
        longs=LongTexts(),
        frame=frame.decode("latin-1"),
        kind=kind,
        personal=Personal,
        seal=seals.seal_text,
        seal_body=seals.seal_body,
    )
    if is_earlier:  # A field that is gone may have defined a type that others name.
        source.names.learn(definitions({"": schema}))
    with source.block("def write(r):"):
        body = _value(source, schema, "r")
        source.line(f'return f"{{frame}}{body}".encode("latin-1")')
    return source.compile("write")


def _value(source: Source, kind: Any, held: str, field: str = "") -> str:
    """Write what must happen before; return the f-string's text for the value in `held`."""
    name, schema = source.resolve(kind)
    if name == "record":
        return _record(source, schema, held)
    if name in ("int", "long"):
        return _time(source, held) if field.endswith("_us") else f"{{longs[{held}]}}"
    if name == "enum":
        enum = str if source.is_earlier else ENUMS[full_name(schema, NAMESPACE)]
        symbols = {enum(symbol): long_text(at) for at, symbol in enumerate(schema["symbols"])}
        return f"{{{source.keep(symbols)}[{held}]}}"
    if name == "boolean":
        return f"{{{source.keep({False: chr(0), True: chr(1)})}[{held}]}}"
    if name == "string":
        source.line(f"if not {held}.isascii(): {held} = {held}.encode().decode('latin-1')")
        # `+` and not two parts of the f-string, which would take bytes for text.
        return f"{{longs[len({held})] + {held}}}"
    if name == "bytes":
        source.line(f"{held} = {held}.decode('latin-1')")
        return f"{{longs[len({held})] + {held}}}"
    if name == "union":
        return _nullable(source, schema, held, field)
    if name in ("array", "map"):
        return _blocks(source, schema, held)
    raise ContractError(f"Avro type '{name}' has no writer. Use another, or add it here.")


def _time(source: Source, held: str) -> str:
    """What a time in micros looks like takes eight bytes; written out, it needs no call."""
    with source.block(f"if {EARLIEST} <= {held} < {LATEST}:"):
        source.line(f"n = {held} << 1")
        source.line(f"{held} = more[n & 16383] + more[n >> 14 & 16383] + high[n >> 28]")
    source.line(f"else: {held} = long({held})")
    return f"{{{held}}}"


def _sealed(source: Source, schema: Schema, field: Schema, held: str, inner: str) -> None:
    where = source.keep(f"{schema['name'].rpartition('.')[2]}.{field['name']}")
    if field["pii"] == "body":
        key = f"{held}.{schema['sealed_by']}"
        source.line(f"{inner} = seal_body({key}, {where}, {inner})")
        return
    with source.block(f"if type({inner}) is personal:"):
        source.line(f"{inner} = seal({held}.subject, {where}, {inner})")


def _record(source: Source, schema: Schema, held: str) -> str:
    kind = record_class(schema, is_earlier=source.is_earlier)
    _added(source, schema, kind, held)
    parts = []
    for field in schema["fields"]:
        if field["name"] not in kind.__struct_fields__:
            parts.append(f"{{{source.keep(_default_text(source, field))}}}")
            continue
        inner = source.name()
        source.line(f"{inner} = {held}.{field['name']}")
        if "pii" in field:
            _sealed(source, schema, field, held, inner)
        parts.append(_value(source, field["type"], inner, field["name"]))
    return "".join(parts)


def _added(source: Source, schema: Schema, kind: type[Record], held: str) -> None:
    """Refuse to write a value that an earlier schema has no field for."""
    known = {field["name"] for field in schema["fields"]}
    for field in msgspec.structs.fields(kind):
        if field.name in known:
            continue
        if field.required:
            raise ContractError(
                f"{kind.__name__}.{field.name} is new and has no default. Give it one: what was "
                "written before must be read."
            )
        has_factory = field.default is msgspec.NODEFAULT
        default = source.keep(field.default_factory() if has_factory else field.default)
        source.line(f"if {held}.{field.name} != {default}: raise ValueError('not yet')")


def _default_text(source: Source, field: Schema) -> str:
    """Return what stands for a field that records no longer have."""
    name, schema = source.resolve(field["type"])
    value = field.get("default", _NOTHING)
    if name == "union" and value is None:
        return long_text(null_and_other(schema)[0])
    if name in ("array", "map") and not value:
        return chr(0)
    if name in ("int", "long") and isinstance(value, int):
        return long_text(value)
    if name == "boolean" and isinstance(value, bool):
        return chr(value)
    if name == "string" and isinstance(value, str):
        text = value.encode().decode("latin-1")
        return long_text(len(text)) + text
    if name == "enum" and value in schema["symbols"]:
        return long_text(schema["symbols"].index(value))
    raise ContractError(
        f"Field '{field['name']}' is gone, but the release before needs it. Bring it back, give it "
        "a default, and drop it one release later."
    )


def _nullable(source: Source, schema: Schema, held: str, field: str) -> str:
    null, other = null_and_other(schema)
    text = source.name()
    source.line(f"if {held} is None: {text} = {source.keep(long_text(null))}")
    with source.block("else:"):
        body = _value(source, other, held, field)
        source.line(f'{text} = f"{{{source.keep(long_text(1 - null))}}}{body}"')
    return f"{{{text}}}"


def _blocks(source: Source, schema: Schema, held: str) -> str:
    is_map = schema["type"] == "map"
    texts, item, key = source.name(), source.name(), source.name()
    source.line(f"{texts} = [longs[len({held})]] if {held} else []")
    head = f"for {key}, {item} in {held}.items():" if is_map else f"for {item} in {held}:"
    with source.block(head):
        before = _value(source, "string", key) if is_map else ""
        body = _value(source, schema["values" if is_map else "items"], item)
        source.line(f'{texts}.append(f"{before}{body}")')
    source.line(f"{texts} = ''.join({texts}) + {source.keep(chr(0))}")
    return f"{{{texts}}}"
