"""Where an assigned partition reads on: its place may be gone, its rows may be stale."""

from collections import defaultdict
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import IsolationLevel
from confluent_kafka.admin import OffsetSpec

from omnihub.broker.clients import Cluster
from omnihub.engine import restore
from omnihub.engine.assignment import LOOKS, Assignment
from omnihub.engine.errors import TaskRefused, TransactionLost
from omnihub.engine.observer import Unobserved

AT = ("omni.stock.inbox.v1", 0)


class FakeConsumer:
    """A log from `low` to `end`; notes from where it was told to read."""

    def __init__(self, low: int, end: int) -> None:
        self.low, self.end = low, end
        self.reads: list[int] = []

    def get_watermark_offsets(self, place, timeout):
        return self.low, self.end

    def assign(self, places):
        self.reads = [place.offset for place in places]


class FakeTask(SimpleNamespace):
    """What an assignment asks of a task; one is like no other."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Alarms(Unobserved):
    def __init__(self):
        self.heard = []

    def alarmed(self, task, what):
        self.heard.append((task, what))


def reading_at(next_offset):
    """An assignment with one open task, which has read up to `next_offset`."""
    alarms = Alarms()
    assignment = Assignment(Cluster("k:1"), "g", lambda *_: None, alarms)
    task = FakeTask(
        name="stock",
        inbox=AT[0],
        partition=0,
        changelog="omni.changelog.stock.v1",
        next_offset=next_offset,
        kept_offset=next_offset,
    )
    assignment.tasks = {AT: task}
    return assignment, task, alarms


def test_what_retention_has_passed_is_alarmed_and_reading_goes_on_at_the_logs_start():
    assignment, task, alarms = reading_at(100)
    consumer = FakeConsumer(low=250, end=400)
    assignment.go_past_lost(consumer, AT)
    assert consumer.reads == [250]
    assert (task.next_offset, task.kept_offset) == (250, 100)  # So the new place is committed.
    assert alarms.heard == [("stock", "retention passed records that were not yet read")]


def test_a_place_that_is_in_the_log_after_all_is_read_without_any_alarm():
    assignment, task, alarms = reading_at(100)
    consumer = FakeConsumer(low=0, end=400)
    assignment.go_past_lost(consumer, AT)
    assert (consumer.reads, task.next_offset, alarms.heard) == ([100], 100, [])


def test_a_log_that_ends_before_what_was_read_is_refused_and_never_read_again_from_its_start():
    assignment, _, _ = reading_at(100)
    with pytest.raises(TaskRefused, match=r"stock\[0\] has read .* up to 100, but it ends at 7"):
        assignment.go_past_lost(FakeConsumer(low=0, end=7), AT)


def test_a_partition_that_was_taken_away_meanwhile_is_left_alone():
    assignment, _, alarms = reading_at(100)
    consumer = FakeConsumer(low=250, end=400)
    assignment.go_past_lost(consumer, ("omni.stock.inbox.v1", 1))
    assert (consumer.reads, alarms.heard) == ([], [])


class TestStaleRows:
    """Under KIP-447 the offsets' marker may land before the changelog's (KAFKA-10167)."""

    def test_the_end_of_a_changelog_counts_what_is_not_yet_stable(self, monkeypatch):
        monkeypatch.setattr(restore, "AdminClient", FakeAdmin)
        _, task, _ = reading_at(8)
        [changelog] = restore.changelogs(Cluster("k:1"), "g", [task]).values()
        assert (changelog.low, changelog.end) == (0, 12)

    def test_rows_behind_the_group_are_looked_at_again_and_never_started_on(self):
        assignment, task, _ = reading_at(8)
        task.position = 5
        for _ in range(LOOKS - 1):
            with pytest.raises(TransactionLost, match="reaches 5, the group 8: not complete yet"):
                assignment._start(FakeConsumer(0, 9), task, 8)
        with pytest.raises(TaskRefused, match="lost its tail"):
            assignment._start(FakeConsumer(0, 9), task, 8)


class FakeAdmin:
    """A changelog from 0 to 12, of which a transaction's last two records are not yet stable."""

    def __init__(self, settings):
        pass

    def describe_topics(self, topics, *, request_timeout):
        answer = Future()
        answer.set_result(SimpleNamespace(topic_id="id"))
        return defaultdict(lambda: answer)

    def list_offsets(self, asked, *, isolation_level, request_timeout):
        end = 12 if isolation_level is IsolationLevel.READ_UNCOMMITTED else 10
        answers = {}
        for place, spec in asked.items():
            answers[place] = Future()
            is_low = type(spec) is type(OffsetSpec.earliest()) and spec == OffsetSpec.earliest()
            answers[place].set_result(SimpleNamespace(offset=0 if is_low else end))
        return answers
