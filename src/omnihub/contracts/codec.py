"""Records to bytes and back: Avro in Confluent's framing (0, four bytes of schema id, the body).

Guarantees: `decode(encode(record)) == record`, with real enums, nested records and tuples, but that
what is personal comes back sealed (`sealing` opens it); a value written under another schema is
resolved to ours by Avro's rules. What the release before this one can hold is written under its
schema, so that both read each other (docs/upgrade.md). Does not: keep partial results: a value is
decoded whole or `Undecodable` says why.
"""

from collections.abc import Callable
from io import BytesIO

import fastavro
import msgspec
from fastavro.schema import SchemaParseException

from omnihub.contracts.avsc import NAMESPACE, Schema
from omnihub.contracts.errors import ContractError, NewerSchema, Undecodable
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import full_name, own_schemas
from omnihub.contracts.native import is_installed, native_reader, native_writer
from omnihub.contracts.reading import READ_ERRORS, compile_reader
from omnihub.contracts.released import form_of, known_forms, without_added
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.source import KINDS
from omnihub.contracts.vault import MemoryVault
from omnihub.contracts.writing import WRITE_ERRORS, Unsealed, compile_writer
from omnihub.model.record import Record

MAGIC = b"\x00"
FRAME_BYTES = 5
_CURE = "Fix the writer, then skip this record."
_RESOLUTION_ERRORS = (*READ_ERRORS, EOFError, TypeError, msgspec.ValidationError)
Decoder = Callable[[bytes, int], Record]
Encoder = Callable[[Record], bytes]


class Codec:
    """Encodes and decodes canonical records; functions per record type are made at first use.

    They are machine code where omnihub-native is installed (`is_native`), Python where it is not.
    """

    def __init__(
        self, ids: SchemaIds, sealer: Sealer | None = None, *, is_native: bool = is_installed
    ) -> None:
        self._ids = ids
        self._seals = sealer or Unsealed()
        self.is_native = is_native
        self._own = own_schemas()
        self._encoders: dict[type[Record], Encoder] = {}
        self._decoders: dict[bytes, Decoder] = {}

    @classmethod
    def offline(cls, *, is_native: bool = is_installed) -> "Codec":
        """A codec without a registry or key table, ids by order of names: for tests."""
        sealer = Sealer(MemoryVault(), seals_bodies=False)
        return cls(SchemaIds.offline(), sealer, is_native=is_native)

    def encode(self, record: Record) -> bytes:
        """Return `record` framed.

        Raises:
            ContractError: a field holds what its schema does not allow, or the record has no id.
        """
        try:
            return self._encoders[type(record)](record)
        except KeyError:
            if type(record) in self._encoders:
                raise _misfit(record) from None
        except WRITE_ERRORS as error:
            raise _misfit(record) from error
        self._encoders[type(record)] = self._encoder(type(record))
        return self.encode(record)

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
            return decoder(value, FRAME_BYTES)
        except _RESOLUTION_ERRORS as error:
            raise Undecodable(f"{type(error).__name__} in the body", cure=_CURE) from error

    def admit_row(self, value: bytes) -> None:
        """Look at what a row was written under; once for each frame is enough.

        Raises:
            NewerSchema: by a newer release: read here and written again, it would lose fields.
            UnknownSchema, Undecodable: see `decode`.
        """
        record = self.decode(value)
        schema_id = int.from_bytes(value[1:FRAME_BYTES], "big")
        own_id = self._ids.id_of(record.AVRO_NAME)
        if schema_id > own_id and form_of(self._ids.schema_of(schema_id)) not in known_forms():
            raise NewerSchema(record.AVRO_NAME, schema_id, own_id)

    def _encoder(self, kind: type[Record]) -> Encoder:
        if kind.AVRO_NAME not in self._own:
            raise ContractError(
                f"{kind.__name__} has no schema of its own. Add schemas/**/{kind.__name__}.avsc."
            )
        frame = _frame(self._ids.id_of(kind.AVRO_NAME))
        make = native_writer if self.is_native else compile_writer
        write = make(self._own[kind.AVRO_NAME], frame, self._seals)
        earlier = self._ids.earlier(kind.AVRO_NAME)
        if earlier is None:
            return write
        earlier_id, schema = earlier
        before = compile_writer(schema, _frame(earlier_id), self._seals, is_earlier=True)
        return _as_before(before, write)

    def _learn(self, value: bytes) -> Decoder:
        frame = value[:FRAME_BYTES]
        if len(frame) < FRAME_BYTES or not frame.startswith(MAGIC):
            raise Undecodable("no Confluent framing (0 and a schema id)", cure=_CURE)
        writer = self._ids.schema_of(int.from_bytes(frame[1:], "big"))
        decoder = self._decoders[frame] = self._decoder(writer)
        return decoder

    def _decoder(self, writer: Schema) -> Decoder:
        name = full_name(writer, NAMESPACE) if "name" in writer else str(writer.get("type"))
        ours = self._own.get(name)
        if ours is None:
            raise Undecodable(f"'{name}' is no record of this hub", cure=_CURE)
        try:
            form = form_of(writer)
            if form == form_of(ours):
                return native_reader(ours) if self.is_native else compile_reader(ours)
            if form == form_of(without_added(ours, writer)):
                return compile_reader(writer, is_earlier=True)
            return _resolving(writer, ours)
        except SchemaParseException as error:
            raise Undecodable(f"the registry's schema of '{name}' is none", cure=_CURE) from error


def _resolving(writer: Schema, reader: Schema) -> Decoder:
    """Read under another version of the schema: slower, by fastavro, until it has passed by."""
    schemas = (fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    kind = KINDS[full_name(reader, NAMESPACE)]

    def decode(value: bytes, at: int) -> Record:
        buffer = BytesIO(value)
        buffer.seek(at)
        plain = fastavro.schemaless_reader(buffer, *schemas)
        if buffer.tell() != len(value):
            raise ValueError("bytes left over")
        return msgspec.convert(plain, kind, builtin_types=(bytes,))

    return decode


def _frame(schema_id: int) -> bytes:
    return MAGIC + schema_id.to_bytes(FRAME_BYTES - 1, "big")


def _as_before(before: Encoder, now: Encoder) -> Encoder:
    """Write as the release before did, and under our own schema only what it could not hold."""

    def write(record: Record) -> bytes:
        try:
            return before(record)
        except WRITE_ERRORS:
            return now(record)

    return write


def _misfit(record: Record) -> ContractError:
    return ContractError(
        f"A {type(record).__name__} does not fit its schema. Fix the rule or mapping that built it."
    )
