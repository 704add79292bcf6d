"""The valve: lets source entities of the bulk lane into the live history of their entity.

Guarantees: per entity in order, unchanged; from here on an old page meets the newer webhook in one
partition, and translate drops it by its version. How much passes, and when, is decided by the
worker, which reads this inbox only while nothing live waits (`engine.lanes`).
Does not: look at what it passes, or remember anything.
"""

from omnihub.connect.entities import entity_key
from omnihub.connect.lanes import Lane, entity_topic, task_name
from omnihub.connect.understanding import REJECTED_TOPIC
from omnihub.model.errors import InvariantBroken
from omnihub.model.record import Record
from omnihub.model.records import SourceEntity
from omnihub.rules.rule import Out, Rows


class Valve:
    """The handler of one connector type's bulk entities."""

    def __init__(self, connector: str) -> None:
        self.name = task_name("valve", connector)
        self.inbox = entity_topic(connector, Lane.BULK)
        self.rejects = REJECTED_TOPIC
        self._entities = entity_topic(connector)

    def park_key(self, record: Record) -> str:
        """What a system says about one entity stays in order."""
        return entity_key(_entity(record))

    def handle(self, record: Record, rows: Rows, out: Out) -> None:
        """Pass one entity on."""
        out.emit(self._entities, _entity(record))


def _entity(record: Record) -> SourceEntity:
    if not isinstance(record, SourceEntity):
        raise InvariantBroken(f"the valve got {type(record).__name__}, which it never reads")
    return record
