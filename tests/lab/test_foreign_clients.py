"""Clients that we did not write read the hub's topics, and write what the hub reads.

Confluent's own Python registry client and (de)serialisers, and a Node client. The registry is the
embedded one, on its topic in the same Kafka.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import (
    Schema,
    SchemaRegistryClient,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.clients import Cluster, plain_producer
from omnihub.broker.reader import KafkaReader
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.registry_client import RegistryClient
from omnihub.contracts.topics import Topics
from omnihub.model.ids import EventId, LocationId, MovementId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import EventMeta, MovementKind, StockLevel, StockMoved

NPM = Path(__file__).parent / "npm"
BUILD = Path(__file__).parents[2] / "build" / "npm-foreign-reader"
RegistryOn = Callable[[Cluster, str], AbstractContextManager[str]]
TOPICS = """
partition_counts: {default: 3}
topics:
  - name: omni.MARK.stock.event.v1
    records: {StockMoved: "{meta.tenant}:{sku}"}
    partitions: default
    cleanup: delete
    retention_hours: 1
  - name: omni.MARK.stock.state.v1
    records: {StockLevel: "{tenant}:{sku}:{location}"}
    partition_by: "{tenant}:{sku}"
    partitions: default
    cleanup: compact
"""


@dataclass
class Hub:
    """A log with its registry, as another team's service finds them."""

    cluster: Cluster
    registry_url: str
    schemas_topic: str
    topics: Topics
    codec: Codec
    events: str
    states: str


@pytest.fixture
def hub(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, registry_on: RegistryOn
) -> Iterator[Hub]:
    mark, cluster = topic_prefix.rstrip("."), Cluster(kafka_bootstrap)
    path = tmp_path / "topics.yaml"
    path.write_text(TOPICS.replace("MARK", mark), encoding="utf-8")
    topics = Topics.load(path)
    specs = topics.all([], [], {})
    TopicAdmin(cluster).ensure_topics(specs)
    schemas_topic = f"_schemas.{mark}"
    with registry_on(cluster, schemas_topic) as url:
        client = RegistryClient(url)
        client.wait_ready(20)
        codec = Codec(client.register_all(specs))
        events, states = f"omni.{mark}.stock.event.v1", f"omni.{mark}.stock.state.v1"
        yield Hub(cluster, url, schemas_topic, topics, codec, events, states)
        client.close()


def moved(number: int) -> StockMoved:
    meta = EventMeta(
        tenant=TenantId("acme"),
        event_id=EventId(f"event-{number}"),
        cause_id="delivery-1",
        source="pos",
        entity=f"line:{number}",
        version=None if number % 2 else number,
        occurred_at_us=1_795_370_784_123_456,
        accepted_at_us=1_795_370_784_223_456,
        tz="Europe/Brussels",
    )
    return StockMoved(
        meta=meta,
        movement_id=MovementId(f"m{number}"),
        sku=Sku(f"Crème brûlée {number}"),
        kind=MovementKind.SALE,
        from_location=LocationId("store-367"),
        quantity_milli=1000 * number,
    )


def level(number: int) -> StockLevel:
    return StockLevel(
        tenant=TenantId("acme"),
        sku=Sku(f"s{number}"),
        location=LocationId("store-367"),
        on_hand_milli=-1000 * number,
        ats_milli=0,
        seq=number + 1,
        cause_id="event-1",
        occurred_at_us=1_795_370_784_123_456,
        accepted_at_us=1_795_370_784_223_456,
    )


async def fill(hub: Hub) -> dict[str, list[Record]]:
    """Twenty events and twenty states, by the hub's own appender."""
    sent: dict[str, list[Record]] = {
        hub.events: [moved(number) for number in range(20)],
        hub.states: [level(number) for number in range(20)],
    }
    async with KafkaAppender(hub.cluster, hub.topics, hub.codec) as appender:
        for topic, records in sent.items():
            await appender.append_many(topic, records)
    return sent


def by_key(hub: Hub, topic: str, records: list[Record]) -> dict[str, Any]:
    return {hub.topics.key_of(topic, one): msgspec.to_builtins(one) for one in records}


async def test_confluents_deserialiser_reads_events_and_states(hub: Hub) -> None:
    sent = await fill(hub)
    with SchemaRegistryClient({"url": hub.registry_url}) as client:
        deserialise = AvroDeserializer(client)
        for topic, records in sent.items():
            found = {}
            for message in consumed(hub, topic, len(records)):
                context = SerializationContext(topic, MessageField.VALUE)
                found[message.key().decode()] = deserialise(message.value(), context)
            assert found == by_key(hub, topic, records)


