"""How far each poll stream of one instance has been accepted, on a compacted topic.

Guarantees: a saved cursor is durable before `save` returns. Does not: share an instance between
processes; one process polls an instance.
"""

import json

from omnihub.broker.ports import Appender, Reader
from omnihub.connect.pace import Time
from omnihub.connect.sdk import Offset
from omnihub.model.ids import InstanceId
from omnihub.model.records import Cursor

CURSOR_TOPIC = "omni.cursor.v1"


class Cursors:
    """The cursors of one instance."""

    def __init__(
        self, instance: InstanceId, appender: Appender, time: Time, known: dict[str, Offset]
    ) -> None:
        self._instance = instance
        self._appender = appender
        self._time = time
        self._known = known

    @classmethod
    async def load(
        cls, instance: InstanceId, reader: Reader, appender: Appender, time: Time
    ) -> "Cursors":
        """Read the topic whole and keep what belongs to `instance`."""
        known: dict[str, Offset] = {}
        for entry in await reader.read_all([CURSOR_TOPIC]):
            name, _, stream = entry.key.partition(":")
            if name != instance:
                continue
            known.pop(stream, None)
            if isinstance(entry.record, Cursor):
                known[stream] = json.loads(entry.record.offset)
        return cls(instance, appender, time, known)

    def at(self, stream: str) -> Offset | None:
        """Return where to poll next; None means from the beginning."""
        return self._known.get(stream)

    async def save(self, stream: str, offset: Offset | None) -> None:
        """Make `offset` durable, unless it is where the stream already stands."""
        if offset == self._known.get(stream):
            return
        if offset is None:
            await self._appender.remove(CURSOR_TOPIC, f"{self._instance}:{stream}")
            self._known.pop(stream, None)
            return
        cursor = Cursor(
            instance=self._instance,
            stream=stream,
            offset=json.dumps(offset, separators=(",", ":"), sort_keys=True),
            saved_at_us=self._time.now_us(),
        )
        await self._appender.append(CURSOR_TOPIC, cursor)
        self._known[stream] = offset
