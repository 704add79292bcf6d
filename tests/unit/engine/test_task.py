"""Tasks: savepoints, parking by key in order, releases, timers, restore, crashes at every stage."""

from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import UnknownSchema
from omnihub.contracts.topics import Topics
from omnihub.engine import task as task_module
from omnihub.engine.driver import STAGES, Crash, TestDriver
from omnihub.engine.observer import Unobserved
from omnihub.model.errors import InvariantBroken, ParkError, RejectedError
from omnihub.model.ids import EventId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import (
    EventMeta,
    MovementKind,
    ParkedQueue,
    ParkedRecord,
    Rejected,
    ReleaseAction,
    ReleaseParked,
    StockLevel,
    StockMoved,
)
from omnihub.rules.rule import Rule, on, on_timer

INBOX, EVENTS, STATE = "omni.stock.inbox.v1", "omni.stock.event.v1", "omni.stock.state.v1"
SHOP = LocationId("shop")


def moved(name, sku="apple", milli=1000, reason=None):
    meta = EventMeta(
        tenant=TenantId("t"), event_id=EventId(name), cause_id="d", source=InstanceId("till"),
        entity="e", occurred_at_us=0, accepted_at_us=0,
    )  # fmt: skip
    return StockMoved(
        meta=meta, movement_id=MovementId(name), sku=Sku(sku), kind=MovementKind.RECEIPT,
        to_location=SHOP, quantity_milli=milli, reason=reason,
    )  # fmt: skip


class Adder(Rule):
    """Adds movements up; `reason` asks it to misbehave."""

    name: ClassVar[str] = "adder"
    inbox: ClassVar[str] = INBOX
    events: ClassVar[str] = EVENTS

    def __init__(self, cured=frozenset()):
        self.cured = cured
        self.outages = 0

    def park_key(self, record):
        if record.reason == "keyless":
            raise KeyError("no key for this one")
        return record.sku

    @on(StockMoved)
    def on_movement(self, event, rows, out):
        key = event.sku
        old = rows.get(StockLevel, key)
        level = StockLevel(
            tenant=event.meta.tenant, sku=event.sku, location=SHOP,
            on_hand_milli=(old.on_hand_milli if old else 0) + event.quantity_milli, ats_milli=0,
            seq=(old.seq if old else 0) + 1, cause_id=event.meta.event_id,
            occurred_at_us=0, accepted_at_us=out.accepted_at_us,
        )  # fmt: skip
        rows.put(key, level)
        out.emit(STATE, level)
        out.emit(EVENTS, event)
        self._misbehave(event, rows, out)

    def _misbehave(self, event, rows, out):
        match event.reason:
            case "bug" | "keyless":
                raise ZeroDivisionError("secret payload")
            case "reject":
                raise RejectedError("negative_quantity", "no", event.sku)
            case "unmapped" if "cure" not in self.cured:
                raise ParkError("no mapping", cure="omnihub map set", waits_for="pos/sku/1")
            case "outage" if self.outages > 0:
                self.outages -= 1
                raise UnknownSchema("registry down")
            case "broken":
                raise InvariantBroken("captured < refunded")
            case "misfit":
                rows.put("misfit", ParkedQueue(first_index="no number", next_index=0))
            case "remind":
                out.arm("hold", event.sku, event.movement_id, out.accepted_at_us + 10_000_000)

    @on_timer("hold")
    def on_hold_due(self, due, rows, out):
        out.emit(EVENTS, moved(f"due-{due.timer_id}", due.key))


TOPICS, CODEC = Topics.load(), Codec.offline()


def driver(rule=None, **options):
    return TestDriver([rule or Adder()], TOPICS, codec=CODEC, **options)


def names(play):
    return [event.movement_id for event in play.records(EVENTS, StockMoved)]


def parked(play):
    return list(play.state("omni.hospital.state.v1").values())


def test_outputs_rows_and_offsets_become_visible_together():
    play = driver()
    play.append(INBOX, moved("a"))
    play.append(INBOX, moved("b"))
    play.run()
    assert names(play) == ["a", "b"]
    assert [level.on_hand_milli for level in play.records(STATE, StockLevel)] == [1000, 2000]
    play.restart()
    play.append(INBOX, moved("c"))
    play.run()
    assert play.records(STATE, StockLevel)[-1].on_hand_milli == 3000


def test_a_refusal_leaves_only_a_rejected_event():
    play = driver()
    play.append(INBOX, moved("a", reason="reject"))
    play.append(INBOX, moved("b"))
    play.run()
    assert names(play) == ["b"]
    assert [level.on_hand_milli for level in play.records(STATE, StockLevel)] == [1000]
    rejected = play.records(EVENTS, Rejected)
    assert [(r.reason_code, r.subject, r.meta.cause_id) for r in rejected] == [
        ("negative_quantity", "apple", "a")
    ]
    assert parked(play) == []


