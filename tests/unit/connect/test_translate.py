"""Translate: told twice, late, reversed, by three ways or after deletion, the result is exact."""

import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnihub.connect.entities import entity_key
from omnihub.connect.errors import BadDelivery
from omnihub.connect.observer import Unobserved, Verdict
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.model.errors import InvariantBroken, ParkError, Unmapped
from omnihub.model.ids import InstanceId
from omnihub.model.records import (
    DeliveryKind,
    FactSeen,
    ProductRemoved,
    ProductUpserted,
    Refetch,
    Rejected,
    SourceEntity,
    StateSeen,
    StockCounted,
    StockMoved,
    TimerDue,
)
from omnihub.model.time import MINUTE_US, SECOND_US
from omnihub.rules.rehearsal import Rehearsal

T0_US = 1_700_000_000_000_000
SALE = {"type": "sale", "id": "b1", "sku": "apple", "quantity": 2}
WAYS = (DeliveryKind.WEBHOOK, DeliveryKind.POLL, DeliveryKind.FILE)


class Tally(Unobserved):
    def __init__(self):
        self.verdicts = []

    def judged(self, instance, verdict):
        self.verdicts.append(verdict)


class Way:
    """Raw deliveries in, canonical events out: split and translate in a row."""

    def __init__(self, understanding, raw, topics):
        self.instances = {InstanceId("diary"): understanding}
        self.tally = Tally()
        self.split = Rehearsal(Split("diary", self.instances))
        self.translate = Rehearsal(Translate("diary", self.instances, topics.inbox_of, self.tally))
        self._raw = raw
        self._numbers = itertools.count(1)

    def tell(self, *notes, kind=DeliveryKind.POLL, at_us=T0_US):
        """Deliver one page and return the records it led to."""
        delivery_id = f"d{next(self._numbers)}"
        delivery = self._raw(list(notes), kind=kind, at_us=at_us, delivery_id=delivery_id)
        entities = [entity for _, entity in self.split.play(delivery, at_us=at_us)]
        return [r for e in entities for _, r in self.translate.play(e, at_us=at_us)]

    @property
    def told(self):
        return [record for _, record in self.translate.emitted]

    def seen(self, kind):
        return [row for (type_, _), row in self.translate.rows.rows.items() if type_ is kind]


@pytest.fixture
def way(understanding, diary_raw, topics):
    return Way(understanding(), diary_raw, topics)


def product(title, v=None, **more):
    note = {"type": "product", "id": 7, "title": title, **more}
    return note if v is None else note | {"v": v}


GONE = {"type": "product", "id": 7, "deleted": True}


# -- facts ---------------------------------------------------------------------------------------


def test_a_fact_told_by_webhook_poll_and_file_twice_is_one_event(way):
    for number, kind in enumerate(WAYS * 2):
        way.tell(SALE, kind=kind, at_us=T0_US + number * SECOND_US)
    assert [type(each) for each in way.told] == [StockMoved]
    assert way.tally.verdicts == [Verdict.EMITTED] + [Verdict.DUPLICATE] * 5


def test_events_go_to_the_inbox_of_their_aggregate(way):
    way.tell(SALE, product("Apple", v=1))
    assert [topic for topic, _ in way.translate.emitted] == [
        "omni.stock.inbox.v1",
        "omni.product.inbox.v1",
    ]


