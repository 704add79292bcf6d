"""Tasks: savepoints, refusals, outages, timers, restore, crashes at every stage."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.engine.disk import DiskStores
from omnihub.engine.driver import STAGES, Crash
from omnihub.model.errors import InvariantBroken
from omnihub.model.records import (
    ParkedBody,
    ParkedQueue,
    ParkedRecord,
    Rejected,
    StockLevel,
    StockMoved,
    TaskAttempt,
    TaskPosition,
    TimerRow,
)

EVENTS, STATE = "omni.stock.event.v1", "omni.stock.state.v1"
HOSPITAL = "omni.hospital.state.v1"


def test_outputs_rows_and_offsets_become_visible_together(story):
    play = story()
    play.tell("a")
    play.tell("b")
    play.run()
    assert play.names() == ["a", "b"]
    assert [level.on_hand_milli for level in play.records(STATE, StockLevel)] == [1000, 2000]
    play.restart()
    play.tell("c")
    play.run()
    assert play.records(STATE, StockLevel)[-1].on_hand_milli == 3000


def test_outputs_carry_the_time_at_which_their_cause_was_accepted(story):
    play = story()
    play.tell("a", at_us=1_700_000_000_123_456)
    play.run()
    stamps = {s.timestamp_ms for p in range(4) for s in play.log.read(STATE, p)}
    assert stamps == {1_700_000_000_123}


def test_rows_that_stay_over_a_rebalance_know_their_position(story):
    play = story()
    play.tell("a")
    play.run()
    assert [task.position for task in play.tasks if task.next_offset] == [1]


def test_a_refusal_leaves_only_a_rejected_event(story):
    play = story()
    play.tell("a", reason="reject")
    play.tell("b")
    play.run()
    assert play.names() == ["b"]
    rejected = play.records(EVENTS, Rejected)
    assert [(r.reason_code, r.subject, r.meta.cause_id) for r in rejected] == [
        ("negative_quantity", "apple", "a")
    ]
    assert play.waiting() == []


def test_an_outage_is_waited_out_and_nothing_is_parked(story):
    play = story()
    play.rule.outages = 3
    play.tell("a", reason="outage")
    play.run()
    assert play.names() == ["a"]
    assert play.waiting() == []


def test_a_broken_promise_stops_the_worker(story):
    play = story()
    play.tell("a", reason="broken")
    with pytest.raises(InvariantBroken):
        play.run()


def test_a_row_that_does_not_fit_its_schema_parks_its_record_alone(story):
    play = story()
    for name, sku, reason in [("a", "x", None), ("b", "y", "misfit"), ("c", "x", None)]:
        play.tell(name, sku, reason)
    play.run()
    assert play.names() == ["a", "c"]
    assert [(r.error_class, r.park_key) for r in play.waiting()] == [("ContractError", "y")]


def test_a_timer_fires_once_when_it_is_due_also_after_a_restart(story):
    play = story()
    play.tell("a", reason="remind", at_us=0)
    play.advance(9)
    assert play.names() == ["a"]
    play.restart()
    play.advance(2)
    play.advance(100)
    play.restart()
    play.advance(100)
    assert play.names() == ["a", "due-a"]


def test_a_timer_runs_after_what_was_accepted_before_it(story):
    play = story()
    play.tell("a", reason="remind", at_us=0)
    play.run()
    play.now_us = 20_000_000
    play.tell("b")
    play.run()
    assert play.names() == ["a", "b", "due-a"]


MOVEMENTS = st.lists(
    st.tuples(
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from([None, None, None, "bug", "reject", "remind"]),
    ),
    max_size=12,
)
CRASHES = st.lists(st.tuples(st.sampled_from(STAGES), st.integers(1, 5)), max_size=2)


@given(MOVEMENTS, CRASHES, st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_crashes_at_any_stage_change_nothing(story, movements, crashes, batch):
    calm = tell(story(batch_records=batch), movements, [])
    shaken = tell(story(batch_records=batch), movements, crashes)
    assert_same(shaken, calm)


@given(MOVEMENTS, CRASHES, st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_rows_that_stayed_on_disk_over_crashes_are_the_same(story, movements, crashes, batch):
    calm = tell(story(batch_records=batch), movements, [])
    with tempfile.TemporaryDirectory() as folder:
        stores = DiskStores(Path(folder))
        shaken = tell(story(batch_records=batch, stores=stores), movements, crashes)
        kept = {at: row for task in shaken.tasks for at, row in kept_rows(task)}
        stores.close()
    assert_same(shaken, calm)
    assert kept == shaken.rows("adder")


def kept_rows(task):
    for kind in (StockLevel, TimerRow, ParkedQueue, ParkedBody, TaskPosition, TaskAttempt):
        for key, row in task.store.of_kind(kind):
            yield f"{kind.__name__}/{task.partition}/{key}", row


def tell(play, movements, crashes):
    for number, (sku, reason) in enumerate(movements):
        play.tell(f"m{number}", sku, reason, at_us=0)
    for stage, n in crashes:
        play.crash_at(stage, n)
        try:
            play.run()
        except Crash:
            play.restart()
    play.crash_at("begun", 10_000)
    play.run()  # All input is read before a timer is due, in both stories.
    play.advance(60)
    return play


def assert_same(shaken, calm):
    for topic in (EVENTS, STATE, HOSPITAL):
        for kind in (StockMoved, StockLevel, Rejected, ParkedRecord):
            assert shaken.records(topic, kind) == calm.records(topic, kind)
    assert shaken.rows("adder") == calm.rows("adder")
