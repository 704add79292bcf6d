"""Engine throughput beside its peers, in memory, on disk, and with two workers.

Every side reads the same preloaded StockMoved records, keeps one StockLevel per SKU and location
with a changelog, and writes one StockLevel per movement; commits are at most 100 ms apart. What is
counted are read_committed records at the sink, between the moment a tenth has arrived and the
moment all have: start-up is not measured. Sides alternate; the hub runs twice a round (A/A).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import sink
from bench.entry import Bar, Entry
from bench.lab import Lab, Side
from bench.peers import FAUST, HUB, HUB_AGAIN, KAFKA_STREAMS, QUIX_SIDE
from bench.plan import Bench, Options

EVENTS = 400_000
KEYS = 50_000
FEW = {"faust": 15_000}
"""Sides too slow for all of them."""
AT_LEAST_ONCE = frozenset({"faust"})
LIMITS = "docs/decisions/0013-benchmark-limits.md"
SAME_AS_STREAMS = Bar("≥ 1.0 × Kafka Streams exactly_once_v2", 1.0, "kafka_streams")
TWICE_QUIX = Bar("≥ 2 × Quix exactly-once", 2.0, "quix")
FIFTEEN_FAUST = Bar("≥ 15 × Faust table", 15.0, "faust")


@dataclass(frozen=True, slots=True)
class Contest:
    """Sides with the same job; the first round only warms the machine up."""

    bench: str
    sides: Sequence[Side]
    bars: Sequence[Bar]
    store: str = "memory"
    workers: int = 1
    setting: Mapping[str, object] | None = None
    most_rounds: int = 99


MEMORY = Contest(
    "engine, state in memory, one thread",
    (HUB, KAFKA_STREAMS, HUB_AGAIN, FAUST),
    (SAME_AS_STREAMS, FIFTEEN_FAUST),
)
DISK = Contest(
    "engine, state on disk, one thread",
    (HUB, KAFKA_STREAMS, HUB_AGAIN, QUIX_SIDE),
    (SAME_AS_STREAMS, TWICE_QUIX),
    store="disk",
)
TWO = Contest(
    "engine, state in memory, two workers",
    (HUB, KAFKA_STREAMS, HUB_AGAIN),
    (),
    workers=2,
    setting={"note": "two cores carry the broker, too"},
    most_rounds=2,
)


def measure(lab: Lab, side: Side, contest: Contest, events: int) -> float:
    """Run one side once; return its events/s."""
    source = lab.input(events, KEYS)
    expected = min(events, FEW.get(side.name, events))
    run = lab.run(side.name, source, store=contest.store, workers=contest.workers)
    with lab.reporting(side.name, run), lab.playing(side, run) as children:
        is_exact = side.name not in AT_LEAST_ONCE
        return sink.rate(lab.bootstrap, run.sink, expected, children, is_exact=is_exact)
    return 0.0


def play(lab: Lab, options: Options, contest: Contest) -> Iterator[Entry]:
    """Alternate the sides; a side that fails once is left out of the rest."""
    events = options.events or EVENTS
    runs: dict[str, list[float]] = {side.name: [] for side in contest.sides}
    for number in range(min(options.rounds, contest.most_rounds) + 1):
        for side in contest.sides:
            if side.name in lab.failed:
                continue
            rate = measure(lab, side, contest, events)
            lab.say(f"{contest.bench}: {side.name:14} round {number} {rate:9,.0f} events/s")
            if number and rate:
                runs[side.name].append(rate)
    setting = {"events": events, "keys": KEYS, "state": contest.store, **(contest.setting or {})}
    yield Entry(
        contest.bench, "events/s", runs, contest.bars, LIMITS, setting, lab.failures(contest.bench)
    )


BENCHES = tuple(
    Bench(name, seconds, lambda lab, options, contest=contest: play(lab, options, contest))
    for name, seconds, contest in (
        ("engine", 220, MEMORY),
        ("engine-disk", 270, DISK),
        ("engine-two", 80, TWO),
    )
)