@given(order=st.permutations(range(6)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_of_facts_change_nothing(
    order, understanding, diary_raw, topics, values
):
    sales = [SALE | {"id": f"b{n % 3}", "quantity": n % 3} for n in range(6)]
    way = Way(understanding(), diary_raw, topics)
    for index in order:
        way.tell(sales[index], kind=WAYS[index % 3])
    told = sorted(values(way.told), key=lambda event: event.movement_id)
    assert [(each.movement_id, each.quantity_milli) for each in told] == [
        ("diary:b0", 0),
        ("diary:b1", 1000),
        ("diary:b2", 2000),
    ]


def test_the_same_natural_id_with_other_content_is_rejected_and_the_first_stands(way):
    way.tell(SALE)
    (rejected,) = way.tell(SALE | {"quantity": 3})
    assert isinstance(rejected, Rejected)
    assert (rejected.reason_code, rejected.subject) == ("conflicting_fact", "b1")
    assert way.tell(SALE) == []


def test_a_conflict_does_not_take_its_neighbours_along(way):
    way.tell(SALE)
    told = way.tell(SALE | {"quantity": 3}, SALE | {"id": "b2"})
    assert [type(each) for each in told] == [Rejected, StockMoved]


def test_a_fact_retold_under_a_newer_mapping_is_no_conflict(understanding, diary_raw, topics):
    way = Way(understanding(), diary_raw, topics)
    way.tell(SALE)
    newer = understanding(revision=2)
    way.instances[InstanceId("diary")] = newer
    assert way.tell(SALE | {"quantity": 3}) == []
    assert way.tally.verdicts[-1] is Verdict.DUPLICATE


def test_a_senders_fault_is_rejected_and_nothing_waits(way):
    (rejected,) = way.tell(SALE | {"quantity": -1})
    assert rejected.reason_code == "negative_quantity"
    assert way.seen(FactSeen) == []
    assert [type(each) for each in way.tell(SALE)] == [StockMoved]


def test_a_clock_ahead_is_bounded_and_still_recognised_as_the_same_fact(way):
    ahead = SALE | {"at": T0_US + 60 * MINUTE_US}
    (event,) = way.tell(ahead)
    assert event.meta.occurred_at_us == T0_US + 5 * MINUTE_US
    assert way.tell(ahead, at_us=T0_US + 10 * MINUTE_US) == []


# -- authority -----------------------------------------------------------------------------------


def test_a_count_of_a_system_that_does_not_own_stock_is_an_observation(way):
    assert way.tell({"type": "count", "id": "c", "sku": "apple", "quantity": 9}) == []
    assert way.tally.verdicts == [Verdict.OBSERVATION]
    assert way.seen(FactSeen) == []


def test_a_count_of_the_owner_counts(understanding, diary_raw, topics):
    way = Way(understanding(owns=["stock"]), diary_raw, topics)
    (event,) = way.tell({"type": "count", "id": "c", "sku": "apple", "quantity": 9})
    assert isinstance(event, StockCounted)


# -- states --------------------------------------------------------------------------------------


def test_an_older_version_never_overwrites_a_newer_one(way):
    way.tell(product("new", v=2), kind=DeliveryKind.WEBHOOK)
    assert way.tell(product("old", v=1)) == []
    assert way.tally.verdicts[-1] is Verdict.STALE


def test_a_newer_version_with_the_same_values_is_no_event_but_is_remembered(way):
    way.tell(product("same", v=1, at=T0_US))
    assert way.tell(product("same", v=3, at=T0_US + SECOND_US)) == []
    assert way.tell(product("between", v=2)) == []
    (row,) = way.seen(StateSeen)
    assert row.version == 3


def test_two_versions_in_one_second_are_settled_by_the_system_itself(way):
    way.tell(product("first", v=1), kind=DeliveryKind.WEBHOOK)
    (command,) = way.tell(product("second", v=1), kind=DeliveryKind.WEBHOOK)
    assert isinstance(command, Refetch)
    assert (command.type, command.entity_id, command.target) == ("product", "7", "product:7")
    assert way.translate.emitted[-1][0] == "omni.command.diary.v1"
    (event,) = way.tell(product("second", v=1), kind=DeliveryKind.REFETCH)
    assert event.title == "second"
    assert way.tell(product("second", v=1)) == []


def test_events_of_equal_versions_have_ids_of_their_own(way):
    (first,) = way.tell(product("first", v=1))
    (second,) = way.tell(product("second", v=1), kind=DeliveryKind.REFETCH)
    assert first.meta.event_id != second.meta.event_id


def test_a_system_without_versions_is_asked_when_it_says_something_else(way):
    way.tell(product("a"))
    assert way.tell(product("a"), kind=DeliveryKind.WEBHOOK) == []
    (command,) = way.tell(product("b"))
    assert isinstance(command, Refetch)


def test_the_same_question_twice_has_the_same_id_only_for_the_same_delivery(way):
    way.tell(product("a"))
    (one,) = way.tell(product("b"))
    (other,) = way.tell(product("b"))
    assert one.command_id != other.command_id


def test_deleted_then_an_older_page_resurrects_nothing(way):
    way.tell(product("a", v=5))
    (removed,) = way.tell(GONE | {"v": 6})
    assert isinstance(removed, ProductRemoved)
    for version in (4, 5, 6):
        assert way.tell(product("a", v=version)) == []
    (row,) = way.seen(StateSeen)
    assert row.deleted


def test_a_deletion_without_version_is_asked_for_and_then_holds(way):
    way.tell(product("a", v=5))
    (command,) = way.tell(GONE, kind=DeliveryKind.WEBHOOK)
    assert isinstance(command, Refetch)
    (removed,) = way.tell(GONE, kind=DeliveryKind.REFETCH)
    assert isinstance(removed, ProductRemoved)
    assert way.tell(product("a", v=5)) == []
    assert way.tell(GONE, kind=DeliveryKind.WEBHOOK) == []


def test_a_page_read_before_the_deletion_but_newer_than_all_we_knew_is_not_believed(way):
    way.tell(product("a", v=5))
    way.tell(GONE, kind=DeliveryKind.REFETCH)
    (command,) = way.tell(product("b", v=6))
    assert isinstance(command, Refetch)
    assert way.tell(GONE, kind=DeliveryKind.REFETCH) == []


def test_what_the_system_restored_lives_again(way):
    way.tell(product("a", v=5))
    way.tell(GONE | {"v": 6})
    (command,) = way.tell(product("a", v=7))
    assert isinstance(command, Refetch)
    (event,) = way.tell(product("a", v=7), kind=DeliveryKind.REFETCH)
    assert isinstance(event, ProductUpserted)


def test_the_deletion_of_something_never_seen_is_kept(way):
    way.tell(GONE)
    (command,) = way.tell(product("a", v=1))
    assert isinstance(command, Refetch)


def test_a_newer_mapping_may_read_the_same_version_otherwise(understanding, diary_raw, topics):
    way = Way(understanding(), diary_raw, topics)
    way.tell(product("a", v=1))
    way.instances[InstanceId("diary")] = understanding(revision=2)
    (event,) = way.tell(product("A", v=1))
    assert event.title == "A"


@given(order=st.permutations(range(5)), kinds=st.lists(st.sampled_from(WAYS), min_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_order_the_newest_version_stands(
    order, kinds, understanding, diary_raw, topics
):
    way = Way(understanding(), diary_raw, topics)
    for index, kind in zip(order, kinds, strict=False):
        way.tell(product(f"v{index}", v=index), kind=kind)
        way.tell(product(f"v{index}", v=index), kind=DeliveryKind.FILE)
    upserts = [each for each in way.told if isinstance(each, ProductUpserted)]
    assert upserts[-1].title == "v4"
    assert [each.meta.version for each in upserts] == sorted({e.meta.version for e in upserts})


# -- failures ------------------------------------------------------------------------------------


def test_an_unmapped_code_parks_only_its_line(understanding, diary_raw, topics):
    class NoPears:
        def resolve(self, kind, code):
            if code == "pear":
                raise Unmapped("diary", kind, code)
            return code

    way = Way(understanding(refs=NoPears()), diary_raw, topics)
    page = [SALE | {"id": "b2", "sku": "pear"}, SALE]
    entities = [e for _, e in way.split.play(diary_raw(page))]
    with pytest.raises(Unmapped, match="pear"):
        way.translate.play(entities[0])
    assert len(way.translate.play(entities[1])) == 1
    assert way.translate.handler.park_key(entities[0]) == entity_key(entities[0])


def test_an_instance_nobody_configured_parks_with_its_cure(way, diary_raw):
    with pytest.raises(ParkError) as caught:
        way.split.play(diary_raw([SALE], instance="elsewhere"))
    assert "connectors.elsewhere" in caught.value.cure


def test_a_delivery_that_is_no_page_parks_alone(way, diary_raw):
    with pytest.raises(BadDelivery, match="no JSON"):
        way.split.play(diary_raw(b"\x00"))
    assert way.split.handler.park_key(diary_raw(b"", delivery_id="x")).endswith(":x")


def test_a_payload_that_breaks_a_model_parks_without_being_shown(way, diary_raw):
    from pydantic import BaseModel

    class Page(BaseModel):
        total: int

    mapping = way.instances[InstanceId("diary")].mapping
    mapping.split = lambda delivery: Page.model_validate_json(delivery.body)
    with pytest.raises(BadDelivery) as caught:
        way.split.play(diary_raw(json.dumps({"total": "ada@example.com"}).encode()))
    assert "total" in str(caught.value)
    assert "ada" not in str(caught.value)


def test_other_records_are_a_broken_promise(way):
    timer = TimerDue(name="x", key="k", timer_id="t", due_at_us=0, fired_at_us=0)
    for rehearsal in (way.split, way.translate):
        with pytest.raises(InvariantBroken):
            rehearsal.handler.park_key(timer)


def test_entities_carry_how_they_came(way, diary_raw):
    ((_, entity),) = way.split.play(diary_raw([SALE], kind=DeliveryKind.FILE))
    assert isinstance(entity, SourceEntity)
    assert (entity.kind, entity.instance, entity.delivery_id) == ("FILE", "diary", "d1")
