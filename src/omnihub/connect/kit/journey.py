"""Takes deliveries through split and translate in memory, as the workers would.

Guarantees: rows stay between deliveries, so what is told twice is dropped; what fails parks alone
and its neighbours go on. Does not: keep later records of a parked key behind it (the engine does).
"""

from dataclasses import dataclass, field
from typing import Any

from omnihub.connect.sdk import Mapping, Refs
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.understanding import Understanding
from omnihub.contracts.topics import Topics
from omnihub.model.errors import ParkError
from omnihub.model.record import Record
from omnihub.model.records import RawDelivery
from omnihub.rules.rehearsal import Rehearsal


@dataclass
class Journey:
    """The way of one instance's deliveries to canonical events."""

    connector: str
    instance: str
    mapping: Mapping[Any]
    refs: Refs
    owns: frozenset[str] = frozenset()
    parked: list[ParkError] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Set up both handlers over the same understanding."""
        known: Any = {self.instance: Understanding(self.mapping, self.refs, self.owns)}
        topics = Topics.load()
        self._split = Rehearsal(Split(self.connector, known))
        self._translate = Rehearsal(Translate(self.connector, known, topics.inbox_of))

    def tell(self, delivery: RawDelivery) -> list[Record]:
        """Return what `delivery` led to: events, rejections and refetch commands, in order.

        Raises:
            ParkError: the delivery as a whole parks; single entities go to `parked`.
        """
        told: list[Record] = []
        for _, entity in self._split.play(delivery, at_us=delivery.accepted_at_us):
            try:
                effects = self._translate.play(entity, at_us=delivery.accepted_at_us)
            except ParkError as error:
                self.parked.append(error)
                continue
            told += [record for _, record in effects]
        return told
