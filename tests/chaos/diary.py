"""A second workload: the shipped translate task, told things late, twice and out of order.

A sale is a fact, a product is a state with versions. What it must tell is said again in plain
words: each sale once; of a product never an older version after a newer one.
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from confluent_kafka import Producer

from chaos import checker, reading
from chaos.findings import Finding, Verdict
from chaos.supervisor import CLEAN_EXITS, Supervisor, wait_until
from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.connect.entities import event_meta
from omnihub.connect.sdk import ConnectorConfig, Fact, Mapping, Refs, State
from omnihub.connect.translate import Translate
from omnihub.connect.understanding import Understanding
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.ids import ChannelId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    DeliveryKind,
    MovementKind,
    ProductUpserted,
    SourceEntity,
    StockMoved,
)

WORKER = Path(__file__).with_name("worker.py")
PARTITIONS = 4
CONTRACT = """
partition_counts: {default: 8, few: 4}
topics:
  - name: omni.entity.{connector}.v1
    records: {SourceEntity: "{tenant}:{instance}:{type}:{entity_id}"}
    partitions: few
    cleanup: delete
    retention_hours: 24
  - name: omni.MARK.told.v1
    records: {StockMoved: "{meta.entity}", ProductUpserted: "{meta.entity}"}
    partitions: few
    cleanup: delete
    retention_hours: 24
  - name: omni.hospital.state.v1
    records: {ParkedRecord: "{task}:{park_key}:{queue_index}"}
    partition_by: "{task}:{park_key}"
    partitions: default
    cleanup: compact
  - name: omni.hospital.event.v1
    records: {HospitalActed: "{task}:{park_key}"}
    partitions: default
    cleanup: delete
    retention_hours: 24
  - name: omni.changelog.{task}.v1
    records: {}
    partitions: inbox
    cleanup: compact
"""


class DiaryMapping(Mapping[ConnectorConfig]):
    """Reads what the diary says."""

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Return a fact for a sale, a state for a product."""
        sku = Sku(entity.entity_id)
        if entity.type == "product":
            meta = event_meta(entity, "product", 0, version=entity.version)
            title = json.loads(entity.body)["title"]
            upserted = ProductUpserted(meta=meta, sku=sku, title=title)
            return [State("product", entity.version, (upserted,))]
        moved = StockMoved(
            meta=event_meta(entity, "moved", 0),
            movement_id=MovementId(entity.entity_id),
            sku=sku,
            kind=MovementKind.SALE,
            from_location=LocationId("shop"),
            quantity_milli=json.loads(entity.body)["quantity"],
        )
        return [Fact(entity.entity_id, (moved,))]


class PlainRefs:
    """Every code is canonical."""

    channel = ChannelId("web")

    def resolve(self, _: str, code: str) -> str:
        """Return the code itself."""
        return code

    def code_of(self, _: str, canonical: str) -> str:
        """Return the id itself."""
        return canonical


def translate_of(mark: str) -> Translate:
    """Return the shipped task for the diary."""
    known = Understanding(DiaryMapping(ConnectorConfig()), PlainRefs())
    return Translate(mark, {InstanceId("diary"): known}, lambda _: f"omni.{mark}.told.v1")


class Diary:
    """The topics of one run, and what was told in it."""

    def __init__(self, bootstrap: str, mark: str, folder: Path, plant: str | None) -> None:
        self.bootstrap, self.mark, self.plant = bootstrap, mark, plant
        self.contract, self.log = folder / "topics.yaml", folder / "workers.log"
        self.contract.write_text(CONTRACT.replace("MARK", mark))
        self.codec, self.topics = Codec.offline(), Topics.load(self.contract)
        self.task = translate_of(mark)
        self._told = 0
        self._producer = Producer({**plain_producer(Cluster(bootstrap)), "log_level": 0})
        specs = self.topics.all([mark], [], {self.task.name: self.task.inbox})
        TopicAdmin(Cluster(bootstrap)).ensure_topics(specs)

    def tell(self, kind: str, entity_id: str, version: int | None, **body: object) -> None:
        """Append one source entity, as one more delivery of it."""
        self._told += 1
        now_us = time.time_ns() // 1000
        entity = SourceEntity(
            tenant=TenantId("t"),
            connector=self.mark,
            instance=InstanceId("diary"),
            type=kind,
            entity_id=entity_id,
            version=version,
            deleted=False,
            kind=DeliveryKind.POLL,
            delivery_id=f"d{self._told}",
            accepted_at_us=now_us,
            body=json.dumps(body).encode(),
        )
        key = self.topics.spec(self.task.inbox).key_of(entity).encode()
        at = partition_for(key, PARTITIONS)
        value = self.codec.encode(entity)
        self._producer.produce(self.task.inbox, value, key, at, timestamp=now_us // 1000)
        self._producer.poll(0)

    def lag(self) -> int:
        """Return how many entities wait."""
        offsets = reading.committed(self.bootstrap, self.mark, self.task.inbox, PARTITIONS)
        return reading.waiting(self.bootstrap, self.task.inbox, offsets)

    def start_worker(
        self, slot: str, fault: str | None, extra: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start one worker process that runs the task."""
        options = {"bootstrap": self.bootstrap, "mark": self.mark, "slot": slot}
        options |= {"contract": str(self.contract), "workload": "diary"}
        options |= {"fault": fault} if fault else {}
        options |= {"plant": self.plant} if self.plant else {}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with self.log.open("ab") as log:
            command = [sys.executable, str(WORKER), *words, *extra]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self, workers: Supervisor) -> None:
        """Wait until everything told is processed."""
        assert self._producer.flush(20) == 0

        def is_through() -> bool:
            workers.tend()
            return self.lag() == 0

        wait_until(is_through, 60, "entities wait a minute after the last fault")

    def settle(self, workers: Supervisor) -> Verdict:
        """Wait until everything told is processed, end the workers, and judge."""
        began_at = time.monotonic()
        self.wait(workers)
        recovery_s = time.monotonic() - began_at
        exits = workers.stop()
        inbox = reading.read(self.bootstrap, self.task.inbox, PARTITIONS, self.codec)
        told = reading.read(self.bootstrap, f"omni.{self.mark}.told.v1", PARTITIONS, self.codec)
        verdict = Verdict(sum(map(len, inbox)), tuple(findings(inbox, told)), recovery_s)
        return verdict.expect(exits <= CLEAN_EXITS, f"workers ended with {sorted(exits)}")


def findings(inbox: checker.Lanes, told: checker.Lanes) -> list[Finding]:
    """Return where what was told is not each sale once, and each product ever newer."""
    expected: checker.ByKey = defaultdict(list)
    for lane in inbox:
        for seen in lane:
            match seen.record:
                case SourceEntity(type="sale", entity_id=name):
                    expected[f"sale:{name}"] = [(name,)]
                case SourceEntity(entity_id=name, version=version):
                    so_far = expected[f"product:{name}"]
                    if not so_far or version > so_far[-1][0]:
                        so_far.append((version,))
    found: checker.ByKey = defaultdict(list)
    for lane in told:
        for seen in lane:
            found[seen.key].append(fact_of(seen.record))
    return checker.sequences("told", expected, found)


def fact_of(record: Record | checker.Garbage | None) -> checker.Fact:
    """Return what of an event must be as expected."""
    match record:
        case StockMoved():
            return (record.movement_id,)
        case ProductUpserted():
            return (record.meta.version,)
    return ("unexpected", type(record).__name__)