def test_a_bug_parks_its_record_and_what_comes_after_it_for_the_same_key():
    play = driver()
    for name, sku, reason in [("a", "x", "bug"), ("b", "x", None), ("c", "y", None)]:
        play.append(INBOX, moved(name, sku, reason=reason))
    play.run()
    assert names(play) == ["c"]
    shown = sorted(parked(play), key=lambda r: r.queue_index)
    assert [(r.error_class, r.park_key) for r in shown] == [
        ("ZeroDivisionError", "x"),
        ("Behind", "x"),
    ]
    assert "secret" not in repr(shown)


def test_garbage_is_parked_and_holds_back_only_its_own_key():
    play = driver()
    play.append(INBOX, b"not avro at all", key="t:x")
    play.append(INBOX, moved("a", "x"))
    play.append(INBOX, moved("b", "y"))
    play.run()
    assert names(play) == ["b"]
    shown = sorted(parked(play), key=lambda r: r.queue_index)
    assert [r.record_type for r in shown] == ["undecodable", "StockMoved"]
    release(play, ReleaseAction.SKIP, "t:x")
    assert names(play) == ["b", "a"]


def test_a_record_of_a_foreign_type_is_parked_and_stops_nobody():
    play = driver()
    play.append(INBOX, play.codec.encode(ParkedQueue(first_index=0, next_index=1)), key="t:x")
    play.append(INBOX, moved("a", "y"))
    play.run()
    assert names(play) == ["a"]
    assert [r.error_class for r in parked(play)] == ["Misplaced"]


def test_what_waited_behind_garbage_returns_behind_its_own_queue():
    play = driver()
    play.append(INBOX, moved("a", "x", reason="bug"))  # waits under x
    play.append(INBOX, b"garbage", key="t:x")  # waits under t:x
    play.append(INBOX, moved("b", "x"))  # behind the garbage
    play.run()
    release(play, ReleaseAction.SKIP, "t:x")
    assert names(play) == []
    release(play, ReleaseAction.SKIP, "x")
    assert names(play) == ["b"]
    assert parked(play) == []


def test_setting_what_a_record_waits_for_releases_its_queue_in_order():
    rule = Adder()
    play = driver(rule, resolver=lambda waits_for: "cure" in rule.cured)
    for name, reason in [("a", "unmapped"), ("b", None), ("c", "unmapped")]:
        play.append(INBOX, moved(name, "x", reason=reason))
    play.run()
    assert names(play) == []
    rule.cured = frozenset({"cure"})
    play.run()
    assert names(play) == ["a", "b", "c"]
    assert parked(play) == []
    play.append(INBOX, moved("d", "x"))
    play.run()
    assert names(play)[-1] == "d"


def release(play, action, park_key="x", task="adder"):
    request = ReleaseParked(
        task=task, park_key=park_key, action=action, requested_by="ops", reason="test",
        requested_at_us=0,
    )  # fmt: skip
    at = f"{ParkedQueue.__name__}/"
    [partition] = [
        int(row.split("/")[1])
        for row in play.rows("adder")
        if row.startswith(at) and row.endswith(f"/{park_key}")
    ]
    play.log.write(INBOX, partition, b"x", play.codec.encode(request), 0)
    play.run()


def test_skipping_the_head_lets_the_rest_through():
    play = driver()
    for name, reason in [("a", "bug"), ("b", None), ("c", "bug"), ("d", None)]:
        play.append(INBOX, moved(name, "x", reason=reason))
    play.run()
    release(play, ReleaseAction.SKIP)
    assert names(play) == ["b"]
    assert sorted(r.queue_index for r in parked(play)) == [2, 3]


def test_a_retry_that_fails_again_keeps_the_queue_and_counts_the_attempt():
    play = driver()
    for name, reason in [("a", "bug"), ("b", None)]:
        play.append(INBOX, moved(name, "x", reason=reason))
    play.run()
    release(play, ReleaseAction.RETRY)
    assert names(play) == []
    assert sorted(r.attempts for r in parked(play)) == [1, 2]


def test_the_queue_survives_a_restart():
    play = driver()
    play.append(INBOX, moved("a", "x", reason="bug"))
    play.run()
    play.restart()
    play.append(INBOX, moved("b", "x"))
    play.run()
    assert names(play) == []
    release(play, ReleaseAction.SKIP)
    assert names(play) == ["b"]


def test_an_outage_is_waited_out_and_nothing_is_parked():
    rule = Adder()
    rule.outages = 3
    play = driver(rule)
    play.append(INBOX, moved("a", reason="outage"))
    play.run()
    assert names(play) == ["a"]
    assert parked(play) == []


def test_a_broken_promise_stops_the_worker():
    play = driver()
    play.append(INBOX, moved("a", reason="broken"))
    with pytest.raises(InvariantBroken):
        play.run()


def test_a_timer_fires_once_when_it_is_due_also_after_a_restart():
    play = driver()
    play.append(INBOX, moved("a", reason="remind"), at_us=0)
    play.advance(9)
    assert names(play) == ["a"]
    play.restart()
    play.advance(2)
    play.advance(100)
    play.restart()
    play.advance(100)
    assert names(play) == ["a", "due-a"]


def test_a_timer_runs_after_what_was_accepted_before_it():
    play = driver()
    play.append(INBOX, moved("a", reason="remind"), at_us=0)
    play.run()
    play.now_us = 20_000_000
    play.append(INBOX, moved("b"))
    play.run()
    assert names(play) == ["a", "b", "due-a"]


