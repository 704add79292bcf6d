"""Engine throughput beside its peers: `make bench`.

Every side reads the same preloaded StockMoved records, keeps one StockLevel per SKU and location
with a changelog, and writes one StockLevel per movement, exactly-once, one thread, commits at most
100 ms apart. What is counted are read_committed records at the sink, between the moment a tenth
has arrived and the moment all have: start-up is not measured. Sides alternate; the hub runs twice a
round (A/A), whose spread tells how much of a difference is noise.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from rich.progress import Progress

from bench.load import LEVEL_SCHEMA_ID, preload
from omnihub.broker.embedded import EmbeddedKafka

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
PARTITIONS = 4
console = Console(stderr=True)


def create_topic(bootstrap: str, name: str, **config: str) -> None:
    """Create one benchmark topic and wait for it."""
    topic = NewTopic(name, PARTITIONS, 1, config=config)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([topic])[name].result(30)


def committed_count(
    bootstrap: str, topic: str, expected: int, timeout_s: float, child: subprocess.Popen[bytes]
) -> float:
    """Count committed records at the sink; return events/s between 10 % and all of `expected`."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"count-{topic}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.min.bytes": 1,
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    seen, started, deadline = 0, None, time.monotonic() + timeout_s
    first = expected // 10
    with contextlib.closing(consumer):
        while seen < expected:
            if child.poll() is not None:
                raise RuntimeError(f"{topic}: its side ended with {child.returncode}, see its log")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic}: {seen} of {expected} records after {timeout_s} s")
            seen += sum(1 for m in consumer.consume(20_000, 0.05) if m.error() is None)
            if started is None and seen >= first:
                started, first = time.monotonic(), seen
        if seen > expected:
            raise AssertionError(f"{topic}: {seen} records, expected {expected}: duplicates")
    return (expected - first) / (time.monotonic() - (started or 0.0))


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a peer in its own process group for the time of the block."""
    with log.open("ab") as out:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        child = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, cwd=ROOT, env=env
        )
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def hub(bootstrap: str, source: str, sink: str, run: str) -> list[str]:
    """Return the command line of OmniHub's engine."""
    arguments = ["--bootstrap", bootstrap, "--input", source, "--output", sink, "--group", run]
    return [sys.executable, "-m", "bench.hub_worker", *arguments]


def kafka_streams(bootstrap: str, source: str, sink: str, run: str) -> list[str]:
    """Build the Java peer once and return its command line."""
    project = ROOT / "bench" / "kafka_streams"
    target = project / "target"
    if not (target / "bench-kafka-streams-1.jar").is_file():
        subprocess.run(["mvn", "-q", "-B", "package"], cwd=project, check=True)
    classpath = f"{target}/bench-kafka-streams-1.jar:{target}/libs/*"
    state = tempfile.mkdtemp(prefix="streams-", dir=BUILD)
    java = ["java", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath]
    return [*java, "bench.Levels", bootstrap, source, sink, run, state, str(LEVEL_SCHEMA_ID)]


def quix(bootstrap: str, source: str, sink: str, run: str) -> list[str]:
    """Install Quix into a venv of its own once and return its command line."""
    venv, lock = BUILD / "quix-venv", ROOT / "bench" / "quix" / "requirements.lock"
    python = venv / "bin" / "python"
    if not python.is_file():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "-q", str(venv)], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(python), "--require-hashes", "-r"]
        subprocess.run([*install, str(lock)], check=True)
    state = tempfile.mkdtemp(prefix="quix-", dir=BUILD)
    script = str(ROOT / "bench" / "quix" / "levels.py")
    arguments = [bootstrap, source, sink, run, state, str(LEVEL_SCHEMA_ID), str(ROOT / "schemas")]
    return [str(python), script, *arguments]


SIDES = {"hub": hub, "kafka_streams": kafka_streams, "hub_again": hub, "quix": quix}


def measure(bootstrap: str, side: str, number: int, source: str, events: int) -> float:
    """Run one side once over the preloaded input; return its events/s."""
    run = f"{side.replace('_', '')}.{number}.{os.getpid()}"
    sink = f"omni.bench.out.{run}.v1"
    create_topic(bootstrap, sink)
    command = SIDES[side](bootstrap, source, sink, run)
    with running(command, BUILD / f"{side}.log") as child:
        rate = committed_count(bootstrap, sink, events, 240, child)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([sink])[sink].result(30)
    return rate


def play(events: int, keys: int, rounds: int, sides: list[str]) -> dict[str, list[float]]:
    """Alternate the sides for some rounds, the first of which only warms the machine up."""
    rates: dict[str, list[float]] = {side: [] for side in sides}
    broker = EmbeddedKafka(BUILD / "kafka")
    bootstrap = broker.start().bootstrap
    try:
        source = f"omni.bench.in{os.getpid()}.v1"
        create_topic(bootstrap, source)
        with Progress(console=console) as progress:
            loading = progress.add_task("preload", total=events)
            for done in preload(bootstrap, source, events, keys, PARTITIONS):
                progress.update(loading, completed=done)
            running_task = progress.add_task("runs", total=(rounds + 1) * len(sides))
            for number in range(rounds + 1):
                for side in sides:
                    rate = measure(bootstrap, side, number, source, events)
                    progress.console.print(f"{side:15} round {number}  {rate:10,.0f} events/s")
                    progress.advance(running_task)
                    if number:
                        rates[side].append(rate)
    finally:
        broker.stop()
    return rates


def result(rates: dict[str, list[float]], events: int, keys: int) -> dict[str, object]:
    """Return the medians as one entry of latest.json."""
    median = {side: round(statistics.median(values)) for side, values in rates.items()}
    ours = rates["hub"] + rates.get("hub_again", [])
    spread = abs(median["hub"] / median.get("hub_again", median["hub"]) - 1)
    streams = median.get("kafka_streams")
    hub_median = round(statistics.median(ours))
    return {
        "bench": "engine, StockMoved to StockLevel, exactly-once, one thread",
        "unit": "events/s",
        "hub": hub_median,
        "peers": {side: median[side] for side in median if not side.startswith("hub")},
        "ratio_to_kafka_streams": round(hub_median / streams, 2) if streams else None,
        "aa_spread": round(spread, 3),
        "runs": {side: [round(rate) for rate in values] for side, values in rates.items()},
        "events": events,
        "keys": keys,
        "state": {"hub": "memory", "kafka_streams": "memory", "quix": "RocksDB (it has no other)"},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.python_version()}",
    }


def main() -> None:
    """Parse, play, write `bench/results/latest.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", default=",".join(SIDES))
    options = parser.parse_args()
    shutil.rmtree(BUILD / "kafka", ignore_errors=True)
    BUILD.mkdir(parents=True, exist_ok=True)
    rates = play(options.events, options.keys, options.rounds, options.sides.split(","))
    entry = result(rates, options.events, options.keys)
    target = ROOT / "bench" / "results" / "latest.json"
    target.write_text(json.dumps([entry], indent=2) + "\n")
    print(json.dumps(entry, indent=2))


if __name__ == "__main__":
    main()
