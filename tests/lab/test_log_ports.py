"""The log's ports on a real Kafka: the contract suite, and what only a broker can show."""

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from confluent_kafka import Producer
from foreign import transactional_producer

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.clients import Cluster
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.logerrors import LogUnavailable
from omnihub.broker.ports import GroupReader
from omnihub.broker.reader import KafkaGroupReader, KafkaReader
from omnihub.contracts.codec import Codec
from omnihub.contracts.partition import partition_for


def contract_suite() -> ModuleType:
    """Load tests/contract/test_log_ports.py, which lies in no package."""
    path = Path(__file__).parents[1] / "contract" / "test_log_ports.py"
    spec = importlib.util.spec_from_file_location("log_ports_contract", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


suite = contract_suite()


class TestKafkaLog(suite.LogPortsContract):
    """Kafka keeps the promises that the double keeps."""

    @pytest.fixture
    async def log(self, tmp_path: Path, kafka_bootstrap: str) -> AsyncIterator[object]:
        topics, mark = suite.topics_marked(tmp_path)
        cluster, codec = Cluster(kafka_bootstrap), Codec.offline()
        TopicAdmin(cluster).ensure_topics(topics.all([], [], {}))

        async def join(group: str, names: Sequence[str]) -> GroupReader:
            return await KafkaGroupReader.join(cluster, names, codec, f"{mark}.{group}")

        async with KafkaAppender(cluster, topics, codec) as appender:
            reader = KafkaReader(cluster, topics, codec)
            yield suite.LogUnderTest(topics, appender, reader, join, mark)

    async def test_caught_up_also_where_the_log_ends_with_markers(
        self, log: object, kafka_bootstrap: str
    ) -> None:
        write_transaction(kafka_bootstrap, log, on_hand_milli=1, commit=True)
        write_transaction(kafka_bootstrap, log, on_hand_milli=2, commit=False)
        async with asyncio.timeout(20):
            [entry] = await log.reader.read_all([log.levels])
        assert entry.record.on_hand_milli == 1
        async with asyncio.timeout(20):
            async for batch in log.reader.follow([log.levels]):
                if not batch:
                    break

    async def test_keys_land_where_librdkafka_puts_them(
        self, log: object, kafka_bootstrap: str
    ) -> None:
        producer = Producer(transactional_producer(Cluster(kafka_bootstrap), f"{log.mark}.keys"))
        producer.init_transactions(20)
        producer.begin_transaction()
        placed: dict[bytes, int] = {}
        keys = [f"acme:{n}".encode() for n in range(200)]
        for key in keys:
            producer.produce(
                log.raw, key=key, on_delivery=lambda _, m: placed.update({m.key(): m.partition()})
            )
        producer.flush(20)
        producer.abort_transaction(20)
        assert placed == {key: partition_for(key, 4) for key in keys}


def write_transaction(bootstrap: str, log: object, on_hand_milli: int, commit: bool) -> None:
    """Write one level in a transaction of its own."""
    producer = Producer(transactional_producer(Cluster(bootstrap), f"{log.mark}.txn"))
    producer.init_transactions(20)
    producer.begin_transaction()
    record = suite.level(on_hand_milli=on_hand_milli)
    producer.produce(log.levels, Codec.offline().encode(record), key=b"k", partition=0)
    producer.flush(20)
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


async def test_a_broker_that_is_away_costs_one_time_out_and_the_appender_recovers(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    topics, mark = suite.topics_marked(tmp_path)
    running = own_kafka.status().broker
    assert running is not None
    cluster = Cluster(running.bootstrap)
    TopicAdmin(cluster).ensure_topics(topics.all([], [], {}))
    levels = f"omni.{mark}.level.state.v1"
    async with KafkaAppender(cluster, topics, Codec.offline(), timeout_s=2.0) as appender:
        await appender.append(levels, suite.level())
        await asyncio.to_thread(own_kafka.stop)
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(LogUnavailable, match=r"Check that Kafka|omnihub kafka start"):
                await appender.append(levels, suite.level())
        assert time.monotonic() - began < 5.0
        await asyncio.to_thread(own_kafka.start)
        await appender.append(levels, suite.level(on_hand_milli=7))
    left_over = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left_over == []
    values = {r.key for r in TopicAdmin(cluster).read(levels)}
    assert values == {b"acme:1082185:store-367"}
