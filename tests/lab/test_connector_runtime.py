"""A connector's process on a real Kafka: files in, commands out, the broker killed in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from omnihub_connectors.poslog.connector import PosLog

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.clients import Cluster
from omnihub.broker.embedded import EmbeddedKafka
from omnihub.broker.ports import Entry
from omnihub.broker.reader import KafkaGroupReader, KafkaReader
from omnihub.connect.config import Instance
from omnihub.connect.refs import CrossReferences
from omnihub.connect.runtime import ConnectorRuntime, Ports, commands_groups, commands_topic
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.model.ids import CommandId, InstanceId, Sku, TenantId
from omnihub.model.records import SetStockLevel
from omnihub.settings.model import InstanceSettings

POS, RAW, RESULTS = InstanceId("pos"), "omni.raw.poslog.v1", "omni.result.v1"
FILE = b"<POSLog></POSLog>"


class TwoWay(PosLog):
    """POSLog that also takes commands, to have both halves in one process."""

    written: ClassVar[list[str]] = []

    async def write(self, commands: Any) -> dict[CommandId, str]:
        """Remember what was written."""
        self.written.extend(command.command_id for command in commands)
        return {command.command_id: "ok" for command in commands}


class Lab:
    """One instance, its topics and its spool folder on a broker that may die."""

    def __init__(self, kafka: EmbeddedKafka, spool: Path) -> None:
        broker = kafka.status().broker
        assert broker is not None
        self.spool = spool
        self.cluster, self.topics = Cluster(broker.bootstrap), Topics.load()
        self.codec = Codec.offline()
        self.reader = KafkaReader(self.cluster, self.topics, self.codec)
        config = PosLog.config_type.model_validate({"spool": spool, "time_zone": "UTC"})
        settings = InstanceSettings(type="poslog")
        self.instance = Instance(TenantId("t"), POS, TwoWay, config, settings)
        TopicAdmin(self.cluster).ensure_topics(self.topics.all(["poslog"], ["pos"], {}))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KafkaAppender]:
        topics = [commands_topic(self.instance)]
        group = await KafkaGroupReader.join(
            self.cluster, topics, self.codec, commands_groups(self.instance)[""]
        )
        network = httpx.MockTransport(lambda request: httpx.Response(200))
        async with KafkaAppender(self.cluster, self.topics, self.codec) as appender:
            ports = Ports(self.reader, appender, {"": group}, network)
            runtime = ConnectorRuntime(self.instance, ports, CrossReferences({}))
            stop = asyncio.Event()
            task = asyncio.create_task(runtime.run(stop))
            try:
                yield appender
            finally:
                stop.set()
                await asyncio.wait_for(task, 30)

    def drop(self, name: str) -> None:
        part = self.spool / "incoming" / f".{name}"
        part.write_bytes(FILE)
        part.rename(self.spool / "incoming" / name)

    async def until(self, topic: str, number: int) -> list[Entry]:
        async with asyncio.timeout(60):
            while True:
                found = await self.reader.read_all([topic])
                if len({entry.key for entry in found}) >= number:
                    return found
                await asyncio.sleep(0.1)


@pytest.fixture
def lab(own_kafka: EmbeddedKafka, tmp_path: Path) -> Lab:
    (tmp_path / "spool" / "incoming").mkdir(parents=True)
    TwoWay.written.clear()
    return Lab(own_kafka, tmp_path / "spool")


def level(name: str) -> SetStockLevel:
    return SetStockLevel(
        command_id=CommandId(name),
        tenant=TenantId("t"),
        instance=POS,
        target=name,
        cause_id="c",
        accepted_at_us=0,
        sku=Sku("apple"),
        quantity_milli=1,
        seq=1,
    )


async def test_files_survive_a_broker_that_is_killed(lab: Lab, own_kafka: EmbeddedKafka) -> None:
    async with lab.running():
        for number in range(20):
            lab.drop(f"before-{number}.xml")
        await lab.until(RAW, 20)
        own_kafka.kill()
        for number in range(20):
            lab.drop(f"during-{number}.xml")
        await asyncio.sleep(1.0)
        archived = {path.name for path in (lab.spool / "archive").iterdir()}
        assert not [name for name in archived if name.startswith("during")]
        own_kafka.start()
        found = await lab.until(RAW, 40)
    assert {entry.record.name for entry in found} == {
        f"{part}-{number}.xml" for part in ("before", "during") for number in range(20)
    }
    assert list((lab.spool / "incoming").iterdir()) == []


async def test_a_command_is_answered_and_not_asked_again_by_the_next_process(lab: Lab) -> None:
    async with lab.running() as appender:
        await appender.append_many("omni.command.pos.v1", [level("a"), level("b")])
        results = await lab.until(RESULTS, 2)
    async with lab.running() as appender:
        await appender.append("omni.command.pos.v1", level("c"))
        await lab.until(RESULTS, 3)
    assert {entry.record.outcome for entry in results} == {"DONE"}
    assert sorted(TwoWay.written) == ["a", "b", "c"]
