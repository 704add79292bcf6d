"""A parked record as JSON that a person can read and mend, and back.

Guarantees: what `shown` tells, `record_of` takes: a record that nobody changed comes back equal.
Bytes are told as text with a mark: `text:` and `base64:` in the clear, `personal:` for what is
personal and was opened, `sealed:` for what stays closed. Faults name the field, never its value.
Does not: decide who may open what is sealed; it is given a `Sealer`, or none.
"""

import base64
import binascii
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.contracts.sealing import MARK, Sealer
from omnihub.contracts.topics import INBOX_RECORDS, TopicSpec
from omnihub.model.errors import RejectedError
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import HospitalActed, ParkedBody, RawDelivery, SourceEntity

TEXT, BASE64, PERSONAL, SEALED = "text:", "base64:", "personal:", "sealed:"


def content_of(body: ParkedBody, codec: Codec, sealer: Sealer | None = None) -> dict[str, Any]:
    """Return what a parked record holds: its type and its fields; no fields when none can read it.

    With a `sealer`, what is sealed is opened.
    """
    return _content(body.value, codec, sealer)


def original_of(act: HospitalActed, codec: Codec, sealer: Sealer | None) -> dict[str, Any]:
    """Return what an edit replaced; without a `sealer` it stays closed."""
    if sealer is None:
        return {"type": act.record_type, "record": None}
    value = act.original
    if value.startswith(MARK):
        value = sealer.open(act.event_id, "HospitalActed.original", value) or b""
    return _content(value, codec, sealer)


def record_told(told: Any, inbox: TopicSpec, body: ParkedBody, codec: Codec) -> Record:
    """Return the record that `told`, in the form of `content_of`, puts in a parked one's place.

    Raises:
        RejectedError: it is no record of this inbox, or of another type or key than the parked one.
    """
    if not isinstance(told, dict) or set(told) != {"type", "record"}:
        raise _fault("", "must be an object of `type` and `record`")
    kinds = {kind.__name__: kind for kind in (*inbox.records, *INBOX_RECORDS)}
    kind = kinds.get(told["type"]) if isinstance(told["type"], str) else None
    if kind is None:
        raise _fault("type", f"must be one of {', '.join(sorted(kinds))}")
    record = record_of(kind, told["record"])
    if (was := _decoded_or_none(body.value, codec)) is not None and type(was) is not kind:
        raise _fault("type", f"must stay {type(was).__name__}")
    if inbox.key_of(record).encode() != (body.key or b""):
        raise _fault("record", "must keep its key: skip this one and send what is right anew")
    return record


def shown(record: Record, sealer: Sealer | None = None) -> dict[str, Any]:
    """Return `record` as JSON; a `sealer` opens what is sealed, as far as its keys live."""
    told: Record = record
    if sealer is not None:
        told = sealer.open_record(_with_open_body(record, sealer))
    return _fields(told, record)


def record_of(kind: type[Record], told: Any, place: str = "record") -> Record:
    """Return the record that `told` describes.

    Raises:
        RejectedError: it does not fit; `subject` is the place of the fault.
    """
    if not isinstance(told, dict):
        raise _fault(place, f"must be an object: a {kind.__name__}")
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != "AVRO_NAME"}
    for name in told:
        if name not in hints:
            raise _fault(f"{place}/{name}", f"{kind.__name__} has no such field")
    needed = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    for name in sorted(needed - set(told)):
        raise _fault(f"{place}/{name}", "is missing")
    return kind(**{name: _value(hints[name], told[name], f"{place}/{name}") for name in told})


def _content(value: bytes, codec: Codec, sealer: Sealer | None) -> dict[str, Any]:
    record = _decoded_or_none(value, codec)
    if record is None:
        return {"type": "", "record": None}
    return {"type": type(record).__name__, "record": shown(record, sealer)}


def _decoded_or_none(value: bytes, codec: Codec) -> Record | None:
    try:
        return codec.decode(value)
    except Undecodable:
        return None


def _with_open_body(record: Record, sealer: Sealer) -> Record:
    try:
        if isinstance(record, RawDelivery):
            return sealer.open_body(record)
        return sealer.open_body(record) if isinstance(record, SourceEntity) else record
    except RejectedError:
        return record  # Its key was destroyed: it stays closed.


def _fields(told: Record, sealed: Record) -> dict[str, Any]:
    """Return the fields of `told`; what could not be opened is told as it is in `sealed`."""
    found: dict[str, Any] = {}
    for name in type(told).__struct_fields__:
        value, closed = getattr(told, name), getattr(sealed, name)
        found[name] = _plain(closed if value is None else value, closed)
    return found


def _plain(value: Any, closed: Any) -> Any:
    if isinstance(value, Record):
        return _fields(value, closed)
    if isinstance(value, tuple):
        return [_plain(each, was) for each, was in zip(value, closed, strict=True)]
    if isinstance(value, Personal):
        return f"{PERSONAL}{value.reveal()}"
    if isinstance(value, bytes):
        return _text(value)
    return msgspec.to_builtins(value)


def _text(value: bytes) -> str:
    if value.startswith(MARK):
        return SEALED + base64.b64encode(value).decode()
    try:
        return TEXT + value.decode()
    except UnicodeDecodeError:
        return BASE64 + base64.b64encode(value).decode()


def _value(hint: Any, told: Any, place: str) -> Any:
    options = get_args(hint) if NoneType in get_args(hint) or bytes in get_args(hint) else (hint,)
    if told is None and NoneType in options:
        return None
    if bytes in options:
        return _bytes(told, Personal in options, place)
    for option in options:
        if isinstance(option, type) and issubclass(option, Record):
            return record_of(option, told, place)
        if get_origin(option) is tuple:
            return _items(get_args(option)[0], told, place)
    try:
        return msgspec.convert(told, hint)
    except msgspec.ValidationError:
        raise _fault(place, f"must be {getattr(hint, '__name__', hint)}") from None


def _items(hint: Any, told: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(told, list):
        raise _fault(place, "must be a list")
    return tuple(_value(hint, each, f"{place}/{at}") for at, each in enumerate(told))


def _bytes(told: Any, is_personal: bool, place: str) -> bytes | Personal:
    if isinstance(told, str):
        if told.startswith(PERSONAL) and is_personal:
            return Personal(told.removeprefix(PERSONAL))
        if told.startswith(TEXT) and not is_personal:
            return told.removeprefix(TEXT).encode()
        for mark in (BASE64, SEALED):
            # Personal text in the clear would go past the codec's seal.
            if told.startswith(mark) and (mark == SEALED or not is_personal):
                return _decoded(told.removeprefix(mark), mark == SEALED, place)
    marks = f"{PERSONAL} or {SEALED}" if is_personal else f"{TEXT}, {BASE64} or {SEALED}"
    raise _fault(place, f"must be text that begins with {marks}")


def _decoded(text: str, is_sealed: bool, place: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _fault(place, "is no base64") from None
    if is_sealed and not value.startswith(MARK):
        raise _fault(place, "is not sealed; leave it as it was shown")
    return value


def _fault(place: str, detail: str) -> RejectedError:
    return RejectedError("does_not_fit", f"{place} {detail}".strip(), place)
