"""The acceptance kit: a good connector passes, and each broken one is caught."""

import json
from typing import Any, ClassVar

import httpx
import pytest
from pydantic import Field, SecretStr

from omnihub.connect.entities import event_meta, source_entity
from omnihub.connect.errors import PartialWrite, Refused
from omnihub.connect.kit.subject import INSTANCE, TENANT, Subject
from omnihub.connect.kit.suites import ConfigSuite, MappingSuite, WebhookSuite
from omnihub.connect.kit.systems import FolderSuite, SinkSuite, SourceSuite
from omnihub.connect.sdk import Batch, Connector, ConnectorConfig, Delivery, Fact, Mapping, Stream
from omnihub.connect.webhooks import WebhookScheme
from omnihub.model.ids import CommandId, LocationId, MovementId, Sku
from omnihub.model.records import MovementKind, SetStockLevel, StockMoved

SALES = [{"id": n, "sku": f"s{n}"} for n in range(7)]


class TillConfig(ConnectorConfig):
    url: str
    secret: SecretStr
    page_size: int = Field(2, ge=1)


class TillMapping(Mapping[TillConfig]):
    def split(self, delivery):
        note = json.loads(delivery.body)
        return [source_entity(delivery, "sale", str(note["id"]), delivery.body)]

    def translate(self, entity, refs):
        event = StockMoved(
            meta=event_meta(entity, "moved", 1_000),
            movement_id=MovementId(entity.entity_id),
            sku=Sku(json.loads(entity.body)["sku"]),
            kind=MovementKind.SALE,
            from_location=LocationId("shop"),
            quantity_milli=1000,
        )
        return [Fact(entity.entity_id, (event,))]


class Shop:
    """The system behind the connector: sales to read, levels to write."""

    def __init__(self):
        self.levels, self.sales = {}, list(SALES)


class Till(Connector[TillConfig]):
    name: ClassVar[str] = "till"
    config_type: ClassVar[Any] = TillConfig
    mapping_type: ClassVar[Any] = TillMapping
    shop: Shop

    @classmethod
    def webhook(cls, config):
        return WebhookScheme("X-Signature", secrets=(config.secret,))

    def streams(self):
        return [Stream("sales")]

    async def poll(self, stream, at, limit):
        first = (at or {"n": 0})["n"]
        found = self.shop.sales[first : first + limit]
        return Batch(tuple(map(_delivery, found)), {"n": first + len(found)} if found else at)

    async def write(self, commands):
        done, failed = {}, {}
        for command in commands:
            if command.sku == "unknown":
                failed[command.command_id] = Refused("no such SKU", cure="create it")
            else:
                self.shop.levels[command.sku] = command.quantity_milli
                done[command.command_id] = command.sku
        if failed:
            raise PartialWrite(done, failed)
        return done


def _delivery(sale):
    return Delivery(str(sale["id"]), json.dumps(sale).encode())


def command(sku):
    return SetStockLevel(
        command_id=CommandId(sku),
        tenant=TENANT,
        instance=INSTANCE,
        target=sku,
        cause_id="c",
        accepted_at_us=0,
        sku=Sku(sku),
        quantity_milli=5000,
        seq=1,
    )


def subject_of(**changes):
    shop = Shop()
    parts = {"shop": shop} | changes
    mapping = type("M", (TillMapping,), parts.pop("mapping", {}))
    config = type("C", (TillConfig,), parts.pop("config", {}))

    async def effects():
        return dict(shop.levels) | {"extra": getattr(shop, "extra", 0)}

    return Subject(
        connector=type("T", (Till,), parts | {"mapping_type": mapping, "config_type": config}),
        config={"url": "http://till", "secret": SecretStr("s")},
        network=httpx.MockTransport(lambda request: httpx.Response(200)),
        samples=[_delivery(sale) for sale in SALES[:2]],
        commands=[command("a"), command("b")],
        refused=command("unknown"),
        effects=effects,
    )


class TestAGoodConnector(ConfigSuite, MappingSuite, SourceSuite, SinkSuite, WebhookSuite):
    @pytest.fixture
    def subject(self):
        return subject_of()


# -- the zoo: each is broken in one way, and one check must see it --------------------------------


class Counter:
    n = 0


def impure(self, entity, refs):
    Counter.n += 1
    told = TillMapping.translate(self, entity, refs)
    return [Fact(f"{each.natural_id}:{Counter.n}", each.events) for each in told]


def named_by_delivery(self, delivery):
    return [source_entity(delivery, "sale", delivery.delivery_id, delivery.body)]


def one_id_for_all(self, entity, refs):
    (fact,) = TillMapping.translate(self, entity, refs)
    return [fact, Fact("other", fact.events)]


