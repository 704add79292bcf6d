"""OmniHub's side of the benchmarks: one worker, one rule or two in a row, everything switched on.

The rule does what the peers do: on_hand += what enters, -= what leaves, one record out per
movement, the level kept in a row with a changelog. Parking, timers and metrics are active. With two
hops the first rule keeps levels, too, and passes the movement on.
"""

import argparse
import json
import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, ClassVar

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.worker import Worker, WorkerSettings
from omnihub.model.record import Record
from omnihub.model.records import StockLevel, StockMoved
from omnihub.ops.metrics import Metrics
from omnihub.ops.observers import EngineMetrics
from omnihub.rules.rule import Out, Rows, Rule, on

BATCH_RECORDS = 5_000
MOVED_TOPIC = """
  - name: {name}
    records: {{StockMoved: "{{meta.tenant}}:{{sku}}"}}
    partitions: default
    cleanup: delete
    retention_hours: 24"""
CONTRACT = """
partition_counts: {{default: 4}}
topics:{inboxes}
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
    """The smallest useful stock rule; `relays` passes the movement on instead of the level."""

    name: ClassVar[str] = "bench"
    inbox: ClassVar[str] = ""
    events: ClassVar[str] = ""

    def __init__(self, name: str, inbox: str, output: str, *, relays: bool = False) -> None:
        self.name, self.inbox, self.output = name, inbox, output  # type: ignore[misc]
        self._relays = relays

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
        out.emit(self.output, moved if self._relays else level)


class Reporting(EngineMetrics):
    """Engine metrics, and a line for each restore: what `bench.keys` reads."""

    def restored(self, task: str, rows: int, duration_s: float) -> None:
        """A task's rows were read from its changelog."""
        super().restored(task, rows, duration_s)
        print(json.dumps({"restored": rows, "seconds": duration_s}), flush=True)


def rules_of(options: argparse.Namespace) -> list[LevelRule]:
    """Return one rule a hop."""
    if options.hops == 1:
        return [LevelRule(options.group, options.input, options.output)]
    return [
        LevelRule(f"{options.group}-first", options.input, options.middle, relays=True),
        LevelRule(f"{options.group}-second", options.middle, options.output),
    ]


def topics_of(rules: list[LevelRule], output: str) -> Topics:
    """Return the contract that holds these topics and nothing else."""
    inboxes = "".join(MOVED_TOPIC.format(name=rule.inbox) for rule in rules)
    with TemporaryDirectory() as folder:
        contract = Path(folder) / "topics.yaml"
        contract.write_text(CONTRACT.format(inboxes=inboxes, output=output))
        return Topics.load(contract)


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "input", "middle", "output", "group", "folder"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--slot", default="0")
    parser.add_argument("--hops", type=int, choices=(1, 2), default=1)
    parser.add_argument("--store", choices=("memory", "disk"), default="memory")
    return parser.parse_args()


def main() -> None:
    """Run until SIGTERM."""
    options = parse()
    rules = rules_of(options)
    topics = topics_of(rules, options.output)
    cluster = Cluster(options.bootstrap)
    changelogs = [topics.changelog(rule.name, rule.inbox) for rule in rules]
    TopicAdmin(cluster).ensure_topics([topics.spec("omni.hospital.state.v1"), *changelogs])
    stop = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    # At the 50,000 a second that it is about, a commit every 100 ms, as the peers have it.
    settings = WorkerSettings(
        cluster, options.group, f"bench-{options.slot}", batch_records=BATCH_RECORDS
    )
    observer = Reporting(Metrics(), options.group)
    stores = stores_of(options)
    Worker(settings, rules, Codec.offline(), topics, observer=observer, **stores).run(stop)


def stores_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the worker's argument for the store asked for."""
    if options.store == "memory":
        return {}
    from omnihub.engine.disk import DiskStores  # Its library is loaded where it is asked for.

    return {"stores": DiskStores(Path(options.folder) / "state" / options.slot)}


if __name__ == "__main__":
    main()
