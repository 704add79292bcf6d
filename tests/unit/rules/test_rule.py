"""What a rule may be given, and how it finds the right handler."""

import pytest

from omnihub.model.errors import InvariantBroken
from omnihub.model.records import CommandResult, Outcome, TimerDue
from omnihub.rules.rehearsal import Rehearsal
from omnihub.rules.results import ResultsRule
from omnihub.rules.rule import Rule, on_timer


class Reminder(Rule):
    name, inbox, events = "reminder", "in", "out"

    @on_timer("hold")
    def on_hold_due(self, due, rows, out):
        out.emit("done", due)


def test_timers_are_dispatched_by_name():
    due = TimerDue(name="hold", key="k", timer_id="1", due_at_us=1, fired_at_us=2)
    assert Rehearsal(Reminder()).play(due) == [("done", due)]


def test_a_record_nobody_handles_stops_the_worker():
    with pytest.raises(InvariantBroken, match="reminder got TimerDue"):
        Rehearsal(Reminder()).play(
            TimerDue(name="other", key="k", timer_id="1", due_at_us=1, fired_at_us=2)
        )


def test_results_are_forwarded_to_the_outbound_inbox():
    result = CommandResult(
        command_id="c", tenant="t", instance="web", target="x", outcome=Outcome.DONE,
        accepted_at_us=1, finished_at_us=2,
    )  # fmt: skip
    assert Rehearsal(ResultsRule()).play(result) == [("omni.outbound.inbox.v1", result)]
