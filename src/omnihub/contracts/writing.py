"""Makes, for one record type, the Python function that writes it as framed Avro bytes.

Guarantees: the same bytes as fastavro; a value that does not fit the schema raises one of
`WRITE_ERRORS`. How: the whole value is one f-string with one character a byte, turned into bytes
at once (latin-1); text that is not ASCII is first turned into its UTF-8 bytes. Measured against
fastavro in docs/decisions/0003-codec.md.
"""

from collections.abc import Callable
from typing import Any, Protocol

from omnihub.contracts.avsc import NAMESPACE, Schema
from omnihub.contracts.errors import ContractError
from omnihub.contracts.inline import full_name
from omnihub.contracts.source import ENUMS, Source, null_and_other, record_class
from omnihub.contracts.varint import LongTexts, long_text, time_text
from omnihub.model.personal import Personal
from omnihub.model.record import Record


class Seals(Protocol):
    """What the writer asks of `sealing.Sealer`."""

    def seal_text(self, key_id: str, where: str, value: Personal) -> bytes:
        """Return a personal value sealed for the place `where` (`Contact.email`)."""

    def seal_body(self, key_id: str, where: str, body: bytes) -> bytes:
        """Return the body of a delivery sealed."""


WRITE_ERRORS = (TypeError, ValueError, AttributeError, KeyError)


def compile_writer(
    schema: Schema, frame: bytes, seals: Seals | None = None
) -> Callable[[Record], bytes]:
    """Return `write(record)` for the self-contained record `schema`; `frame` goes first.

    `seals` turns what the schema marks as personal into the bytes to write.
    """
    kind = record_class(schema)
    source = Source(
        time=time_text,
        longs=LongTexts(),
        frame=frame.decode("latin-1"),
        kind=kind,
        personal=Personal,
        seal=seals.seal_text if seals else _no_seal,
        seal_body=seals.seal_body if seals else _plain_body,
    )
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
        return f"{{time({held})}}" if field.endswith("_us") else f"{{longs[{held}]}}"
    if name == "enum":
        enum = ENUMS[full_name(schema, NAMESPACE)]
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


def _sealed(source: Source, schema: Schema, field: Schema, held: str, inner: str) -> None:
    where = source.keep(f"{schema['name'].rpartition('.')[2]}.{field['name']}")
    if field["pii"] == "body":
        key = f"{held}.{schema['sealed_by']}"
        source.line(f"{inner} = seal_body({key}, {where}, {inner})")
        return
    with source.block(f"if type({inner}) is personal:"):
        source.line(f"{inner} = seal({held}.subject, {where}, {inner})")


def _plain_body(_: str, __: str, body: bytes) -> bytes:
    return body


def _no_seal(_: str, where: str, __: Personal) -> bytes:
    raise ValueError(f"{where} is personal and this codec has no sealer")


def _record(source: Source, schema: Schema, held: str) -> str:
    record_class(schema)
    parts = []
    for field in schema["fields"]:
        inner = source.name()
        source.line(f"{inner} = {held}.{field['name']}")
        if "pii" in field:
            _sealed(source, schema, field, held, inner)
        parts.append(_value(source, field["type"], inner, field["name"]))
    return "".join(parts)


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
