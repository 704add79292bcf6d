"""A small system of its own: a diary whose pages tell facts and states as JSON."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec
import pytest
from pydantic import Field, SecretStr

from omnihub.broker.memory import MemoryLog
from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.errors import BadDelivery
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.sdk import (
    Batch,
    Connector,
    ConnectorConfig,
    Delivery,
    Fact,
    Mapping,
    State,
)
from omnihub.connect.understanding import Understanding
from omnihub.connect.webhooks import WebhookScheme
from omnihub.contracts.topics import Topics
from omnihub.model.errors import RejectedError
from omnihub.model.ids import ChannelId, InstanceId, LocationId, MovementId, Sku, TenantId
from omnihub.model.records import (
    DeliveryKind,
    MovementKind,
    ProductRemoved,
    ProductUpserted,
    RawDelivery,
    StockCounted,
    StockMoved,
)
from omnihub.settings.model import InstanceSettings

T0_US = 1_700_000_000_000_000


class DiaryConfig(ConnectorConfig):
    secret: SecretStr
    retries: int = Field(3, ge=0, le=9)


class DiaryMapping(Mapping[DiaryConfig]):
    """A page is a list of notes; a note is a sale, a count or a product."""

    def split(self, delivery):
        try:
            notes = json.loads(delivery.body)
        except ValueError:
            raise BadDelivery(f"{delivery.name} is no JSON", cure="send it again") from None
        return [
            source_entity(delivery, n["type"], str(n["id"]), json.dumps(n).encode(), n.get("v"))
            for n in notes
        ]

    def translate(self, entity, refs):
        note = json.loads(entity.body)
        return [getattr(self, f"_{entity.type}")(entity, note, refs)]

    def _sale(self, entity, note, refs):
        if note["quantity"] < 0:
            raise RejectedError("negative_quantity", "sell less", note["id"])
        event = StockMoved(
            meta=event_meta(entity, "moved", note.get("at", T0_US)),
            movement_id=MovementId(f"diary:{entity.entity_id}"),
            sku=Sku(refs.resolve("sku", note["sku"])),
            kind=MovementKind.SALE,
            from_location=LocationId("shop"),
            quantity_milli=note["quantity"] * 1000,
        )
        return Fact(entity.entity_id, (event,))

    def _count(self, entity, note, refs):
        event = StockCounted(
            meta=event_meta(entity, "counted", T0_US),
            count_id=entity.entity_id,
            sku=Sku(note["sku"]),
            location=LocationId("shop"),
            quantity_milli=note["quantity"] * 1000,
            as_of_us=T0_US,
        )
        return Fact(entity.entity_id, (event,))

    def _product(self, entity, note, refs):
        meta = event_meta(entity, "product", note.get("at", T0_US), version=entity.version)
        sku = Sku(str(note["id"]))
        if note.get("deleted"):
            return State("product", entity.version, (ProductRemoved(meta=meta, sku=sku),), True)
        event = ProductUpserted(meta=meta, sku=sku, title=note["title"])
        return State("product", entity.version, (event,))


@dataclass
class DiarySystem:
    """The system itself: its pages, what it was told to do, and the mood it is in."""

    pages: list[bytes] = field(default_factory=list)
    effects: list[Any] = field(default_factory=list)
    calls: list[list[Any]] = field(default_factory=list)
    moods: list[Exception] = field(default_factory=list)
    acked: list[Batch] = field(default_factory=list)
    entities: dict[str, bytes] = field(default_factory=dict)


class Diary(Connector[DiaryConfig]):
    name: ClassVar[str] = "diary"
    config_type: ClassVar[Any] = DiaryConfig
    mapping_type: ClassVar[Any] = DiaryMapping
    system: DiarySystem

    @classmethod
    def webhook(cls, config):
        return WebhookScheme("X-Diary-Signature", secrets=(config.secret,), topic_header="X-Topic")

    async def poll(self, stream, at, limit):
        first = at["page"] if at else 0
        pages = self.system.pages[first : first + limit]
        found = tuple(Delivery(f"page-{first + n}", body) for n, body in enumerate(pages))
        return Batch(found, {"page": first + len(pages)} if found else at, more=bool(found))

    async def ack(self, stream, batch):
        self.system.acked.append(batch)

    async def write(self, commands):
        self.system.calls.append(list(commands))
        if self.system.moods and (mood := self.system.moods.pop(0)):
            raise mood
        self.system.effects += commands
        return {command.command_id: f"ref-{command.target}" for command in commands}

    async def refetch(self, command):
        return [Delivery("again", self.system.entities[command.entity_id])]


class PlainRefs:
    """Every code is canonical."""

    channel = ChannelId("web")

    def resolve(self, kind, code):
        return code

    def code_of(self, kind, canonical):
        return canonical


def raw(notes, *, kind=DeliveryKind.POLL, at_us=T0_US, delivery_id="d1", instance="diary"):
    body = notes if isinstance(notes, bytes) else json.dumps(notes).encode()
    return RawDelivery(
        delivery_id=delivery_id,
        tenant=TenantId("t"),
        connector="diary",
        instance=InstanceId(instance),
        kind=kind,
        stream="pages",
        name="page",
        body=body,
        accepted_at_us=at_us,
    )


@pytest.fixture
def diary_raw():
    return raw


@pytest.fixture
def system():
    return DiarySystem()


@pytest.fixture
def virtual():
    return VirtualTime(now_s=T0_US / 1e6)


@pytest.fixture
def topics():
    return Topics.load()


@pytest.fixture
def log(topics):
    return MemoryLog(topics)


@pytest.fixture
def diary_type(system):
    return type("MyDiary", (Diary,), {"system": system})


@pytest.fixture
def diary_config():
    return DiaryConfig(secret=SecretStr("s3cret"))


@pytest.fixture
def diary(diary_type, diary_config):
    return diary_type(diary_config, None)


@pytest.fixture
def understanding(diary_config):
    def make(*, owns=(), refs=None, revision=1):
        mapping = type("Revised", (DiaryMapping,), {"revision": revision})(diary_config)
        return Understanding(mapping, refs or PlainRefs(), frozenset(owns))

    return make


@pytest.fixture
def diary_settings():
    def make(**changes):
        return InstanceSettings(**{"type": "diary", "config": {"secret": "${env:S}"}} | changes)

    return make


@pytest.fixture
def values():
    """Return records without ids and times that belong to a delivery, for comparison."""

    def strip(records):
        blank = {"event_id": "", "cause_id": "", "accepted_at_us": 0}
        return [
            msgspec.structs.replace(r, meta=msgspec.structs.replace(r.meta, **blank))
            for r in records
        ]

    return strip
