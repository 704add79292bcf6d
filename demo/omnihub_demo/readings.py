"""What each system showed when it was asked through its own API: plain data, no opinion."""

from collections import Counter
from dataclasses import dataclass, field

from omnihub_demo.facts import Fact
from omnihub_demo.ledger import Shelf
from omnihub_demo.play import TransactionKey


@dataclass(frozen=True, slots=True)
class ToldFact:
    """A fact as the hub's public event topic holds it.

    Without `fact` it is a count that was refused, by name, for being older than the newest one.
    """

    instance: str
    natural_id: str
    fact: Fact | None


@dataclass(frozen=True, slots=True)
class Effect:
    """One command that a system acknowledged, and how old its oldest event was then."""

    system: str
    accepted_at_us: int
    finished_at_us: int

    @property
    def freshness_ms(self) -> float:
        """Return the time from acceptance to the acknowledged effect."""
        return (self.finished_at_us - self.accepted_at_us) / 1000


@dataclass(frozen=True)
class Readings:
    """Everything that was read back. Shelves are (location, sku), quantities in thousandths."""

    archived: Counter[TransactionKey]
    waiting_files: int
    erp_milli: dict[Shelf, int]
    erp_lines: Counter[str]
    web_milli: dict[str, int]
    hub_milli: dict[Shelf, int]
    hub_ats_milli: dict[str, int]
    state_milli: dict[Shelf, int]
    state_order_faults: int
    told: tuple[ToldFact, ...]
    effects: tuple[Effect, ...]
    open_commands: int = 0
    parked: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
