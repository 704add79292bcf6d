"""How a mapping names what it found: source entities and the meta of canonical events.

Guarantees: names follow from the source's own identifiers, never from the delivery, so webhook,
poll, file and backfill of one entity give the same keys and the same event ids.
Does not: bound a source's clock; translate does that for every event it emits.
"""

from omnihub.model.ids import EventId, derive_id
from omnihub.model.records import EventMeta, RawDelivery, SourceEntity


def source_entity(
    delivery: RawDelivery,
    type: str,
    entity_id: str,
    body: bytes,
    version: int | None = None,
    deleted: bool = False,
) -> SourceEntity:
    """Return the entity `type:entity_id` cut out of `delivery`."""
    return SourceEntity(
        tenant=delivery.tenant,
        connector=delivery.connector,
        instance=delivery.instance,
        type=type,
        entity_id=entity_id,
        version=version,
        deleted=deleted,
        kind=delivery.kind,
        delivery_id=delivery.delivery_id,
        accepted_at_us=delivery.accepted_at_us,
        body=body,
    )


def entity_key(entity: SourceEntity) -> str:
    """Return the identity of a source entity over all instances: what its topic is keyed by."""
    return f"{entity.tenant}:{entity.instance}:{entity.type}:{entity.entity_id}"


def fact_key(entity: SourceEntity, natural_id: str) -> str:
    """Return the row key of a fact: natural ids are unique within the type of entity."""
    return f"{entity.tenant}:{entity.instance}:{entity.type}:{natural_id}"


def state_key(entity: SourceEntity, resource: str) -> str:
    """Return the row key of one state of an entity."""
    return f"{entity_key(entity)}:{resource}"


def event_meta(
    entity: SourceEntity,
    role: str,
    occurred_at_us: int,
    tz: str | None = None,
    version: int | None = None,
) -> EventMeta:
    """Return the meta of the event that plays `role` for `entity`.

    `role` tells apart several events of one entity; `version` is given for states.
    """
    part = role if version is None else f"{role}:{version}"
    return EventMeta(
        tenant=entity.tenant,
        event_id=EventId(derive_id(entity_key(entity), part)),
        cause_id=entity.delivery_id,
        source=entity.instance,
        entity=f"{entity.type}:{entity.entity_id}",
        version=version,
        occurred_at_us=occurred_at_us,
        accepted_at_us=entity.accepted_at_us,
        tz=tz,
    )
