"""A state topic held whole in memory: the newest snapshot by key.

Guarantees: `is_complete` is set once everything that was on the topic at the start is in; a
tombstone removes its key. Does not: fit topics that are larger than memory (ask the API instead).
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from omnihub.broker.ports import Reader
from omnihub.model.errors import RetryableError
from omnihub.model.record import Record

RETRY_S = 1.0
_log = logging.getLogger("omnihub.insight")

S = TypeVar("S", bound=Record)


class StateTable(Mapping[str, S], Generic[S]):
    """Snapshots of one record type by their topic key (`tenant:...`)."""

    def __init__(self, kind: type[S], topic: str) -> None:
        self.kind = kind
        self.topic = topic
        self.is_complete = asyncio.Event()
        self._rows: dict[str, S] = {}

    async def follow(self, reader: Reader) -> None:
        """Fold the topic for ever; after an outage it is folded anew, over what is in."""
        while True:
            try:
                await self._fold(reader)
            except RetryableError as error:
                _log.warning("%s is waited for: %s", self.topic, error)
                await asyncio.sleep(error.retry_after_s or RETRY_S)

    async def _fold(self, reader: Reader) -> None:
        async for entries in reader.follow([self.topic]):
            for entry in entries:
                if entry.record is None:
                    self._rows.pop(entry.key, None)
                elif isinstance(entry.record, self.kind):
                    self._rows[entry.key] = entry.record
            if not entries:
                self.is_complete.set()

    def __getitem__(self, key: str) -> S:
        """Return the snapshot under `key`."""
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Return how many keys are held."""
        return len(self._rows)
