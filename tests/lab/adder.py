"""The rule and the worker process of the exactly-once test; run as a script.

    python adder.py BOOTSTRAP SLOT [--bug]

With --bug the engine is sabotaged: offsets are committed outside the transaction, and the rows do not
know their position. The checker must notice.
"""

import os
import random
import signal
import sys
import threading
from typing import ClassVar

from confluent_kafka import TopicPartition

from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.task import Task
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.records import StockLevel, StockMoved
from omnihub.rules.rule import Rule, on

INBOX, EVENTS, STATE = "omni.stock.inbox.v1", "omni.stock.event.v1", "omni.stock.state.v1"


class Adder(Rule):
    """Sums movements per SKU: one event and one level out per movement."""

    name: ClassVar[str] = "adder"
    inbox: ClassVar[str] = INBOX
    events: ClassVar[str] = EVENTS

    def park_key(self, record):
        return record.sku

    @on(StockMoved)
    def on_movement(self, event, rows, out):
        old = rows.get(StockLevel, event.sku)
        on_hand = (old.on_hand_milli if old else 0) + event.quantity_milli
        level = StockLevel(
            tenant=event.meta.tenant, sku=event.sku, location="shop", on_hand_milli=on_hand,
            ats_milli=on_hand, seq=(old.seq if old else 0) + 1, cause_id=event.meta.event_id,
            occurred_at_us=0, accepted_at_us=0,
        )  # fmt: skip
        rows.put(event.sku, level)
        out.emit(EVENTS, event)
        out.emit(STATE, level)


def sabotage(worker):
    """Commit offsets after the transaction, and sometimes die in between."""
    transactions, assignment = worker._transactions, worker._assignment
    honest = Task.changelog_records
    Task.changelog_records = lambda task: honest(task)[:-1]
    dice = random.Random(os.getpid())

    def send(tasks, consumer):
        producer = transactions._producer
        producer.begin_transaction()
        for task in tasks:
            transactions._produce(producer, task)
        producer.commit_transaction(10)
        if dice.random() < 0.05:
            os.kill(os.getpid(), signal.SIGKILL)
        offsets = [TopicPartition(t.inbox, t.partition, t.next_offset) for t in tasks]
        consumer.commit(offsets=offsets, asynchronous=False)

    transactions._send = send
    assignment._start = lambda consumer, task, committed: max(0, committed)


def main():
    bootstrap, slot = sys.argv[1:3]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = WorkerSettings(Cluster(bootstrap), "lab", f"slot-{slot}", batch_records=500)
    worker = Worker(settings, [Adder()], Codec.offline(), Topics.load())
    if "--bug" in sys.argv:
        sabotage(worker)
    worker.run(stop)


if __name__ == "__main__":
    main()
