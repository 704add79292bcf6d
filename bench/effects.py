"""From raw delivery to effect command: every hop of a till's sale, at 200 events/s.

Workers run every handler of a real installation (split, translate and stock rule with the POSLog
connector's own mapping, outbound rule, results), with sealed bodies, the partitions of a fresh
installation, the hospital, timers and metrics. Each delivery is a till's document with one sale;
its effect is the command that sets the web shop's stock. Commands are answered as a sink would. The
clock starts when the delivery was due at the raw topic and ends when its command is readable.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Producer

from bench.entry import Bar, Entry
from bench.lab import Lab, Run, Side
from bench.load import producer
from bench.paced import WARM_UP_S, latencies
from bench.plan import Bench, Options
from omnihub.broker.admin import TopicAdmin
from omnihub.contracts.codec import Codec
from omnihub.contracts.headers import headers_of
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.partition import partition_for
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import TopicSpec
from omnihub.model.ids import InstanceId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import CommandResult, DeliveryKind, Outcome, RawDelivery, SetStockLevel
from omnihub.wiring.installation import Installation, open_installation
from omnihub.wiring.privacy import vault_of

RATE = 200
SECONDS = 12.0
WORKERS = 2
LIMITS = "docs/decisions/0013-benchmark-limits.md"
P50 = Bar("p50 ≤ 200 ms", 200.0, higher_is_better=False)
P99 = Bar("p99 ≤ 500 ms", 500.0, higher_is_better=False)
COMMANDS = "omni.command.web.v1"
POSLOG = """<?xml version="1.0" encoding="UTF-8"?>
<POSLog xmlns="http://www.nrf-arts.org/IXRetail/namespace/" MajorVersion="6" MinorVersion="0">
  <Transaction>
    <RetailStoreID>store-367</RetailStoreID>
    <WorkstationID>3</WorkstationID>
    <SequenceNumber>{number}</SequenceNumber>
    <BusinessDayDate>2026-11-16</BusinessDayDate>
    <BeginDateTime>2026-11-16T18:03:40</BeginDateTime>
    <EndDateTime>2026-11-16T18:05:10</EndDateTime>
    <OperatorID>103</OperatorID>
    <CurrencyCode>USD</CurrencyCode>
    <RetailTransaction>
      <LineItem>
        <SequenceNumber>1</SequenceNumber>
        <Sale>
          <POSIdentity><POSItemID>{sku}</POSItemID></POSIdentity>
          <ItemID>{sku}</ItemID>
          <UnitListPrice>2.99</UnitListPrice>
          <ExtendedAmount>5.98</ExtendedAmount>
          <Quantity UnitOfMeasureCode="C62">2</Quantity>
        </Sale>
      </LineItem>
    </RetailTransaction>
  </Transaction>
