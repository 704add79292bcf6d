"""The headers of every record: what it is (`ce_type`) and its identity (`ce_id`).

Guarantees: the same record under the same key gives the same headers; `ce_id` is the record's own
id where it has one, else its cause or time, a slash and its key. Does not: hold payload.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter

from omnihub.model.record import Record

Headers = list[tuple[str, bytes]]
CE_ID = "ce_id"
CE_TYPE = "ce_type"
_OWN_ID = ("meta", "event_id", "command_id")
_ORIGIN = (
    "cause_id",
    "delivery_id",
    "accepted_at_us",
    "requested_at_us",
    "fired_at_us",
    "set_at_us",
    "saved_at_us",
)


def headers_of(record: Record, key: str) -> Headers:
    """Return the headers of `record`, whose record key is `key`."""
    identify, type_header = headers_of_type(type(record))
    return [(CE_ID, identify(record, key).encode()), type_header]


@lru_cache(maxsize=1024)
def headers_of_type(kind: type[Record]) -> tuple[Callable[[Record, str], str], tuple[str, bytes]]:
    """Return how a type's `ce_id` is made, and its `ce_type` header."""
    return _identity(kind), (CE_TYPE, kind.AVRO_NAME.encode())


def _identity(kind: type[Record]) -> Callable[[Record, str], str]:
    fields = kind.__struct_fields__
    for name in _OWN_ID:
        if name in fields:
            own: Callable[[Record], str] = attrgetter("meta.event_id" if name == "meta" else name)
            return lambda record, _: own(record)
    for name in _ORIGIN:
        if name in fields:
            origin = attrgetter(name)
            return lambda record, key: f"{origin(record)}/{key}"
    return lambda _, key: key
