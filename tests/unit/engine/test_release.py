"""Releases: what each act does, once, to whom it was meant, and what is told about it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.vault import MemoryVault
from omnihub.engine import release
from omnihub.engine.driver import STAGES, Crash
from omnihub.model.records import (
    ActOutcome,
    HospitalActed,
    ReleaseAction,
    ReleaseParked,
    ReleaseSeen,
    StockMoved,
)

INBOX, EVENTS, ACTS = "omni.stock.inbox.v1", "omni.stock.event.v1", "omni.hospital.event.v1"
RETRY, RELEASE = ReleaseAction.RETRY, ReleaseAction.RELEASE
SKIP, EDIT = ReleaseAction.SKIP, ReleaseAction.EDIT
DONE, STOPPED, CONTINUES = ActOutcome.DONE, ActOutcome.STOPPED, ActOutcome.CONTINUES
CURED = {"cure"}


def tell(play, *movements):
    for movement in movements:
        play.tell(*movement)
    play.run()


def blocked(play, *behind):
    """Park `a`, which a cure mends, and what comes behind it; then cure it."""
    tell(play, ("a", "x", "unmapped"), *behind)
    play.rule.cured = CURED


def as_edit(play, movement):
    return {"action": EDIT, "value": play.codec.encode(movement)}


# -- what each act does ---------------------------------------------------------------------------


def test_a_retry_tries_the_first_alone_and_the_rest_waits_for_its_release(story):
    play = story()
    blocked(play, ("b", "x"), ("c", "x"))
    play.release(RETRY)
    assert play.names() == ["a"]
    assert [(r.error_class, r.cure) for r in play.waiting()] == [
        ("Ready", "omnihub hospital release"),
        ("Behind", "cure the first"),
    ]
    tell(play, ("d", "x"))
    play.release(RELEASE)
    assert play.names() == ["a", "b", "c", "d"]
    assert play.acts() == [(RETRY, DONE, 1, 2), (RELEASE, DONE, 3, 0)]


def test_a_retry_that_fails_says_why_and_moves_nothing(story):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x"))
    play.release(RETRY)
    assert play.acts() == [(RETRY, STOPPED, 0, 2)]
    assert [r.attempts for r in play.waiting()] == [2, 0]


def test_a_skip_gives_up_the_first_and_releases_the_rest(story):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x"), ("c", "x", "bug"), ("d", "x"))
    play.release(SKIP)
    assert play.names() == ["b"]
    assert play.acts() == [(SKIP, STOPPED, 2, 2)]


def test_a_long_queue_is_released_in_several_transactions(story, monkeypatch):
    monkeypatch.setattr(release, "REPLAYS_PER_TURN", 3)
    play = story(batch_records=1)
    blocked(play, *((f"m{number}", "x") for number in range(1, 8)))
    play.release(RELEASE)
    assert play.names() == ["a", *(f"m{number}" for number in range(1, 8))]
    assert play.acts() == [
        (RELEASE, CONTINUES, 3, 5),
        (RELEASE, CONTINUES, 3, 2),
        (RELEASE, DONE, 2, 0),
    ]
    asked = play.records(INBOX, ReleaseParked)
    assert len({request.request_id for request in asked}) == 3


def test_a_request_from_before_there_were_ids_is_a_release(story):
    play = story()
    blocked(play, ("b", "x"))
    play.release(RETRY, request_id="")
    assert play.names() == ["a", "b"]


def test_an_act_of_a_newer_release_is_refused_and_nothing_moves(story):
    play = story()
    blocked(play)
    play.release(ReleaseAction.UNKNOWN)
    assert play.acts() == [(ReleaseAction.UNKNOWN, ActOutcome.REFUSED, 0, 1)]
    assert play.names() == []


def test_other_keys_go_on_while_one_waits_and_is_released(story):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "y"), ("c", "x"))
    play.ask(SKIP)
    tell(play, ("d", "y"))
    assert set(play.names()) == {"b", "c", "d"}


# -- edit -----------------------------------------------------------------------------------------


def test_an_edit_replaces_the_first_and_runs_nothing(story, moved):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x"))
    play.release(**as_edit(play, moved("a", "x")))
    assert play.names() == []
    assert [(r.is_edited, r.error_class) for r in play.waiting()] == [
        (True, "ZeroDivisionError"),
        (False, "Behind"),
    ]
    play.restart()
    play.release(RELEASE)
    assert play.names() == ["a", "b"]
    assert play.acts() == [(EDIT, DONE, 0, 2), (RELEASE, DONE, 2, 0)]


def test_what_an_edit_replaced_stays_on_record_and_is_sealed(story, moved):
    sealer = Sealer(MemoryVault())
    play = story(codec=Codec(SchemaIds.offline(), sealer))
    tell(play, ("a", "x", "bug"))
    play.release(**as_edit(play, moved("a", "x", "bug")))
    play.release(**as_edit(play, moved("a", "x")))
    first, second = play.records(ACTS, HospitalActed)
    for told, was in ((first, "bug"), (second, "bug")):
        assert b"bug" not in told.original
        opened = sealer.open(told.event_id, "HospitalActed.original", told.original)
        assert play.codec.decode(opened).reason == was
    assert (first.offset, first.record_type) == (0, "StockMoved")


def test_an_edited_record_that_fails_again_stays_edited(story, moved):
    play = story()
    tell(play, ("a", "x", "bug"))
    play.release(**as_edit(play, moved("a", "x", "unmapped")))
    play.release(RETRY)
    [shown] = play.waiting()
    assert (shown.error_class, shown.attempts, shown.is_edited) == ("ParkError", 2, True)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"sku": "y"}, "OtherKey"),
        ({"value": b"no avro"}, "Undecodable"),
        ({"value": None}, "Undecodable"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_and_changes_nothing(story, moved, change, refusal):
    play = story()
    tell(play, ("a", "x", "bug"))
    asked = as_edit(play, moved("a", change.get("sku", "x")))
    play.release(**{**asked, **{k: v for k, v in change.items() if k == "value"}})
    [told] = play.records(ACTS, HospitalActed)
    assert (told.outcome, told.error_class, told.original) == (ActOutcome.REFUSED, refusal, b"")
    assert [r.is_edited for r in play.waiting()] == [False]


def test_an_edit_gives_garbage_a_meaning(story, moved):
    play = story()
    play.append(INBOX, b"garbage", key="t:x")
    tell(play, ("b", "x"))
    play.release(park_key="t:x", **as_edit(play, moved("a", "x")))
    play.release(RELEASE, "t:x")
    assert play.names() == ["a", "b"]


# -- once, and only to whom it was meant ----------------------------------------------------------


@pytest.mark.parametrize("action", [RETRY, RELEASE, SKIP])
def test_the_same_request_twice_has_one_effect(story, action):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x", "bug"), ("c", "x"))
    play.ask(action, request_id="same")
    play.ask(action, request_id="same")
    play.run()
    once = (play.names(), [(r.offset, r.attempts) for r in play.waiting()], play.acts())
    play.restart()
    play.release(action, request_id="same")
    assert (play.names(), [(r.offset, r.attempts) for r in play.waiting()], play.acts()) == once
    assert len(play.acts()) == 1


def test_a_request_for_a_record_that_is_not_first_any_more_does_nothing(story):
    """Two people look at the same record; both skip it; one record is skipped."""
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x", "bug"))
    play.release(SKIP, head_offset=0)
    play.release(SKIP, head_offset=0)
    assert [r.offset for r in play.waiting()] == [1]
    assert play.acts() == [(SKIP, STOPPED, 1, 1), (SKIP, ActOutcome.MOVED_ON, 0, 1)]


def test_a_request_for_an_empty_queue_is_on_record(story):
    play = story()
    tell(play, ("a", "x", "bug"))
    play.release(SKIP)
    play.release(SKIP)
    assert play.acts()[-1] == (SKIP, ActOutcome.NOTHING_PARKED, 0, 0)


def test_the_memory_of_requests_is_bounded_and_forgets_the_oldest(story, monkeypatch):
    monkeypatch.setattr(release, "REMEMBERED", 3)
    play = story()
    tell(play, ("a", "x", "bug"))
    for _ in range(3):
        play.release(RETRY)
    play.restart()
    for _ in range(2):
        play.release(RETRY)
    seen = {
        name.rpartition("/")[2]
        for name, row in play.rows("adder").items()
        if isinstance(row, ReleaseSeen)
    }
    assert seen == {"request-3", "request-4", "request-5"}


def test_who_why_and_when_are_told(story):
    play = story()
    tell(play, ("a", "x", "bug"))
    play.now_us = 7_000_000
    play.release(SKIP, reason="sold twice", requested_by="eve", requested_at_us=5)
    [told] = play.records(ACTS, HospitalActed)
    assert (told.requested_by, told.reason, told.requested_at_us) == ("eve", "sold twice", 5)
    assert (told.task, told.park_key, told.topic) == ("adder", "x", INBOX)


# -- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("action", [RETRY, RELEASE, SKIP, EDIT])
def test_a_crash_at_any_stage_of_an_act_leaves_it_done_once(
    story, moved, action, stage, monkeypatch
):
    monkeypatch.setattr(release, "REPLAYS_PER_TURN", 2)
    outcomes = []
    for crashes in (False, True):
        play = story(batch_records=2)
        blocked(play, *((f"m{number}", "x") for number in range(1, 6)))
        told = as_edit(play, moved("a", "x")) if action is EDIT else {"action": action}
        play.ask(**told)
        for n in range(1, 5) if crashes else ():
            play.crash_at(stage, n)
            try:
                play.run()
            except Crash:
                play.restart()
        play.run_until_calm()
        outcomes.append((play.names(), [r.offset for r in play.waiting()], play.acts()))
    assert outcomes[0] == outcomes[1]


# -- everything at once ---------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.sampled_from("xyz"), st.sampled_from([None, None, "unmapped", "bug"])),
    st.tuples(st.sampled_from([RETRY, RELEASE, SKIP, EDIT]), st.sampled_from("xyz"), st.booleans()),
    st.sampled_from(["restart", "cure", "ail", *STAGES]),
)


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=120, deadline=None)
def test_order_holds_nothing_is_lost_and_nothing_is_doubled(story, moved, steps):
    """Random failures, acts (some asked twice), crashes and restarts; only skips take away."""
    play, told = story(), {"x": [], "y": [], "z": []}
    for number, step in enumerate(steps):
        if step == "restart":
            play.restart()
        elif step in ("cure", "ail"):
            play.rule.cured = CURED if step == "cure" else frozenset()
        elif isinstance(step, str):
            play.crash_at(step)
        elif isinstance(step[0], ReleaseAction):
            _ask(play, moved, number, *step)
        else:
            told[step[0]].append(f"m{number:02d}")
            play.tell(f"m{number:02d}", *step)
        try:
            play.run()
        except Crash:
            play.restart()
            play.run()
    acts = play.records(ACTS, HospitalActed)
    assert len({one.request_id for one in acts}) == len(acts)
    for sku, arrived in told.items():
        applied = [e.movement_id for e in play.records(EVENTS, StockMoved) if e.sku == sku]
        waiting = [r for r in play.waiting() if r.park_key == sku]
        skipped = sum(
            one.park_key == sku and one.action is SKIP and one.records > 0 for one in acts
        )
        assert applied == sorted(set(applied))
        assert len(applied) + len(waiting) + skipped == len(arrived)
        assert play.tasks[0].hospital.parked >= 0
    assert sum(task.hospital.parked for task in play.tasks) == len(play.waiting())


def _ask(play, moved, number, action, sku, is_twice):
    queue = [r for r in play.waiting() if r.park_key == sku]
    if not queue:
        return
    name = {r.offset: e.movement_id for r, e in _parked(play, queue)}[queue[0].offset]
    asked = as_edit(play, moved(name, sku)) if action is EDIT else {"action": action}
    for _ in range(1 + is_twice):
        play.ask(park_key=sku, request_id=f"r{number}", **asked)


def _parked(play, queue):
    for shown in queue:
        stored = play.log.read(INBOX, shown.partition)[shown.offset]
        yield shown, play.codec.decode(stored.value)
