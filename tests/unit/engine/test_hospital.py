"""The hospital's bounds, and what it shows."""

import pytest

from omnihub.engine.observer import Unobserved
from omnihub.model.errors import InvariantBroken
from omnihub.model.records import ReleaseAction


class Watching(Unobserved):
    """Remembers alarms."""

    def __init__(self):
        self.alarms = []

    def alarmed(self, task, what):
        self.alarms.append(what)


def test_it_is_bounded_and_says_so_half_way(story):
    watching = Watching()
    play = story(parked_limit=4, observer=watching)
    for number in range(4):
        play.tell(f"m{number}", "x", "bug")
    play.run()
    assert watching.alarms == ["the hospital is half full"]
    play.tell("m4", "x")
    with pytest.raises(InvariantBroken, match="parked_limit"):
        play.run()


def test_what_was_parked_before_a_restart_counts(story):
    play = story(parked_limit=2)
    for name in ("a", "b"):
        play.tell(name, "x", "bug")
    play.run()
    play.restart()
    play.tell("c", "x")
    with pytest.raises(InvariantBroken):
        play.run()


def test_what_left_makes_room(story):
    play = story(parked_limit=2)
    for _ in range(3):
        play.tell("a", "x", "bug")
        play.tell("b", "x")
        play.run()
        play.release(ReleaseAction.SKIP)
    assert play.waiting() == []


def test_a_record_that_leaves_is_gone_from_the_state_topic(story):
    play = story()
    play.tell("a", "x", "bug")
    play.run()
    [shown] = play.waiting()
    assert (shown.task, shown.topic, shown.record_type) == ("adder", play.rule.inbox, "StockMoved")
    play.release(ReleaseAction.SKIP)
    assert play.waiting() == []


def test_what_waits_for_over_a_day_raises_the_alarm_once(story):
    watching = Watching()
    play = story(observer=watching)
    play.tell("a", "x", "bug")
    play.run()
    play.advance(24 * 3600)
    assert watching.alarms == []
    play.advance(1)
    play.restart()
    play.advance(1)
    assert watching.alarms == ["a record has been parked for over a day"] * 2  # One a process.
    play.advance(1)
    play.release(ReleaseAction.SKIP)
    play.advance(1)
    play.tell("b", "x", "bug")
    play.advance(24 * 3600 + 1)
    assert len(watching.alarms) == 3


def test_it_tells_which_system_a_record_comes_from_and_what_it_waits_for(story):
    play = story()
    play.tell("a", "x", "unmapped")
    play.append(play.rule.inbox, b"garbage", key="t:y")
    play.run()
    shown = {record.park_key: (record.instance, record.waits_for) for record in play.waiting()}
    assert shown == {"x": ("till", "pos/sku/1"), "t:y": ("", None)}
