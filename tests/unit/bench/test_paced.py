"""Percentiles, and that a stall is not hidden."""

import time

from bench.paced import Latencies, pace


class Slow:
    """A producer that stalls at its first record."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, int, float]] = []

    def poll(self, _: float) -> None:
        pass

    def flush(self) -> None:
        pass


def test_percentiles_are_records_that_were_measured() -> None:
    latencies = Latencies([float(number) for number in range(1, 101)])
    assert (latencies.at(0.5), latencies.at(0.99), latencies.at(1.0)) == (51.0, 100.0, 100.0)


def test_a_records_clock_starts_when_it_was_due() -> None:
    slow = Slow()

    def send(to: Slow, number: int, accepted_at_us: int) -> None:
        if number == 0:
            time.sleep(0.05)
        to.sent.append((number, accepted_at_us, time.time()))

    begin_s = time.time()
    pace(slow, send, rate=200, begin_s=begin_s, count=5)
    due = [round(at / 1e6 - begin_s, 3) for _, at, _ in slow.sent]
    assert due == [0.0, 0.005, 0.01, 0.015, 0.02]
    assert slow.sent[1][2] - slow.sent[1][1] / 1e6 > 0.04
