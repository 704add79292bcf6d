"""A new subscriber needs the compacted state topics and nothing else.

Every record of every other topic is deleted first. The subscriber is Confluent's own consumer and
Avro deserialiser: no code of the hub.
"""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from running_hub import Hub
from till_files import counted, poslog, sold
from web_shop import body_of, product, signed

LEVELS, CHANNELS, PRODUCTS = (
    "omni.stock.state.v1",
    "omni.stock.channel.state.v1",
    "omni.product.state.v1",
)
Row = dict[str, Any]


class Subscriber:
    """Another team's service: it knows an address, a registry and the names of topics."""

    def __init__(self, bootstrap: str, registry_url: str) -> None:
        self.bootstrap = bootstrap
        self.registry_url = registry_url

    def newest(self, topic: str) -> dict[str, Row]:
        """Read a topic from its beginning to its end; the newest record of each key counts."""
        with SchemaRegistryClient({"url": self.registry_url}) as client:
            return self._read(topic, AvroDeserializer(client))

    def _read(self, topic: str, deserialise: AvroDeserializer) -> dict[str, Row]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "a-new-subscriber",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        rows: dict[str, Row] = {}
        at_end: set[int] = set()
        while len(at_end) < len(partitions):
            message = consumer.poll(10)
            assert message is not None, f"{topic} did not end"
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF
                at_end.add(message.partition())
            else:
                where = SerializationContext(topic, MessageField.VALUE)
                rows[message.key().decode()] = deserialise(message.value(), where)
        consumer.close()
        return {key: row for key, row in rows.items() if row is not None}


@pytest.fixture(scope="module")
def stripped(hub: Hub) -> Hub:
    """The hub with some stock and products, of which only compacted topics are left."""
    for number in range(40, 50):
        item = f"T-{number}"
        day = poslog(counted(4000 + number, item, 20), sold(4000 + number, item, number - 39))
        hub.drop(f"{item}.xml", day)
    hub.drop("web.xml", poslog(counted(4100, "W-counted", 25, store="500")))
    body = body_of([product(950_000 + number, f"P-{number}") for number in range(5)])
    assert hub.webhook(body, signed(body)).status_code == 202
    hub.until_on_hand("T-49", 10_000)
    hub.until(lambda: hub.product("P-4"), "products")
    hub.settle()
    deleted = delete_all_but_compacted(hub.run()["bootstrap"])
    assert {"omni.raw.poslog.v1", "omni.stock.event.v1", "omni.stock.inbox.v1"} <= deleted
    return hub


def delete_all_but_compacted(bootstrap: str) -> set[str]:
    """Delete every record of every topic that the broker does not compact; return their names."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = {name: t for name, t in admin.list_topics(timeout=10).topics.items() if name[0] != "_"}
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in topics])
    kept_by_time = {
        resource.name
        for resource, future in asked.items()
        if future.result()["cleanup.policy"].value != "compact"
    }
    partitions = [
        TopicPartition(name, number) for name in kept_by_time for number in topics[name].partitions
    ]
    ends = admin.list_offsets({each: OffsetSpec.latest() for each in partitions})
    whole = {(each.topic, each.partition): future.result().offset for each, future in ends.items()}
    for each, future in admin.delete_records(
        [TopicPartition(*at, offset) for at, offset in whole.items()]
    ).items():
        assert future.result().low_watermark == whole[each.topic, each.partition]
    return kept_by_time


def of_api(hub: Hub, path: str, **params: Any) -> list[Row]:
    """Every item of a list of the API."""
    rows: list[Row] = []
    cursor: dict[str, str] = {}
    while True:
        page = hub.get(path, limit=500, **params, **cursor).json()
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}


def test_the_state_topics_alone_tell_what_the_api_tells(stripped: Hub) -> None:
    run = stripped.run()
    subscriber = Subscriber(run["bootstrap"], run["registry_url"])
    levels = subscriber.newest(LEVELS)
    assert len(levels) >= 10
    assert same(levels.values(), of_api(stripped, "/v1/stock"), place)
    channels = subscriber.newest(CHANNELS)
    assert len(channels) >= 1
    of_web = [row for row in channels.values() if row["channel"] == "WEB"]
    assert same(of_web, of_api(stripped, "/v1/stock", channel="WEB"), channel_place)
    products = subscriber.newest(PRODUCTS)
    assert len(products) >= 5
    for row in products.values():
        known = stripped.product(row["sku"])
        assert known is not None
        assert known == {name: row[name] for name in known}


def same(told: Any, shown: list[Row], name: Callable[[Row], Any]) -> bool:
    """Compare row by row, in every field that the API shows."""
    by_name = {name(row): row for row in told}
    assert set(by_name) == {name(row) for row in shown}
    for row in shown:
        full = by_name[name(row)]
        assert row == {field: full[field] for field in row}
    return True


def place(row: Row) -> tuple[str, str]:
    return row["sku"], row["location"]


def channel_place(row: Row) -> tuple[str, str]:
    return row["sku"], row["channel"]


def test_nothing_but_the_state_topics_was_left(stripped: Hub) -> None:
    run = stripped.run()
    subscriber = Subscriber(run["bootstrap"], run["registry_url"])
    assert subscriber.newest("omni.stock.event.v1") == {}
    assert subscriber.newest("omni.stock.inbox.v1") == {}


def test_a_view_rebuilt_from_them_equals_the_old_one_and_the_hub_works_on(stripped: Hub) -> None:
    hub = stripped
    lists = ("/v1/stock", "/v1/map", "/v1/hospital")
    before = {path: of_api(hub, path) for path in lists}
    skus = [f"P-{number}" for number in range(5)]
    products = [hub.product(sku) for sku in skus]
    assert before["/v1/stock"]
    assert before["/v1/map"]

    assert hub.stop() == 0
    views = hub.folder / ".omnihub" / "views.sqlite"
    for file in views.parent.glob("views.sqlite*"):
        file.unlink()
    assert not views.exists()
    hub.start()

    assert {path: of_api(hub, path) for path in lists} == before
    assert [hub.product(sku) for sku in skus] == products
    hub.drop("after.xml", poslog(sold(4200, "T-40", 2), sold(4040, "T-40", 1)))
    hub.until_on_hand("T-40", 17_000)
    hub.settle()
    assert hub.on_hand("T-40") == 17_000
