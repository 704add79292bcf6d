"""Deliveries of several partitions in the order of their acceptance.

Guarantees: what was accepted first comes first, whatever partition it lies in, as long as each
partition keeps that order; what arrives late in its own partition comes as soon as it is seen.
Does not: hold more than the partitions are apart while they are read side by side.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping

from omnihub.broker.ports import Entry, Partition


class InOrder:
    """Takes entries as they are read, gives them back by time; `ends` is where reading ends."""

    def __init__(self, start: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        self._ends = dict(ends)
        # What a partition still to be read may give is no older than what it gave last.
        self._reached = {at: 0 for at, end in ends.items() if start.get(at, 0) < end}
        self._waiting: list[tuple[int, str, int, int, Entry]] = []

    def take(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Add what was read; yield what nothing older can come before."""
        for entry in entries:
            at = entry.at
            heapq.heappush(
                self._waiting, (entry.timestamp_ms, at.topic, at.partition, at.offset, entry)
            )
            place = (at.topic, at.partition)
            if at.offset + 1 >= self._ends.get(place, 0):
                self._reached.pop(place, None)
            elif place in self._reached:
                self._reached[place] = max(self._reached[place], entry.timestamp_ms)
        limit = min(self._reached.values(), default=None)
        while self._waiting and (limit is None or self._waiting[0][0] <= limit):
            yield heapq.heappop(self._waiting)[-1]

    def rest(self) -> Iterator[Entry]:
        """Yield what is left: every partition is read."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[-1]
