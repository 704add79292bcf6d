"""Puts the machine-code codec together for one schema, where it is installed (`omnihub-native`).

Guarantees: the same bytes, records and refusals as `reading` and `writing`; where the package is
missing, or was built without a C compiler, `is_installed` is False and those two do the work.
Does not: serve the schemas of an earlier release, which pass by (see `released`).
"""

from collections.abc import Callable
from typing import Any

from omnihub.contracts.avsc import NAMESPACE, Schema
from omnihub.contracts.errors import ContractError
from omnihub.contracts.inline import full_name
from omnihub.contracts.source import ENUMS, Names, null_and_other, record_class
from omnihub.contracts.writing import Seals, Unsealed
from omnihub.model.personal import Personal
from omnihub.model.record import Record

try:
    from omnihub_native import avro
except ImportError:
    avro = None

is_installed = avro is not None
CODEC = "native" if is_installed else "python"
Prepare = Callable[[Any, Any], Any]


def native_reader(schema: Schema) -> Callable[[bytes, int], Record]:
    """Return what `reading.compile_reader(schema)` returns, in machine code."""
    read: Callable[[bytes, int], Record] = avro.Reader(_Types(Unsealed()).of(schema))
    return read


def native_writer(schema: Schema, frame: bytes, seals: Seals) -> Callable[[Record], bytes]:
    """Return what `writing.compile_writer(schema, frame, seals)` returns, in machine code."""
    write: Callable[[Record], bytes] = avro.Writer(_Types(seals).of(schema), frame)
    return write


class _Types:
    """The types of one schema; a named one is made once."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._names = Names()
        self._records: dict[str, Any] = {}

    def of(self, kind: Any) -> Any:
        """Return the type of `kind`."""
        name, schema = self._names.resolve(kind)
        if name in _PLAIN:
            return getattr(avro, _PLAIN[name])()
        if name == "enum":
            return avro.Enum([ENUMS[full_name(schema, NAMESPACE)](s) for s in schema["symbols"]])
        if name == "union":
            null, other = null_and_other(schema)
            return avro.Nullable(self.of(other), null)
        if name == "array":
            return avro.Array(self.of(schema["items"]))
        if name == "map":
            return avro.Map(self.of(schema["values"]))
        if name == "record":
            return self._record(schema)
        raise ContractError(f"Avro type '{name}' has no codec. Use another, or add it here.")

    def _record(self, schema: Schema) -> Any:
        name = full_name(schema, NAMESPACE)
        if name not in self._records:
            made = self._records[name] = avro.Record(record_class(schema))
            made.fill(
                [
                    (field["name"], self.of(field["type"]), self._prepare(schema, field))
                    for field in schema["fields"]
                ]
            )
        return self._records[name]

    def _prepare(self, schema: Schema, field: Schema) -> Prepare | None:
        """Return what seals a field on its way out; None for one that is not personal."""
        if "pii" not in field:
            return None
        where = f"{schema['name'].rpartition('.')[2]}.{field['name']}"
        if field["pii"] == "body":
            return _sealing_body(self._seals, where, schema["sealed_by"])
        return _sealing_text(self._seals, where)


_PLAIN = {"int": "Long", "long": "Long", "boolean": "Boolean", "string": "String", "bytes": "Bytes"}


def _sealing_text(seals: Seals, where: str) -> Prepare:
    def prepare(record: Any, value: Any) -> Any:
        return seals.seal_text(record.subject, where, value) if type(value) is Personal else value

    return prepare


def _sealing_body(seals: Seals, where: str, key: str) -> Prepare:
    def prepare(record: Any, body: bytes) -> bytes:
        return seals.seal_body(getattr(record, key), where, body)

    return prepare
