"""What is asked of the views about parked records, in SQL as over the list itself."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnihub.broker.memory import MemoryLog
from omnihub.contracts.topics import Topics
from omnihub.model.ids import EventId, InstanceId, TenantId
from omnihub.model.records import (
    ActOutcome,
    HospitalActed,
    ParkedRecord,
    ReleaseAction,
)
from omnihub.views.fold import TOPICS, Fold
from omnihub.views.parked import Wanted, causes_of, heads_of
from omnihub.views.queries import Views
from omnihub.views.schema import open_views

STATE, EVENT = "omni.hospital.state.v1", "omni.hospital.event.v1"


def parked(task="stock", park_key="x", index=0, error_class="Unmapped", instance="pos", at_us=5):
    return ParkedRecord(
        task=task,
        park_key=park_key,
        queue_index=index,
        topic="omni.stock.inbox.v1",
        partition=0,
        offset=index,
        record_type="StockMoved",
        error_class=error_class,
        error="e",
        cure="c",
        attempts=1,
        parked_at_us=at_us,
        accepted_at_us=at_us,
        instance=InstanceId(instance),
        waits_for="pos/sku/1",
        is_edited=index == 1,
    )


def acted(event_id="e-1", request_id="r-1"):
    return HospitalActed(
        event_id=EventId(event_id),
        request_id=request_id,
        task="stock",
        park_key="x",
        action=ReleaseAction.EDIT,
        outcome=ActOutcome.DONE,
        requested_by="eve",
        reason="typing error",
        requested_at_us=1,
        accepted_at_us=2,
        topic="omni.stock.inbox.v1",
        partition=0,
        offset=7,
        records=0,
        remaining=1,
        original=b"was secret",
    )


async def views_of(log, open_view, *records):
    for record in records:
        await log.append(EVENT if isinstance(record, HospitalActed) else STATE, record)
    engine = open_view("views")
    Fold(engine, "log").apply(await log.read_all(TOPICS))
    return Views(engine, TenantId("main")).hospital


async def test_a_parked_record_comes_back_whole(log, open_view) -> None:
    records = [parked(index=0), parked(index=1)]
    views = await views_of(log, open_view, *records)
    assert list(views.under("stock", "x")) == records
    assert views.under("stock", "y") == ()


async def test_an_act_is_told_each_time_and_without_what_it_replaced(log, open_view) -> None:
    views = await views_of(log, open_view, acted("e-1"), acted("e-2", "r-2"), acted("e-2", "r-2"))
    first, second = views.acts("stock", "x")
    assert (first.requested_by, first.reason, second.event_id) == ("eve", "typing error", "e-2")
    assert "secret" not in repr((first, second))
    assert views.was_asked("r-2")
    assert not views.was_asked("r-3")


RECORDS = st.builds(
    parked,
    task=st.sampled_from(["stock", "order"]),
    park_key=st.sampled_from(["x", "y", "z"]),
    index=st.integers(0, 3),
    error_class=st.sampled_from(["Unmapped", "Behind", "KeyError"]),
    instance=st.sampled_from(["pos", "web"]),
    at_us=st.integers(0, 9),
)
WANTED = st.builds(
    Wanted,
    task=st.sampled_from([None, "stock"]),
    error_class=st.sampled_from([None, "Unmapped"]),
    instance=st.sampled_from([None, "web"]),
    parked_before_us=st.sampled_from([None, 5]),
    park_key=st.sampled_from([None, "y"]),
)


@given(st.lists(RECORDS, max_size=12), WANTED)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_sql_chooses_and_counts_as_the_list_does(tmp_path_factory, records, wanted) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('views')}/views.sqlite"
    log = MemoryLog(Topics.load())
    views = await views_of(log, lambda _: open_views(url), *records)
    newest = {f"{r.task}:{r.park_key}:{r.queue_index}": r for r in records}
    listed = sorted(newest.values(), key=lambda r: (r.task, r.park_key, r.queue_index))
    assert list(views.heads(wanted, 100)) == heads_of(listed, wanted)
    assert list(views.page(wanted, None, 100).items) == [r for r in listed if wanted.includes(r)]
    assert list(views.causes()) == causes_of(listed)
