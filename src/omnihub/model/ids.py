"""Ids as their own types, and how an id follows from its cause.

Guarantees: `derive_id` is a pure function: the same cause and role give the same id on every
machine (RFC 9562 version 5), which replay and the crash checkers rest on.
"""

from typing import NewType
from uuid import UUID, uuid5

TenantId = NewType("TenantId", str)
InstanceId = NewType("InstanceId", str)
Sku = NewType("Sku", str)
LocationId = NewType("LocationId", str)
ChannelId = NewType("ChannelId", str)
EventId = NewType("EventId", str)
CommandId = NewType("CommandId", str)
MovementId = NewType("MovementId", str)
DeliveryId = NewType("DeliveryId", str)
OrderId = NewType("OrderId", str)
LineId = NewType("LineId", str)
ReservationId = NewType("ReservationId", str)
FulfilmentId = NewType("FulfilmentId", str)
PaymentId = NewType("PaymentId", str)
ReturnId = NewType("ReturnId", str)
CartId = NewType("CartId", str)
CustomerId = NewType("CustomerId", str)
SubjectId = NewType("SubjectId", str)
MessageId = NewType("MessageId", str)

OMNIHUB_NAMESPACE = UUID("0d6fe2f5-6e36-5b3c-9a55-1c8e7a5f1f4b")


def derive_id(cause: str, role: str) -> str:
    """Return the UUIDv5 of what `role` caused, for example `derive_id(entity_key, "sale")`."""
    return str(uuid5(OMNIHUB_NAMESPACE, f"{cause}\x1f{role}"))