@pytest.mark.parametrize(
    ("mapping", "check"),
    [
        ({"translate": impure}, "test_the_mapping_is_pure"),
        ({"split": named_by_delivery}, "test_names_come_from_the_source_and_not_from_the_delivery"),
        ({"translate": one_id_for_all}, "test_event_ids_are_unique"),
        (
            {"translate": lambda self, entity, refs: []},
            "test_every_event_has_an_inbox_and_fits_its_schema",
        ),
    ],
)
def test_broken_mappings_are_caught(mapping, check):
    with pytest.raises(AssertionError):
        getattr(MappingSuite(), check)(subject_of(mapping=mapping))


def test_a_configuration_that_ignores_what_it_does_not_know_is_caught():
    lax = subject_of(config={"model_config": {"extra": "ignore"}})
    with pytest.raises(pytest.fail.Exception):
        ConfigSuite().test_an_unknown_key_is_an_error_at_its_path(lax)


class HiddenPosition:
    """Remembers where it was instead of being a function of the offset."""

    place = 0


async def hidden(self, stream, at, limit):
    first = HiddenPosition.place = (HiddenPosition.place + limit) % 8
    return await Till.poll(self, stream, {"n": first}, limit)


async def never_ends(self, stream, at, limit):
    return Batch((_delivery(SALES[0]),), at)


async def says_objects(self, stream, at, limit):
    batch = await Till.poll(self, stream, at, limit)
    return Batch(batch.deliveries, {"n": batch.next["n"], "seen": (1, 2)})


@pytest.mark.parametrize(
    ("poll", "check"),
    [
        (hidden, "test_the_same_offset_gives_the_same_batch"),
        (never_ends, "test_resuming_at_every_offset_gives_the_exact_suffix"),
        (says_objects, "test_an_offset_survives_json"),
    ],
)
async def test_broken_sources_are_caught(poll, check):
    with pytest.raises(AssertionError):
        await getattr(SourceSuite(), check)(subject_of(poll=poll))


async def test_a_source_that_resumes_elsewhere_is_caught():
    starts = []

    async def forgets(self, stream, at, limit):
        starts.append(at)
        drift = 1 if len(starts) > 6 and at else 0
        return await Till.poll(self, stream, {"n": at["n"] + drift} if at else at, limit)

    with pytest.raises(AssertionError):
        await SourceSuite().test_resuming_at_every_offset_gives_the_exact_suffix(
            subject_of(poll=forgets)
        )


async def eager(self, stream, at, limit):
    found = self.shop.sales[:limit]
    del self.shop.sales[:limit]
    return Batch(tuple(map(_delivery, found)), None)


async def test_a_folder_that_forgets_before_the_acknowledgement_is_caught():
    with pytest.raises(AssertionError):
        await FolderSuite().test_nothing_is_gone_before_it_is_acknowledged(subject_of(poll=eager))


async def keeps(self, stream, at, limit):
    return Batch(tuple(map(_delivery, self.shop.sales[:limit])), None)


async def test_a_folder_that_gives_everything_twice_is_caught():
    with pytest.raises(AssertionError):
        await FolderSuite().test_draining_gives_every_delivery_once(subject_of(poll=keeps))


async def adds(self, commands):
    self.shop.extra = getattr(self.shop, "extra", 0) + len(commands)
    return await Till.write(self, commands)


async def all_or_nothing(self, commands):
    if any(each.sku == "unknown" for each in commands):
        raise PartialWrite({}, {each.command_id: Refused("no", cure="c") for each in commands})
    return await Till.write(self, commands)


async def forgets_to_report(self, commands):
    done = await Till.write(self, commands)
    return dict(list(done.items())[:1])


@pytest.mark.parametrize(
    ("write", "check"),
    [
        (forgets_to_report, "test_every_command_is_reported_with_its_reference"),
        (adds, "test_the_same_batch_twice_has_one_effect"),
        (all_or_nothing, "test_a_refused_command_does_not_take_its_neighbours_along"),
    ],
)
async def test_broken_sinks_are_caught(write, check):
    with pytest.raises(AssertionError):
        await getattr(SinkSuite(), check)(subject_of(write=write))


@pytest.mark.parametrize(
    "check",
    [
        "test_a_changed_or_truncated_body_is_refused",
        "test_a_missing_or_malformed_proof_is_refused",
    ],
)
def test_a_scheme_that_proves_nothing_is_caught(check):
    blind = classmethod(
        lambda cls, config: WebhookScheme(
            "X-Signature", secrets=(config.secret,), is_ping=lambda headers, body: True
        )
    )
    with pytest.raises(pytest.fail.Exception):
        getattr(WebhookSuite(), check)(subject_of(webhook=blind))
