"""Calls a mapping and names its failures; shared by split and translate.

Guarantees: a payload that does not fit the connector's model parks with the path and the reason,
never with the payload; a sender's fault becomes one `Rejected` event and nothing waits.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from omnihub.connect.errors import BadDelivery
from omnihub.connect.sdk import Mapping, Refs
from omnihub.model.errors import ParkError, RejectedError
from omnihub.model.ids import EventId, InstanceId, TenantId, derive_id
from omnihub.model.records import EventMeta, RawDelivery, Rejected, SourceEntity

REJECTED_TOPIC = "omni.rejected.v1"
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MAY_QUOTE = ("value_error", "assertion_error", "union_tag_invalid")
"""Faults whose words are a model's own, or quote what they refuse."""
T = TypeVar("T")
Delivered = TypeVar("Delivered", RawDelivery, SourceEntity)


class OpenBody(Protocol):
    """Opens the sealed body of a delivery or entity: `contracts.sealing.Sealer.open_body`."""

    def __call__(self, record: Delivered) -> Delivered:
        """Return `record` with its body in the clear."""


def as_it_is(record: Delivered) -> Delivered:
    """Where nothing is sealed: rehearsals in memory."""
    return record


@dataclass(frozen=True, slots=True)
class Understanding:
    """What split and translate know of one instance: its mapping, its codes, its authority."""

    mapping: Mapping[Any]
    refs: Refs
    owns: frozenset[str] = field(default_factory=frozenset)


Understandings = dict[InstanceId, Understanding]


def understanding_of(instances: Understandings, instance: InstanceId) -> Understanding:
    """Return what is known of `instance`.

    Raises:
        ParkError: no such instance is configured (any more).
    """
    if (found := instances.get(instance)) is not None:
        return found
    known = ", ".join(sorted(instances)) or "none"
    raise ParkError(
        f"connector instance '{instance}' is not configured here (known: {known})",
        cure=f"add connectors.{instance} to omnihub.yaml and restart, or skip the record",
    )


def understand(call: Callable[[], T]) -> T:
    """Return `call()`; a payload that breaks the connector's model raises `BadDelivery`."""
    try:
        return call()
    except ValidationError as error:
        # include_input would copy the payload, and so personal data, into the hospital.
        faults = error.errors(include_input=False, include_url=False)[:3]
        told = "; ".join(f"{_place(at)}: {_words(at)}" for at in faults)
        raise BadDelivery(
            f"the payload does not fit {error.title}: {told}",
            cure="mend it at the sender and send it again, or upgrade the connector, then retry",
        ) from None


def _place(fault: ErrorDetails) -> str:
    """Return the path of a fault; a key that is no field's name is payload."""
    parts = (str(part) for part in fault["loc"])
    return ".".join(part if part.isdigit() or _FIELD.fullmatch(part) else "*" for part in parts)


def _words(fault: ErrorDetails) -> str:
    return fault["type"] if fault["type"] in _MAY_QUOTE else fault["msg"]


def rejection(
    source: RawDelivery | SourceEntity, subject_type: str, subject: str, error: RejectedError
) -> Rejected:
    """Return the public event that says why something of `source` was refused."""
    about = error.subject or subject
    return Rejected(
        meta=_meta(source, f"rejected:{error.reason_code}:{about}"),
        reason_code=error.reason_code,
        detail=error.detail,
        subject_type=subject_type,
        subject=about,
    )


def _meta(source: RawDelivery | SourceEntity, role: str) -> EventMeta:
    tenant: TenantId = source.tenant
    if isinstance(source, SourceEntity):
        entity = f"{source.type}:{source.entity_id}"
    else:
        entity = f"delivery:{source.name}"
    return EventMeta(
        tenant=tenant,
        event_id=EventId(derive_id(f"{tenant}:{source.instance}:{source.delivery_id}", role)),
        cause_id=source.delivery_id,
        source=source.instance,
        entity=entity,
        occurred_at_us=source.accepted_at_us,
        accepted_at_us=source.accepted_at_us,
    )