async def test_the_hub_reads_what_confluents_serialiser_writes(hub: Hub) -> None:
    value = written_by_confluent(hub, moved(3))
    assert value == hub.codec.encode(moved(3))
    producer = Producer(plain_producer(hub.cluster))
    producer.produce(hub.events, key="foreign", value=value)
    assert producer.flush(20) == 0
    [entry] = await KafkaReader(hub.cluster, hub.topics, hub.codec).read_all([hub.events])
    assert entry.record == moved(3)


def test_confluents_registry_client_works_on_ours(hub: Hub) -> None:
    first = Schema('{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}', "AVRO")
    wrong = Schema('{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}', "AVRO")
    with SchemaRegistryClient({"url": hub.registry_url}) as client:
        schema_id = client.register_schema("mine", first)
        assert client.get_schema(schema_id).schema_str == first.schema_str
        assert client.lookup_schema("mine", first).version == 1
        assert client.get_versions("mine") == [1]
        assert client.test_compatibility("mine", wrong) is False
        with pytest.raises(SchemaRegistryError, match="incompatible with an earlier") as refused:
            client.register_schema("mine", wrong)
        assert (refused.value.http_status_code, refused.value.error_code) == (409, 409)
        client.set_compatibility("mine", "NONE")
        assert client.get_compatibility("mine") == "NONE"
        assert client.register_schema("mine", wrong) != schema_id
        assert client.delete_subject("mine") == [1, 2]
        assert "mine" not in client.get_subjects()
        assert client.delete_subject("mine", permanent=True) == [1, 2]


def written_by_confluent(hub: Hub, record: StockMoved) -> bytes:
    """The record as Confluent's serialiser writes it, by the registered schema."""
    with SchemaRegistryClient({"url": hub.registry_url}) as client:
        latest = client.get_latest_version(f"{hub.events}-omnihub.StockMoved")
        serialise = AvroSerializer(
            client,
            latest.schema.schema_str,
            conf={
                "auto.register.schemas": False,
                "subject.name.strategy": topic_record_subject_name_strategy,
            },
        )
        context = SerializationContext(hub.events, MessageField.VALUE)
        value: bytes = serialise(msgspec.to_builtins(record), context)
        return value


async def test_a_restarted_registry_knows_every_id(hub: Hub, registry_on: RegistryOn) -> None:
    before = hub.codec.encode(moved(1))
    with registry_on(hub.cluster, hub.schemas_topic) as url, RegistryClient(url) as client:
        assert Codec(client.ids()).encode(moved(1)) == before
        assert Codec(SchemaIds({}, {}, lookup=client.schema)).decode(before) == moved(1)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_a_node_client_reads_events_and_states(hub: Hub) -> None:
    sent = await fill(hub)
    install_npm()
    for topic, records in sent.items():
        lines = read_by_node(hub, topic, len(records))
        assert {line["key"]: line["record"] for line in lines} == by_key(hub, topic, records)
        assert {line["headers"]["ce_type"] for line in lines} == {records[0].AVRO_NAME}


def read_by_node(hub: Hub, topic: str, count: int) -> list[dict[str, Any]]:
    """What tests/lab/npm/read.mjs prints."""
    where = [hub.cluster.bootstrap, hub.registry_url, topic, str(count)]
    ran = subprocess.run(
        ["node", "read.mjs", *where], cwd=BUILD, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def install_npm() -> None:
    """Install the locked packages under build/, once."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc", "read.mjs"):
        shutil.copy(NPM / name, BUILD / name)
    lock = (NPM / "package-lock.json").read_text(encoding="utf-8")
    installed = BUILD / ".installed"
    if installed.is_file() and installed.read_text(encoding="utf-8") == lock:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=BUILD, check=True, timeout=110, capture_output=True)
    installed.write_text(lock, encoding="utf-8")


def consumed(hub: Hub, topic: str, count: int) -> list[Any]:
    """The first `count` messages, by a consumer with Confluent's defaults."""
    consumer = Consumer(
        {
            "bootstrap.servers": hub.cluster.bootstrap,
            "group.id": f"foreign.{topic}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    found: list[Any] = []
    for _ in range(100):
        found += [message for message in consumer.consume(count, 0.3) if not message.error()]
        if len(found) == count:
            break
    consumer.close()
    return found
