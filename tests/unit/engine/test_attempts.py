"""The record that kills the process is found, parked, and its neighbours go on."""

from omnihub.engine.driver import Crash
from omnihub.model.records import ReleaseAction, TaskAttempt


def test_the_record_that_ends_four_processes_is_parked_and_the_batch_goes_on(story):
    play = story()
    for name, reason in [("a", None), ("b", None), ("killer", "killer"), ("c", None), ("d", None)]:
        play.tell(name, reason=reason)
    play.tell("other", "pear")
    assert play.run_until_calm() == 4
    assert sorted(play.names()) == ["a", "b", "other"]
    assert [(r.error_class, r.offset) for r in play.waiting()] == [
        ("Killer", 2),
        ("Behind", 3),
        ("Behind", 4),
    ]


def test_once_mended_the_killer_and_what_waited_are_released_in_order(story):
    play = story()
    for name, reason in [("a", None), ("killer", "killer"), ("c", None)]:
        play.tell(name, reason=reason)
    play.run_until_calm()
    play.rule.cured = {"cure"}
    play.release(ReleaseAction.RELEASE, "t:apple")
    assert play.names() == ["a", "killer", "c"]


def test_a_release_that_kills_again_is_itself_found_and_done_with(story):
    play = story()
    play.tell("killer", reason="killer")
    play.run_until_calm()
    try:
        play.release(ReleaseAction.RELEASE, "t:apple")
    except Crash:
        play.restart()
    play.run_until_calm()
    assert [r.record_type for r in play.waiting()] == ["unread", "unread"]
    play.rule.cured = {"cure"}
    play.release(ReleaseAction.RELEASE, "t:apple")
    assert play.names() == ["killer"]
    assert play.waiting() == []


def test_deaths_that_are_nobodys_fault_accuse_nobody(story):
    play = story(batch_records=2)
    for number in range(12):
        play.tell(f"m{number:02d}")
    for stage in ("begun", "produced", "offsets sent", "committed") * 3:
        play.crash_at(stage, 3)
        try:
            play.run()
        except Crash:
            play.restart()
    play.crash_at("begun", 10_000)
    play.run()
    assert play.names() == [f"m{number:02d}" for number in range(12)]


def test_nothing_is_left_of_an_announcement_once_its_batch_is_committed(story):
    play = story()
    play.tell("a")
    play.run()
    assert not [row for row in play.rows("adder").values() if isinstance(row, TaskAttempt)]
