"""Sends records at a steady rate and takes the time until each one's effect is at the sink.

Guarantees: a record's clock starts when it was due, not when it could be sent, so a stalled side
cannot hide its stall. A first record proves that the side is at work; the seconds after it are not
counted, so that compilers can warm up.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, Producer

from bench.lab import Child, SideFailed, check_alive
from bench.sink import reading, records

WARM_UP_S = 5.0
PATIENCE_S = 30.0
START_TIMEOUT_S = 90.0
Send = Callable[[Producer, int, int], None]
"""Produces the record of that number, accepted at that time (micros)."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long effects took, in milliseconds, sorted."""

    sorted_ms: Sequence[float] = field(repr=False)

    def at(self, share: float) -> float:
        """Return the percentile."""
        return self.sorted_ms[min(len(self.sorted_ms) - 1, int(len(self.sorted_ms) * share))]


def pace(producer: Producer, send: Send, rate: int, begin_s: float, count: int) -> None:
    """Send `count` records, each at its time."""
    for number in range(count):
        due_s = begin_s + number / rate
        while (left_s := due_s - time.time()) > 0:
            time.sleep(left_s)
        send(producer, number, int(due_s * 1e6))
        producer.poll(0)
    producer.flush()


def await_start(consumer: Consumer, children: Sequence[Child]) -> None:
    """Wait for the effect of a first record: then the side is at work.

    Raises:
        SideFailed: it never is.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while not records(consumer):
        check_alive(children)
        if time.monotonic() > deadline:
            raise SideFailed(f"no effect within {START_TIMEOUT_S:g} s")


def latencies(
    bootstrap: str,
    sink: str,
    partitions: int,
    producer: Producer,
    send: Send,
    accepted_at_us: Callable[[bytes], int],
    *,
    rate: int,
    seconds: float,
    children: Sequence[Child],
    on_effect: Callable[[bytes], None] | None = None,
) -> Latencies:
    """Send for some seconds after a warm-up; return the latencies of what was sent then.

    Raises:
        SideFailed: not every record had its effect in time.
    """
    count = int(rate * (WARM_UP_S + seconds))
    took_ms: list[float] = []
    with reading(bootstrap, sink, partitions) as consumer:
        send(producer, count, time.time_ns() // 1000)
        await_start(consumer, children)
        begin_s = time.time() + 0.2
        counted_from_us = int((begin_s + WARM_UP_S) * 1e6)
        seen, deadline = 0, begin_s + WARM_UP_S + seconds + PATIENCE_S
        sending = threading.Thread(target=pace, args=(producer, send, rate, begin_s, count))
        sending.start()
        while seen < count:
            check_alive(children)
            if time.time() > deadline:
                raise SideFailed(f"{seen} of {count} effects after {PATIENCE_S:g} s more")
            for message in records(consumer, 0.002):
                now_us, value = time.time_ns() // 1000, message.value()
                accepted_us = accepted_at_us(value)
                seen += 1
                if accepted_us >= counted_from_us:
                    took_ms.append((now_us - accepted_us) / 1000)
                if on_effect is not None:
                    on_effect(value)
        sending.join()
    return Latencies(sorted(took_ms))
