"""How far a sink's group is behind, asked of a real broker."""

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.appender import KafkaAppender
from omnihub.broker.backlog import GroupBacklog, Standing
from omnihub.broker.clients import Cluster
from omnihub.broker.reader import KafkaGroupReader
from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.model.ids import CommandId, InstanceId, Sku, TenantId
from omnihub.model.records import SetStockLevel


def level(name: str, instance: str) -> SetStockLevel:
    return SetStockLevel(
        command_id=CommandId(name),
        tenant=TenantId("t"),
        instance=InstanceId(instance),
        target=name,
        cause_id="c",
        accepted_at_us=0,
        sku=Sku("apple"),
        quantity_milli=1,
        seq=1,
    )


async def test_a_group_is_behind_by_what_it_has_not_committed(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    cluster, topics, codec = Cluster(kafka_bootstrap), Topics.load(), Codec.offline()
    name = topic_prefix.rstrip(".")
    topic, group = f"omni.command.{name}.v1", f"{name}.sink"
    TopicAdmin(cluster).ensure_topics([topics.spec(topic)])
    backlog = GroupBacklog(cluster, {group: topic})
    async with KafkaAppender(cluster, topics, codec) as appender:
        await appender.append_many(topic, [level(str(n), name) for n in range(5)])
    assert backlog.look() == {group: Standing(0, 5)}
    reader = await KafkaGroupReader.join(cluster, [topic], codec, group)
    taken = await reader.batch(3, 10.0)
    await reader.commit(taken)
    assert backlog.look()[group].behind == 5 - len(taken)
    await reader.close()
