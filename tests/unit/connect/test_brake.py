"""Backfill waits for a busy sink, never for one that is down."""

import pytest

from omnihub.broker.backlog import Standing
from omnihub.connect.brake import COMMANDS_ALLOWED, DOWN_AFTER_S, Brake


@pytest.fixture
def brake():
    return Brake()


def look(brake, now_s, **sinks):
    brake.saw({name: Standing(at, at + behind) for name, (at, behind) in sinks.items()}, now_s)
    return brake.is_on


def test_a_few_waiting_commands_hold_nothing_back(brake):
    assert not look(brake, 0.0, web=(10, COMMANDS_ALLOWED))


def test_many_waiting_commands_do_until_they_are_few(brake):
    assert look(brake, 0.0, web=(10, COMMANDS_ALLOWED + 1))
    assert look(brake, 8.0, web=(50, COMMANDS_ALLOWED + 1))
    assert look(brake, 16.0, web=(90, COMMANDS_ALLOWED + 1))  # Slow, but it moves.
    assert not look(brake, 17.0, web=(190, 0))


def test_one_busy_sink_is_enough(brake):
    assert look(brake, 0.0, books=(1, 0), web=(10, 500), mail=(1, 0))


def test_a_sink_that_does_not_move_is_down_and_holds_nothing_back(brake):
    assert look(brake, 0.0, web=(10, 500))
    assert look(brake, DOWN_AFTER_S, web=(10, 600))
    assert not look(brake, DOWN_AFTER_S + 0.5, web=(10, 700))
    assert look(brake, DOWN_AFTER_S + 1.0, web=(11, 700))  # It is back.


def test_a_sink_that_was_idle_for_long_is_not_down_when_work_comes(brake):
    look(brake, 0.0, web=(10, 0))
    look(brake, 100.0, web=(10, 0))
    assert look(brake, 100.5, web=(10, 500))
    assert look(brake, 105.0, web=(10, 500))