def test_a_bug_is_shown_with_its_place_and_without_payload():
    play = driver()
    play.append(INBOX, moved("a", reason="bug"))
    play.run()
    [shown] = parked(play)
    assert shown.error.startswith("ZeroDivisionError in the handler (test_task.py:")


def test_a_record_whose_park_key_cannot_be_told_waits_under_its_inbox_key():
    play = driver()
    play.append(INBOX, moved("a", "x", reason="keyless"))
    play.append(INBOX, moved("b", "x"))
    play.append(INBOX, moved("c", "y"))
    play.run()
    assert names(play) == ["c"]
    assert {r.park_key for r in parked(play)} == {"t:x"}


def test_a_row_that_does_not_fit_its_schema_parks_its_record_alone():
    play = driver()
    for name, sku, reason in [("a", "x", None), ("b", "y", "misfit"), ("c", "x", None)]:
        play.append(INBOX, moved(name, sku, reason=reason))
    play.run()
    assert names(play) == ["a", "c"]
    assert [(r.error_class, r.park_key) for r in parked(play)] == [("ContractError", "y")]


def test_a_long_queue_is_released_in_several_transactions(monkeypatch):
    monkeypatch.setattr(task_module, "REPLAYS_PER_TURN", 3)
    play = driver(batch_records=1)
    for number in range(10):
        play.append(INBOX, moved(f"m{number}", "x", reason=None if number else "bug"))
    play.run()
    release(play, ReleaseAction.SKIP)
    assert names(play) == [f"m{number}" for number in range(1, 10)]
    asked = play.records(INBOX, ReleaseParked)
    assert [request.action for request in asked] == [ReleaseAction.SKIP, *[ReleaseAction.RETRY] * 2]
    assert parked(play) == []


def test_the_hospital_is_bounded_and_says_so_half_way():
    alarms = []

    class Watching(Unobserved):
        def alarmed(self, task, what):
            alarms.append(what)

    play = driver(parked_limit=4, observer=Watching())
    for number in range(4):
        play.append(INBOX, moved(f"m{number}", "x", reason="bug"))
    play.run()
    assert alarms == ["the hospital is half full"]
    play.append(INBOX, moved("m4", "x"))
    with pytest.raises(InvariantBroken, match="parked_limit"):
        play.run()


def test_a_release_meant_for_another_task_is_ignored():
    play = driver()
    play.append(INBOX, moved("a", "x", reason="bug"))
    play.run()
    release(play, ReleaseAction.SKIP, task="someone-else")
    assert len(parked(play)) == 1


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from(["x", "y"]), st.sampled_from([None, None, "unmapped", "bug"])
            ),
            st.sampled_from([ReleaseAction.RETRY, ReleaseAction.SKIP]),
        ),
        max_size=15,
    )
)
@settings(max_examples=80, deadline=None)
def test_no_record_overtakes_another_of_its_key_and_only_skipped_ones_are_missing(story):
    rule = Adder()
    play = driver(rule)
    told, skipped = {"x": [], "y": []}, set()
    for number, step in enumerate(story):
        if isinstance(step, ReleaseAction):
            rule.cured = frozenset({"cure"})
            waiting = [r for r in parked(play) if r.park_key == "x"]
            if waiting:
                if step is ReleaseAction.SKIP:
                    head = min(waiting, key=lambda r: r.queue_index)
                    skipped.add((head.partition, head.offset))
                release(play, step)
            continue
        sku, reason = step
        play.append(INBOX, moved(f"m{number:02d}", sku, reason=reason))
        play.run()
        told[sku].append(f"m{number:02d}")
        rule.cured = frozenset()
    for sku, arrived in told.items():
        applied = [e.movement_id for e in play.records(EVENTS, StockMoved) if e.sku == sku]
        waiting = sum(1 for r in parked(play) if r.park_key == sku)
        assert applied == sorted(applied)
        gone = len(skipped) if sku == "x" else 0
        assert len(applied) + waiting + gone == len(arrived)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "y", "z"]),
            st.sampled_from([None, None, None, "bug", "reject", "remind"]),
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.sampled_from(STAGES), st.integers(1, 3)), max_size=5),
    st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_crashes_at_any_stage_change_nothing(story, crashes, batch):
    def play_story(with_crashes):
        play = driver(batch_records=batch)
        for number, (sku, reason) in enumerate(story):
            play.append(INBOX, moved(f"m{number}", sku, reason=reason), at_us=0)
        for stage, n in with_crashes:
            play.crash_at(stage, n)
            try:
                play.run()
            except Crash:
                play.restart()
        play.crash_at("begun", 10_000)
        play.advance(60)
        return play

    calm, shaken = play_story([]), play_story(crashes)
    for topic in (EVENTS, STATE, "omni.hospital.state.v1"):
        for kind in (StockMoved, StockLevel, Rejected, ParkedRecord):
            assert shaken.records(topic, kind) == calm.records(topic, kind)
    assert shaken.rows("adder") == calm.rows("adder")
