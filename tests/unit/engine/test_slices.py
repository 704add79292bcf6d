"""A long batch is committed in slices, so that the group never waits for a whole one."""

import itertools
from types import SimpleNamespace

import pytest

from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine import worker as worker_module
from omnihub.engine.worker import Worker, WorkerSettings

INBOX = "omni.stock.inbox.v1"
CODEC = Codec.offline()


class Message:
    """One record as the client gives it."""

    def __init__(self, offset, value):
        self._offset, self._value = offset, value

    def topic(self):
        return INBOX

    def partition(self):
        return 0

    def offset(self):
        return self._offset

    def timestamp(self):
        return 1, 1000

    def key(self):
        return b"t:apple"

    def value(self):
        return self._value


class Consumer:
    """Notes from where it is told to read on."""

    def __init__(self):
        self.assigned = []

    def assign(self, places):
        self.assigned += [(place.topic, place.partition, place.offset) for place in places]


class Transactions:
    """Commits nothing, and takes no time."""

    def __init__(self, *_):
        self.commits = []

    def commit(self, tasks, _):
        self.commits.append([(task.next_offset, task.changes()) for task in tasks])
        return 0.0


@pytest.fixture
def one_task_worker(story):
    """A worker with one open task that adds movements up, and the clock it looks at."""
    rule = story().rule
    settings = WorkerSettings(Cluster("nowhere:1"), "group", "slot")
    running = Worker(settings, [rule], CODEC, Topics.load(), make_transactions=Transactions)
    task = running._make_task(INBOX, 0)
    task.open(0)
    running._assignment.tasks[INBOX, 0] = task
    return running, task


@pytest.fixture
def messages(moved):
    return [Message(n, CODEC.encode(moved(f"m{n}"))) for n in range(4)]


def test_what_a_slice_has_no_time_for_is_fetched_again(one_task_worker, messages, monkeypatch):
    running, task = one_task_worker
    consumer, now_s = Consumer(), itertools.count(step=2.0)
    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=lambda: next(now_s)))
    running._process(messages, consumer)
    assert 0 < task.next_offset < len(messages)
    assert consumer.assigned == [(INBOX, 0, task.next_offset)]


def test_a_quick_batch_is_run_to_its_end(one_task_worker, messages):
    running, task = one_task_worker
    consumer = Consumer()
    running._process(messages, consumer)
    assert task.next_offset == len(messages)
    assert consumer.assigned == []
