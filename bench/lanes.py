"""How long live sales take while a backfill runs, against the same without: `-m bench.lanes`.

One broker, one worker with the shipped split, valve, translate and rules. A till sells at a steady
rate all the time; each sale goes raw -> entity -> stock inbox -> outbound inbox -> command, and the
sink (here) answers each command. Phases alternate: nothing else, then a slice of the backfill until
its last product is out. What is compared is the time from accepting a sale to its command. At the
end the till closes, and a last slice shows how fast a backfill is on an idle hub.
"""

import argparse
import json
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from rich.console import Console
from rich.progress import Progress

from bench.entry import machine
from bench.lab import BUILD, ROOT, running
from bench.lanes_worker import handlers, topics
from omnihub.broker.admin import TopicAdmin
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.connect.lanes import Lane, raw_topic
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for
from omnihub.engine.lanes import IDLE_AFTER_S
from omnihub.model.ids import DeliveryId, InstanceId, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    CommandResult,
    DeliveryKind,
    Outcome,
    RawDelivery,
    SetStockLevel,
)

TENANT = TenantId("bench")
COMMANDS, RESULTS, PRODUCTS = (
    "omni.command.web.v1",
    "omni.result.v1",
    "omni.product.event.v1",
)
SKUS = 5_000
PER_PAGE = 100
WARM_S = 5.0
QUIET_S = 2.0
console = Console(stderr=True)


