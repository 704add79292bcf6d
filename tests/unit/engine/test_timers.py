"""Timers: rows with a deadline; the row decides what is true, the heap only when to look."""

from hypothesis import given
from hypothesis import strategies as st

from omnihub.contracts.codec import Codec
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import MemoryStore
from omnihub.engine.timers import Timers
from omnihub.model.records import TimerRow


def timer(due_at_us, timer_id="t"):
    return TimerRow(name="hold", key="k", timer_id=timer_id, due_at_us=due_at_us)


def make():
    store = MemoryStore(Codec.offline())
    overlay = Overlay(store)
    return Timers(overlay), overlay, store


def taken(timers, now_us, limit=100):
    return [(due.timer_id, due.due_at_us) for due in timers.take_due(now_us, limit)]


def test_a_timer_is_taken_once_and_not_before_its_time():
    timers, _, _ = make()
    timers.put("hold:t", timer(10))
    assert taken(timers, 9) == []
    assert taken(timers, 10) == [("t", 10)]
    assert taken(timers, 99) == []


def test_a_moved_timer_is_due_at_its_new_time_alone():
    timers, _, _ = make()
    timers.put("hold:t", timer(10))
    timers.put("hold:t", timer(20))
    assert taken(timers, 15) == []
    assert taken(timers, 25) == [("t", 20)]


def test_a_disarmed_timer_is_never_taken():
    timers, _, _ = make()
    timers.put("hold:t", timer(10))
    timers.drop("hold:t")
    assert taken(timers, 99) == []


def test_a_timer_moved_after_it_was_sent_makes_the_sent_one_untrue():
    timers, _, _ = make()
    timers.put("hold:t", timer(10))
    [sent] = timers.take_due(10, 100)
    timers.put("hold:t", timer(20))
    assert not timers.is_true(sent)
    [moved] = timers.take_due(20, 100)
    assert timers.is_true(moved)
    assert not timers.is_true(moved)


def test_no_more_are_taken_than_asked_for():
    timers, _, _ = make()
    for number in range(5):
        timers.put(f"hold:{number}", timer(number, str(number)))
    assert len(taken(timers, 99, limit=3)) == 3
    assert len(taken(timers, 99, limit=3)) == 2


def test_a_rolled_back_sending_is_repeated():
    timers, overlay, store = make()
    timers.put("hold:t", timer(10))
    overlay.keep_record()
    overlay.keep_batch()
    assert taken(timers, 10) == [("t", 10)]
    overlay.drop_batch()
    timers.rebuild(store)
    assert taken(timers, 10) == [("t", 10)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.booleans()), max_size=20))
def test_exactly_the_true_timers_come_due_whatever_records_failed(story):
    timers, overlay, _ = make()
    true = {}
    for timer_id, due_at_us, fails in story:
        timers.put(f"hold:{timer_id}", timer(due_at_us, timer_id))
        if fails:
            overlay.drop_record()
        else:
            overlay.keep_record()
            true[timer_id] = due_at_us
    assert sorted(taken(timers, 100)) == sorted(true.items())