</POSLog>
"""


def configuration(run: Run) -> Path:
    """Write the configuration of a shop with tills and a web store; return its path."""
    identity = {"sku": "identity", "location": "identity"}
    pos = {"spool": str(run.folder / "spool"), "time_zone": "America/New_York"}
    web = {
        "url": "http://127.0.0.1:1",
        "consumer_key": "${env:BENCH_KEY}",
        "consumer_secret": "${env:BENCH_KEY}",
    }
    told = {
        "data_dir": str(run.folder / "data"),
        "kafka": {"bootstrap": run.bootstrap},
        "registry": {"url": "http://127.0.0.1:1"},
        "channels": {"WEB": {"locations": ["store-367"]}},
        "connectors": {
            "pos": {"type": "poslog", "owns": ["stock"], "map": identity, "config": pos},
            "web": {
                "type": "woocommerce",
                "map": identity,
                "levels": {"channel": "WEB"},
                "config": web,
            },
        },
    }
    path = run.folder / "omnihub.yaml"
    path.write_text(json.dumps(told))
    return path


def installation(path: Path) -> Installation:
    """Return the installation as its workers see it."""
    return open_installation(path, {"BENCH_KEY": "unused"})


def workers(run: Run) -> list[list[str]]:
    """Return the command lines of the workers."""
    path = configuration(run)
    arguments = ["-m", "bench.effects_worker", str(path)]
    return [[sys.executable, *arguments, str(slot)] for slot in range(run.workers)]


class Till:
    """Sends deliveries, and answers commands as the web shop's sink would."""

    def __init__(self, install: Installation, to: Producer) -> None:
        self._install = install
        self._vault = vault_of(install)
        self._codec = Codec(SchemaIds.offline(), Sealer(self._vault))
        self._reading = Codec(SchemaIds.offline())
        self._to = to
        self._raw = install.topics.spec("omni.raw.poslog.v1")
        self._result = install.topics.spec("omni.result.v1")

    def prepare(self, count: int) -> None:
        """Make the deliveries' keys: their writes belong to accepting, before the clock starts."""
        for number in range(count):
            self._vault.key(_delivery_id(number))

    def send(self, to: Producer, number: int, accepted_at_us: int) -> None:
        """Append one document with one sale of an article of its own."""
        body = POSLOG.format(number=number, sku=f"{number:07d}").encode()
        delivery = RawDelivery(
            delivery_id=_delivery_id(number),
            tenant=self._install.tenant,
            connector="poslog",
            instance=InstanceId("pos"),
            kind=DeliveryKind.FILE,
            stream="incoming",
            name=f"{number}.xml",
            headers={},
            body=body,
            accepted_at_us=accepted_at_us,
        )
        _append(to, self._codec, self._raw, delivery, accepted_at_us)

    def accepted_at_us(self, value: bytes) -> int:
        """Return when the delivery was accepted that a command comes from."""
        command = self._reading.decode(value)
        assert isinstance(command, SetStockLevel), type(command)
        return command.accepted_at_us

    def answer(self, value: bytes) -> None:
        """Say that a command is done."""
        command = self._reading.decode(value)
        assert isinstance(command, SetStockLevel), type(command)
        done = CommandResult(
            command_id=command.command_id,
            tenant=command.tenant,
            instance=command.instance,
            target=command.target,
            outcome=Outcome.DONE,
            accepted_at_us=command.accepted_at_us,
            finished_at_us=command.accepted_at_us,
        )
        _append(self._to, self._reading, self._result, done, command.accepted_at_us)


def _delivery_id(number: int) -> str:
    return derive_id(f"bench:{number}", "delivery")


def _append(
    to: Producer, codec: Codec, spec: TopicSpec, record: Record, accepted_at_us: int
) -> None:
    key = spec.key_of(record)
    partition = partition_for(spec.partition_key_of(record).encode(), spec.partitions)
    headers = headers_of(record, key)
    value, stamp_ms = codec.encode(record), accepted_at_us // 1000
    to.produce(spec.name, value, key, partition, None, None, stamp_ms, headers)


def play(lab: Lab, options: Options) -> Iterator[Entry]:
    """Run the workers; the topics are those of a fresh installation each time."""
    p50: list[float] = []
    p99: list[float] = []
    side = Side("hub", workers)
    for number in range(min(options.rounds, 2)):
        run = lab.run("hub", "", workers=WORKERS)
        install = installation(configuration(run))
        lab.drop_topics("omni.hospital.")  # Other benchmarks have it with their own partitions.
        TopicAdmin(install.cluster()).ensure_topics(install.topic_specs())
        to = producer(lab.bootstrap, 0)
        with lab.reporting("hub", run), lab.playing(side, run) as children:
            till = Till(install, to)
            till.prepare(int(RATE * (WARM_UP_S + SECONDS)) + 1)
            found = latencies(
                lab.bootstrap,
                COMMANDS,
                install.topics.spec(COMMANDS).partitions,
                to,
                till.send,
                till.accepted_at_us,
                rate=RATE,
                seconds=SECONDS,
                children=children,
                on_effect=till.answer,
            )
            p50.append(found.at(0.5))
            p99.append(found.at(0.99))
            lab.say(f"raw to command: round {number} p50 {p50[-1]:.1f} p99 {p99[-1]:.1f} ms")
        for spec in install.topic_specs():
            lab.drop_topics(spec.name)
    setting = {"rate": RATE, "workers": WORKERS, "handlers": len(install.tasks())}
    failed = lab.failures("raw to command")
    for what, runs, bar in (("p50", p50, P50), ("p99", p99, P99)):
        name = f"raw delivery to effect command at {RATE} events/s, {what}"
        yield Entry(name, "ms", {"hub": runs}, [bar], LIMITS, setting, failed)


BENCHES = (Bench("effects", 60, play),)
