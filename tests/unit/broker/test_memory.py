"""What the double offers beside the ports: bytes, ends, the view after compaction."""

from omnihub.broker.memory import MemoryLog
from omnihub.contracts.partition import partition_for
from omnihub.contracts.topics import Topics
from omnihub.model.ids import InstanceId
from omnihub.model.records import Cursor, ReleaseAction, ReleaseParked

CURSORS = "omni.cursor.v1"


def cursor(stream: str, offset: str) -> Cursor:
    return Cursor(instance=InstanceId("web"), stream=stream, offset=offset, saved_at_us=1)


async def test_compaction_leaves_the_newest_of_each_key_and_no_tombstone() -> None:
    log = MemoryLog(Topics.load())
    await log.append_many(CURSORS, [cursor("a", "1"), cursor("b", "1"), cursor("a", "2")])
    await log.remove(CURSORS, "web:b")
    assert log.compacted(CURSORS) == {"web:a": cursor("a", "2")}
    assert log.ends(CURSORS) == [4]


async def test_records_carry_identity_and_type_in_their_headers() -> None:
    log = MemoryLog(Topics.load())
    await log.append(CURSORS, cursor("a", "1"))
    [stored] = log.read(CURSORS, 0)
    assert stored.headers == (("ce_id", b"1/web:a"), ("ce_type", b"omnihub.Cursor"))


async def test_time_is_the_callers_or_the_clocks_never_the_machines() -> None:
    log = MemoryLog(Topics.load(), clock=lambda: 5_000_999)
    await log.append(CURSORS, cursor("a", "1"))
    await log.append(CURSORS, cursor("a", "2"), timestamp_us=7_000_000)
    assert [stored.timestamp_ms for stored in log.read(CURSORS, 0)] == [5_000, 7_000]


async def test_a_partition_can_be_given_for_what_belongs_to_no_key() -> None:
    log = MemoryLog(Topics.load())
    release = ReleaseParked(
        task="stock",
        park_key="acme:1:store-2",
        action=ReleaseAction.RETRY,
        requested_by="me",
        reason="mapped",
        requested_at_us=1,
    )
    inbox = "omni.stock.inbox.v1"
    other = (partition_for(b"acme:1:store-2", 4) + 1) % 4
    at = await log.append(inbox, release, partition=other)
    assert at.partition == other
    assert [entry.record for entry in await log.read_all([inbox])] == [release]


def test_a_changelog_is_made_by_its_spec() -> None:
    topics = Topics.load()
    log = MemoryLog(topics)
    log.create(topics.changelog("stock", "omni.stock.inbox.v1"))
    log.write("omni.changelog.stock.v1", 3, b"k", b"v", 1)
    assert log.ends("omni.changelog.stock.v1") == [0] * 3 + [1]
