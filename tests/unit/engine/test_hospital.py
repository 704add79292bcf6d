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
