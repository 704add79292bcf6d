"""A rule that adds movements up and misbehaves on request, on the test driver."""

from typing import ClassVar

import pytest

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import UnknownSchema
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import Crash, TestDriver
from omnihub.model.errors import InvariantBroken, ParkError, RejectedError
from omnihub.model.ids import EventId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import (
    EventMeta,
    HospitalActed,
    MovementKind,
    ParkedQueue,
    ReleaseAction,
    ReleaseParked,
    StockLevel,
    StockMoved,
    TimerDue,
)
from omnihub.rules.rule import Rule, on, on_timer

INBOX, EVENTS, STATE = "omni.stock.inbox.v1", "omni.stock.event.v1", "omni.stock.state.v1"
HOSPITAL = "omni.hospital.state.v1"
SHOP = LocationId("shop")
TOPICS, CODEC = Topics.load(), Codec.offline()


def movement(name, sku="apple", reason=None):
    meta = EventMeta(
        tenant=TenantId("t"),
        event_id=EventId(name),
        cause_id="d",
        source=InstanceId("till"),
        entity="e",
        occurred_at_us=0,
        accepted_at_us=0,
    )
    return StockMoved(
        meta=meta,
        movement_id=MovementId(name),
        sku=Sku(sku),
        kind=MovementKind.RECEIPT,
        to_location=SHOP,
        quantity_milli=1000,
        reason=reason,
    )


class Adder(Rule):
    """Adds movements up; `reason` asks it to misbehave."""

    name: ClassVar[str] = "adder"
    inbox: ClassVar[str] = INBOX
    events: ClassVar[str] = EVENTS

    def __init__(self, cured=frozenset()):
        self.cured = cured
        self.outages = 0

    def park_key(self, record):
        if isinstance(record, TimerDue):
            return record.key
        if record.reason == "keyless":
            raise KeyError("no key for this one")
        return record.sku

    @on(StockMoved)
    def on_movement(self, event, rows, out):
        key = event.sku
        old = rows.get(StockLevel, key)
        level = StockLevel(
            tenant=event.meta.tenant, sku=event.sku, location=SHOP,
            on_hand_milli=(old.on_hand_milli if old else 0) + event.quantity_milli, ats_milli=0,
            seq=(old.seq if old else 0) + 1, cause_id=event.meta.event_id,
            occurred_at_us=0, accepted_at_us=out.accepted_at_us,
        )  # fmt: skip
        rows.put(key, level)
        out.emit(STATE, level)
        out.emit(EVENTS, event)
        self._misbehave(event, rows, out)

    def _misbehave(self, event, rows, out):
        match event.reason:
            case "bug" | "keyless":
                raise ZeroDivisionError("secret payload")
            case "reject":
                raise RejectedError("negative_quantity", "no", event.sku)
            case "unmapped" if "cure" not in self.cured:
                raise ParkError("no mapping", cure="omnihub map set", waits_for="pos/sku/1")
            case "outage" if self.outages > 0:
                self.outages -= 1
                raise UnknownSchema("registry down")
            case "broken":
                raise InvariantBroken("captured < refunded")
            case "killer" if not self.cured:
                raise Crash("the interpreter is gone")
            case "misfit":
                rows.put("misfit", ParkedQueue(first_index="no number", next_index=0))
            case "remind":
                out.arm("hold", event.sku, event.movement_id, out.accepted_at_us + 10_000_000)

    @on_timer("hold")
    def on_hold_due(self, due, rows, out):
        out.emit(EVENTS, movement(f"due-{due.timer_id}", due.key))


class Story(TestDriver):
    """The driver with the words of these tests."""

    def __init__(self, rule=None, **options):
        self.rule = rule or Adder()
        self.asked, self.places = 0, {}
        super().__init__([self.rule], TOPICS, **{"codec": CODEC, **options})

    def tell(self, name, sku="apple", reason=None, at_us=None):
        """Append one movement."""
        self.append(INBOX, movement(name, sku, reason), at_us=at_us)

    def names(self):
        """Return the movements that were applied, in order."""
        return [event.movement_id for event in self.records(EVENTS, StockMoved)]

    def waiting(self):
        """Return what the hospital shows, in the order of the input."""
        shown = self.state(HOSPITAL).values()
        return sorted(shown, key=lambda record: (record.partition, record.offset))

    def release(self, action=ReleaseAction.RELEASE, park_key="x", task="adder", **told):
        """Ask for an act in the partition where the queue is, and let it happen."""
        self.ask(action, park_key, task, **told)
        self.run()

    def ask(self, action, park_key="x", task="adder", **told):
        """Append a request to the partition where the queue is; each has an id of its own."""
        self.asked += 1
        request = ReleaseParked(
            task=task,
            park_key=park_key,
            action=action,
            **{
                "requested_by": "ops",
                "reason": "test",
                "requested_at_us": 0,
                "request_id": f"request-{self.asked}",
                **told,
            },
        )
        at = f"{ParkedQueue.__name__}/"
        for row in self.rows(self.rule.name):
            if row.startswith(at) and row.endswith(f"/{park_key}"):
                self.places[park_key] = int(row.split("/")[1])
        value = self.codec.encode(request)
        self.log.write(INBOX, self.places[park_key], park_key.encode(), value, 0)

    def acts(self):
        """Return what was done about parked records: act, outcome, how many left, how many stay."""
        told = self.records("omni.hospital.event.v1", HospitalActed)
        return [(one.action, one.outcome, one.records, one.remaining) for one in told]

    def run_until_calm(self):
        """Restart after each death, as a supervisor does; return how many there were."""
        for deaths in range(20):
            try:
                self.run()
            except Crash:
                self.restart()
            else:
                return deaths
        raise AssertionError("it never calmed down")


@pytest.fixture(scope="session")
def story():
    """Makes a `Story`."""
    return Story


@pytest.fixture(scope="session")
def moved():
    """Makes a movement."""
    return movement
