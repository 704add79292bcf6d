"""Which events a service has had: the hub tells each once, but a rebalance tells some again.

Guarantees: an id is recognised while it is among the last `limit` of its partition. Does not:
survive a restart; a handler whose effect must not happen twice keeps the event id beside it.
"""

from collections import OrderedDict

from omnihub.broker.ports import Partition
from omnihub.model.record import Record


class Seen:
    """Recent event ids by partition."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._ids: dict[Partition, OrderedDict[str, None]] = {}

    def knows(self, topic: str, partition: int, record: Record) -> bool:
        """Tell whether this event was handled before; states are never the same event twice."""
        event_id = event_id_of(record)
        return event_id is not None and event_id in self._ids.get((topic, partition), ())

    def add(self, topic: str, partition: int, record: Record) -> None:
        """Remember a handled event."""
        event_id = event_id_of(record)
        if event_id is None:
            return
        ids = self._ids.setdefault((topic, partition), OrderedDict())
        ids[event_id] = None
        if len(ids) > self._limit:
            ids.popitem(last=False)


def event_id_of(record: Record) -> str | None:
    """Return the id of an event; None for states, which repeat without harm."""
    meta = getattr(record, "meta", None)
    return None if meta is None else str(meta.event_id)
