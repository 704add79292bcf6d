"""Parking: who waits behind whom, and how queues are released."""

from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.model.records import ParkedQueue, ReleaseAction, StockMoved

INBOX, EVENTS = "omni.stock.inbox.v1", "omni.stock.event.v1"
RELEASE, SKIP = ReleaseAction.RELEASE, ReleaseAction.SKIP


def tell(play, *movements):
    for movement in movements:
        play.tell(*movement)
    play.run()


def test_a_bug_parks_its_record_and_what_comes_after_it_for_the_same_key(story):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x"), ("c", "y"))
    assert play.names() == ["c"]
    waiting = [(r.error_class, r.park_key, r.queue_index) for r in play.waiting()]
    assert waiting == [("ZeroDivisionError", "x", 0), ("Behind", "x", 1)]


def test_a_bug_is_shown_with_its_place_and_without_payload(story):
    play = story()
    tell(play, ("a", "x", "bug"))
    [shown] = play.waiting()
    assert shown.error.startswith("ZeroDivisionError in the handler (conftest.py:")
    assert "secret" not in repr(shown)


def test_garbage_is_parked_and_holds_back_only_its_own_key(story):
    play = story()
    play.append(INBOX, b"not avro at all", key="t:x")
    tell(play, ("a", "x"), ("b", "y"))
    assert play.names() == ["b"]
    assert [r.record_type for r in play.waiting()] == ["unread", "StockMoved"]
    play.release(SKIP, "t:x")
    assert play.names() == ["b", "a"]


def test_a_record_of_a_foreign_type_is_parked_and_stops_nobody(story):
    play = story()
    play.append(INBOX, play.codec.encode(ParkedQueue(first_index=0, next_index=1)), key="t:x")
    tell(play, ("a", "y"))
    assert play.names() == ["a"]
    assert [r.error_class for r in play.waiting()] == ["Misplaced"]


def test_what_waited_behind_garbage_returns_behind_its_own_queue(story):
    play = story()
    tell(play, ("a", "x", "bug"))  # waits under x
    play.append(INBOX, b"garbage", key="t:x")  # waits under t:x
    tell(play, ("b", "x"))  # behind the garbage
    play.release(SKIP, "t:x")
    assert play.names() == []
    play.release(SKIP, "x")
    assert play.names() == ["b"]
    assert play.waiting() == []


def test_a_record_whose_park_key_cannot_be_told_waits_under_its_inbox_key(story):
    play = story()
    tell(play, ("a", "x", "keyless"), ("b", "x"), ("c", "y"))
    assert play.names() == ["c"]
    assert {r.park_key for r in play.waiting()} == {"t:x"}


def test_setting_what_a_record_waits_for_releases_its_queue_in_order(story):
    cured = set()
    play = story(resolver=lambda _: bool(cured))
    tell(play, ("a", "x", "unmapped"), ("b", "x"), ("c", "x", "unmapped"))
    assert play.names() == []
    cured.add("cure")
    play.rule.cured = cured
    play.run()
    assert play.names() == ["a", "b", "c"]
    assert play.waiting() == []
    tell(play, ("d", "x"))
    assert play.names()[-1] == "d"


def test_skipping_the_head_lets_the_rest_through(story):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x"), ("c", "x", "bug"), ("d", "x"))
    play.release(SKIP)
    assert play.names() == ["b"]
    assert [r.queue_index for r in play.waiting()] == [2, 3]


def test_a_release_that_fails_again_keeps_the_queue_and_counts_the_attempt(story):
    play = story()
    tell(play, ("a", "x", "bug"), ("b", "x"))
    play.release(RELEASE)
    assert play.names() == []
    assert [r.attempts for r in play.waiting()] == [2, 0]


def test_the_queue_survives_a_restart(story):
    play = story()
    tell(play, ("a", "x", "bug"))
    play.restart()
    tell(play, ("b", "x"))
    assert play.names() == []
    play.release(SKIP)
    assert play.names() == ["b"]


def test_a_deadline_waits_behind_what_is_parked_of_its_key(story):
    play = story()
    tell(play, ("a", "x", "remind"), ("b", "y", "remind"), ("c", "x", "bug"))
    play.advance(10)
    assert sorted(play.names()) == ["a", "b", "due-b"]
    assert [(r.record_type, r.error_class) for r in play.waiting()] == [
        ("StockMoved", "ZeroDivisionError"),
        ("TimerDue", "Behind"),
    ]
    play.release(SKIP)
    assert sorted(play.names()) == ["a", "b", "due-a", "due-b"]
    assert play.waiting() == []


def test_a_release_meant_for_another_task_is_ignored(story):
    play = story()
    tell(play, ("a", "x", "bug"))
    play.release(SKIP, task="someone-else")
    assert len(play.waiting()) == 1


STEPS = st.one_of(
    st.tuples(st.sampled_from("xy"), st.sampled_from([None, None, "unmapped", "bug"])),
    st.sampled_from([RELEASE, SKIP]),
)


@given(st.lists(STEPS, max_size=15))
@settings(max_examples=80, deadline=None)
def test_nothing_overtakes_within_a_key_and_only_what_was_skipped_is_missing(story, steps):
    play = story()
    told, skipped = {"x": [], "y": []}, set()
    for number, step in enumerate(steps):
        if not isinstance(step, ReleaseAction):
            told[step[0]].append(f"m{number:02d}")
            tell(play, (f"m{number:02d}", *step))
            continue
        play.rule.cured = {"cure"}
        queue = [r for r in play.waiting() if r.park_key == "x"]
        if queue:
            play.release(step)
        if queue and step is SKIP:
            skipped.add(queue[0].offset)
        play.rule.cured = set()
    for sku, arrived in told.items():
        applied = [e.movement_id for e in play.records(EVENTS, StockMoved) if e.sku == sku]
        waiting = sum(1 for r in play.waiting() if r.park_key == sku)
        assert applied == sorted(applied)
        assert len(applied) + waiting + (len(skipped) if sku == "x" else 0) == len(arrived)
