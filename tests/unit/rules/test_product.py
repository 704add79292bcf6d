"""The product rule: the owner describes, everyone else is heard."""

from omnihub.model.ids import EventId, InstanceId, Sku, TenantId
from omnihub.model.records import EventMeta, Product, ProductRemoved, ProductStatus, ProductUpserted
from omnihub.rules.product import ProductRule
from omnihub.rules.rehearsal import Rehearsal

SKU = Sku("apple")


def meta(source):
    return EventMeta(
        tenant=TenantId("t"), event_id=EventId("e"), cause_id="d", source=InstanceId(source),
        entity="product:1", occurred_at_us=1, accepted_at_us=1,
    )  # fmt: skip


def upsert(source, title):
    return ProductUpserted(meta=meta(source), sku=SKU, title=title, status=ProductStatus.ACTIVE)


def snapshot(play):
    return play.rows.get(Product, "t:apple")


def test_the_owner_changes_the_snapshot_and_others_do_not():
    play = Rehearsal(ProductRule(owner=InstanceId("erp")))
    play.play(upsert("web", "first heard from the web"))
    play.play(upsert("erp", "Apple"))
    play.play(upsert("web", "APPLE!!!"))
    play.play(ProductRemoved(meta=meta("web"), sku=SKU))
    assert (snapshot(play).title, snapshot(play).seq) == ("Apple", 2)


def test_a_product_the_owner_removes_stays_known_as_archived():
    play = Rehearsal(ProductRule(owner=InstanceId("erp")))
    play.play(upsert("erp", "Apple"))
    play.play(ProductRemoved(meta=meta("erp"), sku=SKU))
    assert snapshot(play).status is ProductStatus.ARCHIVED


def test_without_an_owner_the_last_word_wins():
    play = Rehearsal(ProductRule())
    play.play(upsert("web", "one"))
    play.play(upsert("erp", "two"))
    assert snapshot(play).title == "two"
