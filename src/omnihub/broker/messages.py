"""The messages of Kafka's transactions, in the versions that aiokafka does not have.

Source: the JSON files of Apache Kafka 4.3, `clients/src/main/resources/common/message`. A cluster
whose `transaction.version` is 2 (KIP-890, second half) is spoken to in `SECOND`: records and
offsets join the transaction by themselves, and its end gives the producer a new epoch, so that
nothing that comes late belongs to the next one. Others are spoken to in `FIRST`.
Guarantees: a version a broker does not know raises before anything is sent.
Does not: connect (aiokafka's client does), or decide what to do about an error code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

Field = tuple[str, Any]
NO_TAGS: dict[int, bytes] = {}
FINALIZED_FEATURES_TAG = 2
SECOND_LEVEL = 2
"""Of the feature `transaction.version`."""
_TEXT = CompactString("utf-8")
_TAGS: Field = ("tags", TaggedFields)


def _message(
    name: str, key: int, version: int, asked: tuple[Field, ...], answered: tuple[Field, ...]
) -> type[RequestStruct]:
    """Return the class of a request, which knows how its answer is read; both end in tags."""
    common = {"API_KEY": key, "API_VERSION": version}
    answer = type(f"{name}Response", (Response,), {**common, "SCHEMA": Schema(*answered, _TAGS)})
    return type(
        f"{name}Request_v{version}",
        (RequestStruct,),
        {
            **common,
            "FLEXIBLE_VERSION": True,
            "RESPONSE_TYPE": answer,
            "SCHEMA": Schema(*asked, _TAGS),
        },
    )


def _by_topic(*fields: Field) -> Field:
    return ("topics", CompactArray(("name", _TEXT), ("partitions", CompactArray(*fields)), _TAGS))


_PARTITION: Field = ("partition", Int32)
_ERROR: Field = ("error_code", Int16)
_THROTTLE: Field = ("throttle_time_ms", Int32)
_TRANSACTIONAL_ID: Field = ("transactional_id", _TEXT)
_PRODUCER: tuple[Field, Field] = (("producer_id", Int64), ("producer_epoch", Int16))

_ERROR_BY_PARTITION = (_THROTTLE, _by_topic(_PARTITION, _ERROR, _TAGS))
_RECORDS = _by_topic(_PARTITION, ("records", CompactBytes), _TAGS)
_RECORD_ERRORS: Field = (
    "record_errors",
    CompactArray(("index", Int32), ("message", _TEXT), _TAGS),
)
_WRITTEN = _by_topic(
    _PARTITION,
    _ERROR,
    ("base_offset", Int64),
    ("log_append_time_ms", Int64),
    ("log_start_offset", Int64),
    _RECORD_ERRORS,
    ("error_message", _TEXT),
    _TAGS,
)
_PRODUCE = (
    (_TRANSACTIONAL_ID, ("acks", Int16), ("timeout_ms", Int32), _RECORDS),
    (_WRITTEN, _THROTTLE),
)
_OFFSETS = _by_topic(
    _PARTITION, ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT), _TAGS
)
_MEMBER = (("generation_id", Int32), ("member_id", _TEXT), ("group_instance_id", _TEXT))
_TXN_OFFSET_COMMIT = (
    (_TRANSACTIONAL_ID, ("group_id", _TEXT), *_PRODUCER, *_MEMBER, _OFFSETS),
    _ERROR_BY_PARTITION,
)
_END_TXN = (_TRANSACTIONAL_ID, *_PRODUCER, ("is_commit", Boolean))
_PARTITIONS: Field = (
    "topics",
    CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), _TAGS),
)

InitProducerId = _message(
    *("InitProducerId", 22, 4),
    (_TRANSACTIONAL_ID, ("transaction_timeout_ms", Int32), *_PRODUCER),
    (_THROTTLE, _ERROR, *_PRODUCER),
)
AddPartitionsToTxn = _message(
    *("AddPartitionsToTxn", 24, 3),
    (_TRANSACTIONAL_ID, *_PRODUCER, _PARTITIONS),
    _ERROR_BY_PARTITION,
)
AddOffsetsToTxn = _message(
    *("AddOffsetsToTxn", 25, 3),
    (_TRANSACTIONAL_ID, *_PRODUCER, ("group_id", _TEXT)),
    (_THROTTLE, _ERROR),
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The versions in which a cluster is spoken to."""

    produce: type[RequestStruct]
    txn_offset_commit: type[RequestStruct]
    end_txn: type[RequestStruct]
    is_second: bool


FIRST = Dialect(
    _message("Produce", 0, 9, *_PRODUCE),
    _message("TxnOffsetCommit", 28, 3, *_TXN_OFFSET_COMMIT),
    _message("EndTxn", 26, 3, _END_TXN, (_THROTTLE, _ERROR)),
    is_second=False,
)
SECOND = Dialect(
    _message("Produce", 0, 12, *_PRODUCE),
    _message("TxnOffsetCommit", 28, 5, *_TXN_OFFSET_COMMIT),
    _message("EndTxn", 26, 5, _END_TXN, (_THROTTLE, _ERROR, *_PRODUCER)),
    is_second=True,
)


class _ApiVersionsAnswer(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 18, 3
    SCHEMA = Schema(
        _ERROR,
        ("api_keys", CompactArray(("key", Int16), ("least", Int16), ("most", Int16), _TAGS)),
        _THROTTLE,
        _TAGS,
    )


class ApiVersions(RequestStruct):  # type: ignore[misc]
    """Asks a broker for the features its cluster has finalized (KIP-584), among other things."""

    API_KEY, API_VERSION, FLEXIBLE_VERSION = 18, 3, True
    RESPONSE_TYPE = _ApiVersionsAnswer
    SCHEMA = Schema(("client_software_name", _TEXT), ("client_software_version", _TEXT), _TAGS)

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """Read the old header: the answer must be readable to clients that know no other."""
        return ResponseHeader_v0.decode(read_buffer)


_FEATURES = CompactArray(("name", _TEXT), ("most", Int16), ("least", Int16), _TAGS)


def dialect_of(tags: Mapping[int, bytes]) -> Dialect:
    """Return how to speak to a cluster whose answer to `ApiVersions` ended in these tags."""
    finalized = tags.get(FINALIZED_FEATURES_TAG)
    features = _FEATURES.decode(BytesIO(finalized)) if finalized else []
    levels = {name: most for name, most, _, _ in features or []}
    return SECOND if levels.get("transaction.version", 0) >= SECOND_LEVEL else FIRST


class Fixed:
    """A message of one version; aiokafka's own requests offer several and take the highest."""

    def __init__(self, message: RequestStruct) -> None:
        self._message = message

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> RequestStruct:
        """Return the message if the broker knows its version.

        Raises:
            IncompatibleBrokerVersion: it does not.
        """
        message = self._message
        least, most = versions.get(message.API_KEY, (0, -1))
        if not least <= message.API_VERSION <= most:
            raise IncompatibleBrokerVersion(
                f"{type(message).__name__} is needed, the broker takes versions {least} to {most}. "
                "Use Apache Kafka 2.8 or newer."
            )
        return message
