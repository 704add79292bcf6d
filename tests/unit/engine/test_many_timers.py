"""100,000 pending timers: each fires once, in order per key, whatever ends the process."""

import random
from collections import Counter, defaultdict

import pytest

from omnihub.engine import timers as engine_timers
from omnihub.engine.driver import STAGES, Crash
from omnihub.model.records import StockMoved, TimerDue
from omnihub.model.time import SECOND_US
from omnihub.rules.rule import Rule, on, on_timer

from .conftest import EVENTS, INBOX, Story, movement

TIMERS, KEYS, PER_MOVEMENT = 100_000, 50, 200
HALF_US = 500 * SECOND_US
"""Half of all timers are due at this very moment, the others anywhere before and after it."""


DICE = random.Random(7)
DUE_AT_US = [HALF_US if n % 2 else DICE.randrange(1, 2 * HALF_US) for n in range(TIMERS)]


class Alarm(Rule):
    """Arms many timers for a movement; tells each that comes due by its number."""

    name = "alarm"
    inbox = INBOX
    events = EVENTS

    def park_key(self, record):
        return record.sku

    @on(StockMoved)
    def on_movement(self, event, rows, out):
        first = int(event.movement_id)
        for number in range(first, first + PER_MOVEMENT):
            out.arm("ring", event.sku, str(number), DUE_AT_US[number])

    @on_timer("ring")
    def on_ring(self, due, rows, out):
        out.emit(EVENTS, movement(due.timer_id, due.key))


def armed(timers: int) -> Story:
    """A story in which all timers are armed and none is due."""
    story = Story(Alarm(), batch_records=200)  # Less than are due at once: some wait in the inbox.
    for first in range(0, timers, PER_MOVEMENT):
        story.tell(str(first), f"sku-{first // PER_MOVEMENT % KEYS}")
    story.run()
    assert sum(at.startswith("TimerRow") for at in story.rows("alarm")) == timers
    return story


def faults(story: Story, timers: int) -> list[str]:
    """What is wrong with the timers that were due by now, in the inbox or in what the rule told."""
    due = [number for number in range(timers) if DUE_AT_US[number] <= story.now_us]
    expected = Counter(map(str, due))
    sent = [(each.key, each.timer_id) for each in story.records(INBOX, TimerDue)]
    told = [(each.sku, each.movement_id) for each in story.records(EVENTS, StockMoved)]
    found = []
    for place, rings in (("inbox", sent), ("event", told)):
        counted = Counter(number for _, number in rings)
        if missing := (expected - counted).total():
            found.append(f"{place}: {missing} missing")
        if repeated := (counted - expected).total():
            found.append(f"{place}: {repeated} repeated or early")
        by_key = defaultdict(list)
        for key, number in rings:
            by_key[key].append((DUE_AT_US[int(number)], number))
        # Timers of one moment come in the order of their ids.
        found += [f"{place}: {key} out of order" for key, r in by_key.items() if r != sorted(r)]
    return found


def play(timers: int, latest: int) -> tuple[list[str], list[str]]:
    """Let all timers come due in three steps, with restarts, and a crash at every stage.

    A crash comes at one of the first `latest` transactions. Returns the stages and what is wrong.
    """
    story, dice = armed(timers), random.Random(1)
    struck: list[str] = []
    found: list[str] = []
    for moment_s, stages in ((400, STAGES[:2]), (500, STAGES[2:]), (1000, ())):
        story.now_us = moment_s * SECOND_US
        for stage in stages:
            story.crash_at(stage, dice.randint(1, latest))
            try:
                story.run()
            except Crash as crash:
                struck.append(str(crash))
            story.restart()
        story.run()
        found += faults(story, timers)
        story.restart()
    found += [at for at in story.rows("alarm") if at.startswith("TimerRow")]
    return struck, found


def test_each_of_100_000_timers_fires_once_in_order_over_restarts_and_crashes():
    assert play(TIMERS, latest=3) == (list(STAGES), [])


@pytest.mark.parametrize(
    ("part", "broken", "seen"),
    [
        ("_sent", lambda row: row, "repeated"),
        ("Timers.rebuild", lambda self, store: setattr(self, "_heap", []), "missing"),
        ("heapq.heappop", lambda heap: heap.pop(0), "out of order"),
    ],
    ids=["the mark is not stored", "the heap is not rebuilt", "the heap is no heap"],
)
def test_a_planted_bug_is_seen(monkeypatch, part, broken, seen):
    monkeypatch.setattr(f"{engine_timers.__name__}.{part}", broken)
    _, found = play(8_000, latest=1)
    assert any(seen in fault for fault in found), found
