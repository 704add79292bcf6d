"""OmniHub's side of the engine benchmark: one worker, one rule, everything switched on.

The rule does what the peers do: on_hand += what enters, -= what leaves, one StockLevel out per
movement, the level kept in a row with a changelog. Parking, timers and metrics are active.
"""

import argparse
import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import ClassVar

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.record import Record
from omnihub.model.records import StockLevel, StockMoved
from omnihub.rules.rule import Out, Rows, Rule, on

CONTRACT = """
partition_counts: {{default: 4}}
topics:
  - name: {inbox}
    records: {{StockMoved: "{{meta.tenant}}:{{sku}}"}}
    partitions: default
    cleanup: delete
    retention_hours: 24
  - name: {output}
    records: {{StockLevel: "{{tenant}}:{{sku}}:{{location}}"}}
    partition_by: "{{tenant}}:{{sku}}"
    partitions: default
    cleanup: compact
  - name: omni.hospital.state.v1
    records: {{ParkedRecord: "{{task}}:{{park_key}}:{{queue_index}}"}}
    partition_by: "{{task}}:{{park_key}}"
    partitions: default
    cleanup: compact
  - name: omni.changelog.{{task}}.v1
    records: {{}}
    partitions: inbox
    cleanup: compact
"""


class LevelRule(Rule):
    """The smallest useful stock rule."""

    name: ClassVar[str] = "bench"
    inbox: ClassVar[str] = ""
    events: ClassVar[str] = ""

    def __init__(self, name: str, inbox: str, output: str) -> None:
        self.name, self.inbox, self.output = name, inbox, output  # type: ignore[misc]

    def park_key(self, record: Record) -> str:
        """Per SKU."""
        return str(getattr(record, "sku", ""))

    @on(StockMoved)
    def on_movement(self, moved: StockMoved, rows: Rows, out: Out) -> None:
        """Apply one movement."""
        meta = moved.meta
        if moved.from_location is not None:
            location, delta = moved.from_location, -moved.quantity_milli
        else:
            location, delta = moved.to_location or "", moved.quantity_milli  # type: ignore[assignment]
        key = f"{meta.tenant}:{moved.sku}:{location}"
        old = rows.get(StockLevel, key)
        on_hand = (old.on_hand_milli if old else 0) + delta
        level = StockLevel(
            tenant=meta.tenant,
            sku=moved.sku,
            location=location,
            on_hand_milli=on_hand,
            ats_milli=max(0, on_hand),
            seq=(old.seq if old else 0) + 1,
            cause_id=meta.event_id,
            occurred_at_us=meta.occurred_at_us,
            accepted_at_us=meta.accepted_at_us,
        )
        rows.put(key, level)
        out.emit(self.output, level)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "input", "output", "group"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        contract = Path(folder) / "topics.yaml"
        contract.write_text(CONTRACT.format(inbox=options.input, output=options.output))
        topics = Topics.load(contract)
    cluster = Cluster(options.bootstrap)
    rule = LevelRule(options.group.replace(".", "-"), options.input, options.output)
    hospital = topics.spec("omni.hospital.state.v1")
    TopicAdmin(cluster).ensure_topics([hospital, topics.changelog(rule.name, rule.inbox)])
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    settings = WorkerSettings(cluster, options.group, "bench-0")
    Worker(settings, [rule], Codec.offline(), topics).run(stop)


if __name__ == "__main__":
    main()
