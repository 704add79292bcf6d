"""Records to bytes and back: Avro in Confluent's framing (0, four bytes of schema id, the body).

Guarantees: `decode(encode(record)) == record`, with real enums, nested records and tuples; a value
written under another schema is resolved to ours by Avro's rules. Does not: keep partial results:
a value is decoded whole or `Undecodable` says why.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro
from fastavro.schema import to_parsing_canonical_form

from omnihub.contracts.avsc import Schema, load_schemas
from omnihub.contracts.errors import ContractError, Undecodable
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import self_contained
from omnihub.contracts.shape import Shapes
from omnihub.model.record import Record
from omnihub.model.records import RECORDS

MAGIC = 0
FRAME_BYTES = 5
_CURE = "Fix the writer, then skip this record: omnihub hospital skip."
Decoder = Callable[[bytes], Record]
Encoder = Callable[[Record], bytes]


class Codec:
    """Encodes and decodes canonical records; one instance serves a process (not thread-safe)."""

    def __init__(self, ids: SchemaIds) -> None:
        self._ids = ids
        schemas = self_contained(load_schemas())
        self._shapes = Shapes(RECORDS)
        self._own: dict[str, Any] = {
            name: fastavro.parse_schema(schema) for name, schema in schemas.items()
        }
        self._encoders: dict[type[Record], Encoder] = {}
        self._decoders: dict[bytes, Decoder] = {}

    @classmethod
    def offline(cls) -> "Codec":
        """A codec without a registry, ids by order of names: for tests."""
        return cls(SchemaIds.offline())

    def encode(self, record: Record) -> bytes:
        """Return `record` framed.

        Raises:
            ContractError: a field holds what its schema does not allow, or the record has no id.
        """
        kind = type(record)
        encoder = self._encoders.get(kind)
        if encoder is None:
            encoder = self._encoders[kind] = self._encoder(kind)
        return encoder(record)

    def decode(self, value: bytes) -> Record:
        """Return the record in `value`.

        Raises:
            UnknownSchema: the schema id cannot be resolved now; retry.
            Undecodable: the bytes are no record of ours; park.
        """
        decoder = self._decoders.get(value[:FRAME_BYTES])
        if decoder is None:
            decoder = self._learn(value)
        try:
            return decoder(value)
        except (EOFError, IndexError, ValueError, TypeError, KeyError) as error:
            raise Undecodable(f"{type(error).__name__} in the body", cure=_CURE) from error

    def _encoder(self, kind: type[Record]) -> Encoder:
        schema = self._own[kind.AVRO_NAME]
        frame = bytes([MAGIC]) + self._ids.id_of(kind.AVRO_NAME).to_bytes(4, "big")
        to_plain = self._shapes.plain(kind)
        write = fastavro.schemaless_writer

        def encode(record: Record) -> bytes:
            buffer = BytesIO()
            buffer.write(frame)
            try:
                write(buffer, schema, to_plain(record))
            except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
                raise ContractError(
                    f"A {kind.__name__} does not fit its schema: {type(error).__name__}. "
                    "Fix the rule or mapping that built it."
                ) from error
            return buffer.getvalue()

        return encode

    def _learn(self, value: bytes) -> Decoder:
        frame = value[:FRAME_BYTES]
        if len(frame) < FRAME_BYTES or frame[0] != MAGIC:
            raise Undecodable("no Confluent framing (0 and a schema id)", cure=_CURE)
        writer = self._ids.schema_of(int.from_bytes(frame[1:], "big"))
        decoder = self._decoders[frame] = self._decoder(writer)
        return decoder

    def _decoder(self, writer: Schema) -> Decoder:
        name = f"{writer.get('namespace', '')}.{writer.get('name', '')}"
        ours = self._own.get(name)
        if ours is None:
            raise Undecodable(f"'{name}' is no record of this hub", cure=_CURE)
        build = self._shapes.builder(name)
        read = fastavro.schemaless_reader
        same = to_parsing_canonical_form(writer) == to_parsing_canonical_form(ours)
        schemas = (ours,) if same else (fastavro.parse_schema(writer), ours)

        def decode(value: bytes) -> Record:
            buffer = BytesIO(value)
            buffer.seek(FRAME_BYTES)
            plain: Any = read(buffer, *schemas)
            if buffer.tell() != len(value):
                raise ValueError("bytes left over")
            return build(plain)

        return decode
