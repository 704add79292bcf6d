"""Split: cuts a raw delivery into source entities, so that each meets its own history.

Guarantees: webhook, poll, file and refetch of one entity end in one partition, keyed by what the
entity is called at its source. A delivery that cannot be read waits alone in the hospital.
The bulk lane has a task of its own; its entities wait for the valve (see `valve`).
Does not: understand an entity (translate does), or remember anything.
"""

from omnihub.connect.lanes import Lane, entity_topic, raw_topic, task_name
from omnihub.connect.understanding import (
    REJECTED_TOPIC,
    OpenBody,
    Understandings,
    as_it_is,
    rejection,
    understand,
    understanding_of,
)
from omnihub.model.errors import InvariantBroken, RejectedError
from omnihub.model.record import Record
from omnihub.model.records import RawDelivery
from omnihub.rules.rule import Out, Rows


class Split:
    """The handler of one connector type's raw topic of one lane."""

    def __init__(
        self,
        connector: str,
        instances: Understandings,
        open_body: OpenBody = as_it_is,
        lane: Lane = Lane.LIVE,
    ) -> None:
        self.name = task_name("split", connector, lane)
        self.inbox = raw_topic(connector, lane)
        self.rejects = REJECTED_TOPIC
        self._entities = entity_topic(connector, lane)
        self._instances = instances
        self._open_body = open_body

    def park_key(self, record: Record) -> str:
        """Deliveries do not wait for each other."""
        delivery = _delivery(record)
        return f"{delivery.tenant}:{delivery.instance}:{delivery.delivery_id}"

    def handle(self, record: Record, rows: Rows, out: Out) -> None:
        """Emit the entities of one delivery."""
        delivery = _delivery(record)
        mapping = understanding_of(self._instances, delivery.instance).mapping
        try:
            clear = self._open_body(delivery)
            entities = understand(lambda: mapping.split(clear))
        except RejectedError as error:
            out.emit(REJECTED_TOPIC, rejection(delivery, "delivery", delivery.name, error))
            return
        for entity in entities:
            out.emit(self._entities, entity)


def _delivery(record: Record) -> RawDelivery:
    if not isinstance(record, RawDelivery):
        raise InvariantBroken(f"split got {type(record).__name__}, which it never reads")
    return record
