"""A shop whose diary was misread: live code, its log, and a replay under newer code."""

import itertools
from dataclasses import dataclass

import msgspec

from omnihub.connect.personal import unkeyed
from omnihub.connect.replaying import Remembered, Shadow
from omnihub.connect.replays import Replay, requests_of
from omnihub.connect.split import Split
from omnihub.connect.translate import Translate
from omnihub.connect.understanding import as_it_is
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import ChannelId, InstanceId, LocationId
from omnihub.model.records import (
    FactSeen,
    Rejected,
    StateSeen,
    StockCounted,
    StockLevel,
    StockMoved,
)
from omnihub.model.time import SECOND_US
from omnihub.rules.policy import Channel, MovementRoute, StockPolicy
from omnihub.rules.product import ProductRule
from omnihub.rules.stock import StockRule

T0_US = 1_700_000_000_000_000
DIARY, SHOP = InstanceId("diary"), LocationId("shop")
POLICY = StockPolicy(
    channels=(Channel(ChannelId("web"), frozenset({SHOP})),),
    movements=(MovementRoute(InstanceId("books"), frozenset({SHOP})),),
)
INBOXES = ("omni.stock.inbox.v1", "omni.product.inbox.v1")


@dataclass
class Reading:
    """How a mapping reads quantities: what a release got right or wrong."""

    revision: int = 1
    factor: int = 1
    skips: tuple[str, ...] = ()
    shouts: bool = False


def reading_of(understanding, how):
    """Return an understanding of the diary that reads as told."""
    known = understanding(owns=["stock"], revision=how.revision)
    translate = known.mapping.translate

    def misread(entity, refs):
        if entity.entity_id in how.skips:
            return []
        return [_misread(each, how) for each in translate(entity, refs)]

    known.mapping.translate = misread
    return known


def _misread(told, how):
    events = []
    for event in told.events:
        if isinstance(event, StockMoved | StockCounted):
            event = msgspec.structs.replace(event, quantity_milli=event.quantity_milli * how.factor)
        elif how.shouts and hasattr(event, "title"):
            event = msgspec.structs.replace(event, title=event.title.upper())
        events.append(event)
    return type(told)(**{
        **{name: getattr(told, name) for name in told.__dataclass_fields__},
        "events": tuple(events),
    })  # fmt: skip


class World:
    """Split, translate and the rules on the shipped test driver."""

    def __init__(self, understanding, raw, how):
        self.understanding, self._raw = understanding, raw
        self.instances = {DIARY: reading_of(understanding, how)}
        self.rules = [StockRule(POLICY), ProductRule()]
        self.driver = TestDriver(self._handlers(), now_us=T0_US)
        self._numbers = itertools.count(1)

    def _handlers(self):
        split = Split("diary", self.instances)
        inbox_of = Topics.load().inbox_of
        return [split, Translate("diary", self.instances, inbox_of), *self.rules]

    def release(self, how):
        """Install newer code: the worker restarts with it."""
        self.instances[DIARY] = reading_of(self.understanding, how)
        self.driver.restart()

    def tell(self, *notes, after_s=1):
        """Deliver one page."""
        self.driver.now_us += after_s * SECOND_US
        page = self._raw(
            list(notes), at_us=self.driver.now_us, delivery_id=f"d{next(self._numbers)}"
        )
        self.driver.append("omni.raw.diary.v1", page)
        self.driver.run()

    def shadow(self, how=None, **chosen):
        """Return everything told so far, read as `how` says (else as the worker reads)."""
        instances = {DIARY: reading_of(self.understanding, how)} if how else self.instances
        facts, states = {}, {}
        for key, row in self.driver.rows("translate-diary").items():
            name = key.split("/", 2)[2]
            if isinstance(row, FactSeen):
                facts[name] = row
            elif isinstance(row, StateSeen):
                states[name] = row
        remembered = Remembered(facts, states)
        bounds = {"from_us": T0_US, "to_us": T0_US + 10**15}
        shadow = Shadow(instances, remembered, as_it_is, unkeyed, **(bounds | chosen))
        for delivery in self.driver.records("omni.raw.diary.v1", object):
            shadow.read(delivery)
        return shadow

    def differences(self, how=None, **chosen):
        shadow = self.shadow(how, **chosen)
        wanted = shadow.wanted_events()
        events = [e for topic in INBOXES for e in self.driver.records(topic, object)]
        told = {e.meta.event_id: e for e in events if e.meta.event_id in wanted}
        return shadow.differences(told)

    def replay(self, name="r1", how=None, effects=(), differences=None):
        """Correct what differs; return what was asked for."""
        found = self.differences(how) if differences is None else differences
        self.driver.now_us += SECOND_US
        order = Replay(name, "ann", "misread", self.driver.now_us, effects)
        asked = requests_of(found, order)
        self.ask(asked)
        return asked

    def ask(self, requests):
        for request in requests:
            self.driver.append("omni.entity.diary.v1", request)
        self.driver.run()

    def on_hand(self, sku):
        levels = self.driver.state("omni.stock.state.v1").values()
        return {e.sku: e.on_hand_milli // 1000 for e in levels if isinstance(e, StockLevel)}[sku]

    def titles(self):
        return {e.sku: e.title for e in self.driver.state("omni.product.state.v1").values()}

    def rejected(self):
        topics = ("omni.rejected.v1", "omni.stock.event.v1")
        return [e.reason_code for t in topics for e in self.driver.records(t, Rejected)]


def sale(name, quantity, sku="apple", **more):
    return {"type": "sale", "id": name, "sku": sku, "quantity": quantity, **more}


def count(name, quantity, sku="apple"):
    return {"type": "count", "id": name, "sku": sku, "quantity": quantity}


def product(title, v=1, name=7):
    return {"type": "product", "id": name, "title": title, "v": v}
