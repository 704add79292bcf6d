"""Names follow from the source, never from the delivery."""

from omnihub.connect.entities import entity_key, event_meta, source_entity


def test_two_deliveries_of_one_entity_lead_to_the_same_names(diary_raw):
    one, other = (
        source_entity(diary_raw([], delivery_id=name, at_us=at), "sale", "b1", b"", 3)
        for name, at in (("d1", 1), ("d2", 2))
    )
    assert entity_key(one) == entity_key(other) == "t:diary:sale:b1"
    assert event_meta(one, "moved", 0).event_id == event_meta(other, "moved", 0).event_id
    assert event_meta(one, "moved", 0).cause_id == "d1"


def test_roles_and_versions_tell_events_apart(diary_raw):
    entity = source_entity(diary_raw([]), "product", "7", b"")
    metas = [
        event_meta(entity, "product", 0),
        event_meta(entity, "price", 0),
        event_meta(entity, "product", 0, version=1),
        event_meta(entity, "product", 0, version=2),
    ]
    assert len({meta.event_id for meta in metas}) == 4
    assert metas[3].version == 2
