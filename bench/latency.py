"""Latency of two exactly-once hops, one after the other, at 50, 500 and 2,000 events/s.

From the moment a movement was due until the level it caused is readable (read_committed) two rules
later. The hub as it is shipped; Kafka Streams as it is shipped (under exactly-once it commits every
100 ms), and tuned: commits every 20 ms as the hub does. Kafka Streams' p50 hangs on that interval.
"""

from collections.abc import Iterator

from confluent_kafka import Producer

from bench.entry import Bar, Entry
from bench.lab import PARTITIONS, Lab, Side
from bench.load import level_at, movement, movement_value, producer, sku_of
from bench.paced import Latencies, latencies
from bench.peers import HUB, HUB_AGAIN, KAFKA_STREAMS, kafka_streams
from bench.plan import Bench, Options

RATES = (50, 500, 2_000)
BAR_RATE = 500
SECONDS = 8.0
KEYS = 5_000
LIMITS = "docs/decisions/0013-benchmark-limits.md"
TUNED = Side("kafka_streams_20ms", kafka_streams)
COMMIT_MS = {TUNED.name: 20}
P50_BARS = (
    Bar("p50 ≤ 60 ms", 60.0, higher_is_better=False),
    Bar("p50 ≤ 1/3 of Kafka Streams' default", 1 / 3, "kafka_streams", higher_is_better=False),
)
P99_BARS = (Bar("p99 ≤ 250 ms", 250.0, higher_is_better=False),)


class Sender:
    """Produces one movement a call."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def __call__(self, to: Producer, number: int, accepted_at_us: int) -> None:
        """Produce movement `number`."""
        sku = sku_of(number, KEYS)
        value = movement_value(movement(number, sku, accepted_at_us))
        to.produce(self._topic, value, f"bench:{sku}")


def measure(lab: Lab, side: Side, rate: int) -> Latencies | None:
    """Run one side at one rate."""
    source = f"omni.bench.paced.{side.name.replace('_', '')}{rate}x{lab.number()}.v1"
    lab.create_topic(source)
    run = lab.run(side.name, source, hops=2, commit_ms=COMMIT_MS.get(side.name))
    with lab.reporting(side.name, run), lab.playing(side, run) as children:
        return latencies(
            lab.bootstrap,
            run.sink,
            PARTITIONS,
            producer(lab.bootstrap, 0),
            Sender(source),
            lambda value: int(level_at(value)["accepted_at_us"]),
            rate=rate,
            seconds=SECONDS,
            children=children,
        )
    return None


def play(lab: Lab, options: Options) -> Iterator[Entry]:
    """Alternate the sides at each rate."""
    for rate in RATES:
        has_bar = rate == BAR_RATE
        sides = (HUB, KAFKA_STREAMS, TUNED, HUB_AGAIN) if has_bar else (HUB, KAFKA_STREAMS)
        p50: dict[str, list[float]] = {side.name: [] for side in sides}
        p99: dict[str, list[float]] = {side.name: [] for side in sides}
        for number in range(min(options.rounds, 2) if has_bar else 1):
            for side in sides:
                found = measure(lab, side, rate)
                if found is None:
                    continue
                p50[side.name].append(found.at(0.5))
                p99[side.name].append(found.at(0.99))
                told = f"p50 {found.at(0.5):6.1f} p99 {found.at(0.99):6.1f} ms"
                lab.say(f"two hops at {rate}/s: {side.name:19} round {number} {told}")
        name = f"two exactly-once hops at {rate} events/s"
        failed = lab.failures(name)
        bars = (P50_BARS, P99_BARS) if has_bar else ((), ())
        for what, runs, bar in (("p50", p50, bars[0]), ("p99", p99, bars[1])):
            yield Entry(f"{name}, {what}", "ms", runs, bar, LIMITS, {"keys": KEYS}, failed)


BENCHES = (Bench("latency", 240, play),)