class Log:
    """Appends canonical records; one for each thread."""

    def __init__(self, bootstrap: str) -> None:
        self._topics, self._codec = topics(), Codec.offline()
        self._producer = Producer(plain_producer(Cluster(bootstrap)))

    def append(self, topic: str, record: Record, at_us: int) -> None:
        """Append one record as accepted at `at_us`."""
        spec = self._topics.spec(topic)
        key = spec.key_of(record).encode()
        partition = partition_for(spec.partition_key_of(record).encode(), spec.partitions)
        value = self._codec.encode(record)
        self._producer.produce(topic, value, key, partition, timestamp=at_us // 1000)
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when everything is acknowledged."""
        if self._producer.flush(60):
            raise TimeoutError("the broker does not acknowledge")


def raw(connector: str, name: str, body: bytes, kind: DeliveryKind, at_us: int) -> RawDelivery:
    """Return a delivery."""
    return RawDelivery(
        delivery_id=DeliveryId(f"{connector}-{name}"),
        tenant=TENANT,
        connector=connector,
        instance=InstanceId(connector),
        kind=kind,
        stream="s",
        name=name,
        body=body,
        accepted_at_us=at_us,
    )


class Till(threading.Thread):
    """Sells at a steady rate until told to stop."""

    def __init__(self, bootstrap: str, per_s: float, stop: threading.Event) -> None:
        super().__init__(name="till", daemon=True)
        self._log, self._per_s, self._stop_event = Log(bootstrap), per_s, stop

    def run(self) -> None:
        """Sell."""
        began_s, number = time.monotonic(), 0
        while not self._stop_event.is_set():
            at_us = time.time_ns() // 1000
            body = json.dumps({"sku": f"sold-{number % SKUS}"}).encode()
            sale = raw("till", str(number), body, DeliveryKind.WEBHOOK, at_us)
            self._log.append(raw_topic("till"), sale, at_us)
            number += 1
            self._stop_event.wait(max(0.0, began_s + number / self._per_s - time.monotonic()))
        self._log.flush()


@dataclass
class Sightings:
    """When each sale was accepted and how long it took to its command, in seconds."""

    sales: list[tuple[float, float]] = field(default_factory=list)
    products: int = 0

    def between(self, began_s: float, ended_s: float) -> list[float]:
        """Return the times of the sales that were accepted then."""
        return [took for at, took in list(self.sales) if began_s <= at < ended_s]


class Sink(threading.Thread):
    """Answers commands at once and counts what comes out."""

    def __init__(self, bootstrap: str, seen: Sightings, stop: threading.Event) -> None:
        super().__init__(name="sink", daemon=True)
        self._log, self._seen, self._stop_event = Log(bootstrap), seen, stop
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "lanes-sink",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        contract = topics()
        self._consumer.assign(
            [
                TopicPartition(topic, partition, 0)
                for topic in (COMMANDS, PRODUCTS)
                for partition in range(contract.spec(topic).partitions)
            ]
        )

    def run(self) -> None:
        """Read until told to stop."""
        codec = Codec.offline()
        while not self._stop_event.is_set():
            for message in self._consumer.consume(1_000, 0.02):
                if message.error() is not None:
                    continue
                if message.topic() == PRODUCTS:
                    self._seen.products += 1
                    continue
                command = codec.decode(message.value() or b"")
                if isinstance(command, SetStockLevel):
                    self._answer(command)
        self._consumer.close()

    def _answer(self, command: SetStockLevel) -> None:
        now_us = time.time_ns() // 1000
        took_s = (now_us - command.accepted_at_us) / 1e6
        self._seen.sales.append((command.accepted_at_us / 1e6, took_s))
        result = CommandResult(
            command_id=command.command_id,
            tenant=command.tenant,
            instance=command.instance,
            target=command.target,
            outcome=Outcome.DONE,
            external_ref="ok",
            accepted_at_us=command.accepted_at_us,
            finished_at_us=now_us,
        )
        self._log.append(RESULTS, result, now_us)


def product(number: int) -> dict[str, object]:
    """Return a product as WooCommerce shows it."""
    return {
        "id": number,
        "name": f"Product {number} of the backfill",
        "date_modified_gmt": "2026-11-20T10:00:00",
        "type": "simple",
        "status": "publish",
        "sku": f"SKU-{number:07d}",
        "price": "12.50",
        "regular_price": "12.50",
        "manage_stock": False,
        "stock_status": "instock",
        "description": "A long text that nobody reads here. " * 8,
        "categories": [{"id": 9, "name": "Shoes", "slug": "shoes"}],
    }


def pages(first: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Return the listing, page by page."""
    for start in range(first, first + count, PER_PAGE):
        rows = [product(n) for n in range(start, min(start + PER_PAGE, first + count))]
        yield f"products {start}", json.dumps(rows).encode()


def backfill(log: Log, first: int, count: int) -> None:
    """Append a slice of the backfill, as a source accepts it."""
    for name, body in pages(first, count):
        at_us = time.time_ns() // 1000
        page = raw("woocommerce", name, body, DeliveryKind.POLL, at_us)
        log.append(raw_topic("woocommerce", Lane.BULK), page, at_us)
    log.flush()


@dataclass(frozen=True)
class Setup:
    """What is played."""

    products: int
    rounds: int
    per_s: float
    base_s: float
    plant: str | None = None
    limit_s: float = 3600.0
    has_idle: bool = False


@dataclass
class Outcomes:
    """What was measured: times of sales by phase, products/s by round."""

    base: list[list[float]] = field(default_factory=list)
    loaded: list[list[float]] = field(default_factory=list)
    products_per_s: list[float] = field(default_factory=list)
    idle_products_per_s: float | None = None


def play(bootstrap: str, setup: Setup, log_file: Path) -> Outcomes:
    """Alternate base and loaded phases on one worker."""
    contract = topics()
    tasks = {handler.name: handler.inbox for handler in handlers(contract)}
    wanted = contract.all(["till", "woocommerce"], ["web"], tasks)
    TopicAdmin(Cluster(bootstrap)).ensure_topics(wanted)
    closing, stop, seen = threading.Event(), threading.Event(), Sightings()
    threads = [Till(bootstrap, setup.per_s, closing), Sink(bootstrap, seen, stop)]
    command = [sys.executable, "-m", "bench.lanes_worker", "--bootstrap", bootstrap]
    command += ["--plant", setup.plant] if setup.plant else []
    with running([command], log_file) as (child,):
        for thread in threads:
            thread.start()
        try:
            _until(lambda: bool(seen.sales), 60, "the worker's first command")
            time.sleep(WARM_S)
            log = Log(bootstrap)
            found = _rounds(setup, seen, log)
            if setup.has_idle:
                closing.set()
                time.sleep(IDLE_AFTER_S + QUIET_S)
                slice_ = setup.products // setup.rounds
                took_s = _backfilled(log, seen, setup.products, slice_, setup.limit_s)
                found.idle_products_per_s = slice_ / took_s
            return found
        finally:
            closing.set()
            stop.set()
            for thread in threads:
                thread.join(30)
            if child.poll() is not None:
                console.print(f"the worker ended with {child.returncode}, see {log_file}")


def _rounds(setup: Setup, seen: Sightings, log: Log) -> Outcomes:
    found, slice_ = Outcomes(), setup.products // setup.rounds
    with Progress(console=console) as progress:
        bar = progress.add_task("products", total=slice_ * setup.rounds)
        for number in range(setup.rounds):
            began_s = time.time()
            time.sleep(setup.base_s)
            ended_s = time.time()
            time.sleep(QUIET_S)  # What was accepted at the end of the phase is still on its way.
            found.base.append(seen.between(began_s, ended_s))
            began_s = time.time()
            took_s = _backfilled(log, seen, number * slice_, slice_, setup.limit_s)
            progress.update(bar, completed=seen.products)
            time.sleep(QUIET_S)
            found.loaded.append(seen.between(began_s, began_s + took_s))
            found.products_per_s.append(slice_ / took_s)
            progress.console.print(_line(number, found))
    return found


def _backfilled(log: Log, seen: Sightings, first: int, count: int, limit_s: float) -> float:
    """Append a slice of the backfill; return how long it took until its last product was out."""
    began_s, before = time.monotonic(), seen.products
    backfill(log, first, count)
    while seen.products < before + count:
        if time.monotonic() - began_s > limit_s:
            raise TimeoutError(f"{seen.products - before} of {count} products after {limit_s} s")
        time.sleep(0.05)
    return time.monotonic() - began_s


def _line(number: int, found: Outcomes) -> str:
    base, loaded = found.base[-1], found.loaded[-1]
    return (
        f"round {number}  base p50/p99 {1000 * statistics.median(base):.0f}/"
        f"{1000 * p99(base):.0f} ms ({len(base)})  loaded {1000 * statistics.median(loaded):.0f}/"
        f"{1000 * p99(loaded):.0f} ms ({len(loaded)})  {found.products_per_s[-1]:.0f} products/s"
    )


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return statistics.quantiles(times, n=100, method="inclusive")[98]


def ratio(found: Outcomes) -> float:
    """Return the p99 of all loaded phases by that of all base phases."""
    return p99(_all(found.loaded)) / p99(_all(found.base))


def _all(phases: Sequence[list[float]]) -> list[float]:
    return [took for phase in phases for took in phase]


def _until(is_true: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {timeout_s} s")
        time.sleep(0.05)


def entry(found: Outcomes, setup: Setup) -> dict[str, object]:
    """Return the result as it is kept."""
    base, loaded = _all(found.base), _all(found.loaded)
    return {
        "bench": "lanes: sale accepted to its command, with and without a backfill of products",
        "unit": "ms",
        "products": setup.products,
        "sales_per_s": setup.per_s,
        "base": {"p50": _ms(statistics.median(base)), "p99": _ms(p99(base)), "sales": len(base)},
        "loaded": {
            "p50": _ms(statistics.median(loaded)),
            "p99": _ms(p99(loaded)),
            "sales": len(loaded),
        },
        "ratio_p99": round(ratio(found), 2),
        "products_per_s": [round(rate) for rate in found.products_per_s],
        "products_per_s_idle": _rounded(found.idle_products_per_s),
        "rounds": {
            "base_p99": [_ms(p99(times)) for times in found.base],
            "loaded_p99": [_ms(p99(times)) for times in found.loaded],
        },
        "plant": setup.plant,
        "machine": machine(),
    }


def _rounded(rate: float | None) -> int | None:
    return None if rate is None else round(rate)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def main() -> None:
    """Parse, play, write `bench/results/lanes.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--per-s", type=float, default=100.0, help="live sales per second")
    parser.add_argument("--base-s", type=float, default=20.0, help="seconds of each base phase")
    parser.add_argument("--plant", choices=["no-lanes"], help="the planted bug")
    options = parser.parse_args()
    setup = Setup(
        options.products,
        options.rounds,
        options.per_s,
        options.base_s,
        options.plant,
        has_idle=options.plant is None,
    )
    BUILD.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(BUILD / "lanes-kafka", ignore_errors=True)
    broker = EmbeddedKafka(BUILD / "lanes-kafka")
    try:
        found = play(broker.start().bootstrap, setup, BUILD / "lanes.log")
    finally:
        broker.stop()
    result = entry(found, setup)
    if setup.plant is None:
        target = ROOT / "bench" / "results" / "lanes.json"
        target.write_text(json.dumps([result], indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
