"""Rows on disk: what is continued from, what is given up, and that memory stays bounded."""

import os
import subprocess
import sys

import msgspec
import pytest

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.engine.disk import OLDEST_S, DiskStores, after
from omnihub.engine.errors import SlotTaken, StoreUnusable
from omnihub.engine.rowcache import RowCache
from omnihub.engine.store import Changelog, changelog_key
from omnihub.model.records import ParkedBody, ParkedQueue

CODEC = Codec.offline()
TOPIC = "omni.changelog.stock.v1"


def queue(number):
    return ParkedQueue(first_index=0, next_index=number)


class Disk:
    """One slot's folder over several starts; `now_s` is its clock."""

    def __init__(self, folder):
        self.folder, self.now_s = folder, 1_000_000
        self.stores = self.start()

    def start(self, cached_rows=1000):
        self.stores = DiskStores(self.folder, cached_rows, now_ms=lambda: int(self.now_s * 1000))
        return self.stores

    def store(self, partition=0, topic=TOPIC):
        return self.stores.store(topic, partition, CODEC)

    def restart(self):
        """As after a kill: nothing was said, but the lock is gone."""
        self.stores._shut()
        self.start()
        return self.store()


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path / "state")
    yield disk
    disk.stores.close()


def changelog(end, low=0, topic_id="abc"):
    return Changelog(topic_id, low, end)


def commit(store, **numbers):
    rows = {(ParkedQueue, key): n and queue(n) for key, n in numbers.items()}
    changes = [(changelog_key(key), row and CODEC.encode(row)) for key, row in rows.items()]
    store.apply(rows, changes, 1)


def told(store):
    return {key: row.next_index for key, row in store.of_kind(ParkedQueue)}


def test_the_next_start_reads_on_where_the_last_commit_ended(disk):
    store = disk.store()
    assert store.resume(changelog(end=0)) == 0
    commit(store, a=1, b=2)
    commit(store, a=None, c=3)
    store = disk.restart()
    assert store.resume(changelog(end=6)) == 6  # Two commits of two rows and a marker each.
    assert told(store) == {"b": 2, "c": 3}


def test_offsets_of_aborted_transactions_are_read_again_not_missed(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    commit(store, a=1)
    store = disk.restart()
    assert store.resume(changelog(end=50)) == 2


def test_a_restore_that_was_interrupted_goes_on_where_it_was(disk):
    store = disk.store()
    store.resume(changelog(end=100))
    store.restore([(changelog_key((ParkedQueue, "a")), CODEC.encode(queue(1)))], 40)
    store = disk.restart()
    assert store.resume(changelog(end=100)) == 40
    assert told(store) == {"a": 1}


def test_of_a_rows_many_versions_the_last_one_wins(disk):
    store = disk.store()
    store.resume(changelog(end=9))
    key, other = changelog_key((ParkedQueue, "b")), changelog_key((ParkedQueue, "a"))
    versions = [CODEC.encode(queue(number)) for number in (9, 3, 7, 1)]
    store.restore([(key, versions[0]), (other, versions[2]), *((key, v) for v in versions)], 5)
    assert told(store) == {"a": 7, "b": 1}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (changelog(end=9, topic_id="another"), "the topic was made anew"),
        (changelog(end=1), "the topic lost its tail"),
        (changelog(end=99, low=50), "the topic lost its head"),
    ],
)
def test_rows_that_the_changelog_does_not_continue_are_wiped(disk, found, why):
    store = disk.store()
    store.resume(changelog(end=0))
    commit(store, a=1)
    store = disk.restart()
    assert store.resume(found) == found.low, why
    assert told(store) == {}
    assert store.get((ParkedQueue, "a")) is None


def test_rows_older_than_half_of_what_tombstones_live_are_wiped(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    commit(store, a=1)
    disk.now_s += OLDEST_S + 1
    store = disk.restart()
    assert store.resume(changelog(end=2)) == 0
    assert told(store) == {}


def test_a_clean_stop_does_not_vouch_for_a_partition_that_went_elsewhere(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    commit(store, a=1)
    disk.now_s += OLDEST_S - 1  # Meanwhile another worker has it.
    disk.stores.close()
    disk.now_s += 2
    disk.start()
    assert disk.store().resume(changelog(end=99)) == 0
    assert told(disk.store()) == {}


def test_partitions_and_topics_keep_apart(disk):
    stores = [disk.store(0), disk.store(1), disk.store(0, "omni.changelog.order.v1")]
    for number, store in enumerate(stores, start=1):
        store.resume(changelog(end=0))
        commit(store, a=number)
    assert [told(store) for store in stores] == [{"a": 1}, {"a": 2}, {"a": 3}]
    disk.restart()
    assert told(disk.store(1)) == {"a": 2}


def test_rows_far_beyond_the_cache_are_found(disk):
    disk.stores.close()
    disk.start(cached_rows=100)
    store = disk.store()
    store.resume(changelog(end=0))
    for number in range(1, 2001):
        commit(store, **{f"k{number}": number})
    assert len(disk.stores._cache) <= 100
    assert all(store.get((ParkedQueue, f"k{n}")) == queue(n) for n in range(1, 2001))
    assert len(disk.stores._cache) <= 100


def test_a_task_that_is_opened_anew_does_not_meet_rows_it_held_before(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    commit(store, a=1)
    # Meanwhile another worker had the partition.
    store = disk.store()
    store.resume(changelog(end=9))
    store.restore([(changelog_key((ParkedQueue, "a")), CODEC.encode(queue(7)))], 9)
    assert store.get((ParkedQueue, "a")) == queue(7)


def test_rows_under_a_schema_of_a_newer_release_are_refused_when_opened(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    newer = b"\x00\x00\x00\xff\xff" + b"new"
    store.apply({}, [(changelog_key((ParkedQueue, "a")), newer)], 1)
    with pytest.raises(Undecodable):
        disk.restart().resume(changelog(end=2))


def test_a_database_that_cannot_be_read_is_wiped_and_restored(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    commit(store, a=1)
    disk.stores.close()
    for file in (disk.folder / "rows").glob("MANIFEST*"):
        file.write_bytes(b"garbage" * 10)
    disk.start()
    store = disk.store()
    assert store.resume(changelog(end=2)) == 0
    commit(store, a=2)
    assert told(store) == {"a": 2}


def test_a_block_that_is_found_corrupt_while_working_wipes_at_the_next_opening(disk):
    store = disk.store()
    store.resume(changelog(end=0))
    for number in range(1, 3000):
        commit(store, **{f"k{number}": number})
    disk.stores.close()
    table = max((disk.folder / "rows").glob("*.sst"), key=lambda file: file.stat().st_size)
    data = bytearray(table.read_bytes())
    data[8_000:16_000] = bytes(8_000)  # Not the first block: that one is read when it is opened.
    table.write_bytes(data)
    disk.start()
    with pytest.raises(StoreUnusable, match="Corruption"):
        told(disk.store())
    store = disk.store()  # Opened anew.
    assert store.resume(changelog(end=5998)) == 0
    assert told(store) == {}


def test_two_processes_never_share_a_folder(disk):
    disk.store()
    script = (
        "import sys; from pathlib import Path; from omnihub.engine.disk import DiskStores\n"
        "DiskStores(Path(sys.argv[1])).open()"
    )
    command = [sys.executable, "-c", script, str(disk.folder)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert told.returncode != 0
    assert "SlotTaken" in told.stderr
    with pytest.raises(SlotTaken, match="another slot"):
        DiskStores(disk.folder).open()


def test_a_folder_that_may_not_be_written_is_told_and_tried_again(tmp_path):
    in_the_way = tmp_path / "state"
    in_the_way.write_text("a file where the folder should be")
    stores = DiskStores(in_the_way)
    with pytest.raises(StoreUnusable, match="Give it room and rights"):
        stores.open()
    in_the_way.unlink()
    stores.open()
    stores.close()


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_is_told_and_work_goes_on_once_there_is_room(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    stores = DiskStores(small / "state")
    try:
        store = stores.store(TOPIC, 0, CODEC)
        store.resume(changelog(end=0))
        with pytest.raises(StoreUnusable, match="No space"):
            fill(store)
        with pytest.raises(StoreUnusable):
            stores.store(TOPIC, 0, CODEC).resume(changelog(end=10**6))
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        store = stores.store(TOPIC, 0, CODEC)
        reached = store.resume(changelog(end=10**6))
        assert 0 <= reached < 10**6
        commit(store, a=1)
        assert store.get((ParkedQueue, "a")) == queue(1)
    finally:
        stores.close()
        subprocess.run(["umount", "-l", str(small)], check=True)


def fill(store):
    for number in range(20_000):
        noise = os.urandom(4096)  # What cannot be compressed away.
        body = msgspec.structs.replace(BODY, value=noise)
        store.restore([(changelog_key((ParkedBody, f"k{number}")), CODEC.encode(body))], number)


BODY = ParkedBody(
    topic="t",
    partition=0,
    offset=0,
    value=b"",
    timestamp_ms=0,
    error_class="",
    error="",
    cure="",
    attempts=1,
    parked_at_us=0,
)


SPACE = (b"", ParkedQueue)


def test_a_row_cache_holds_the_newest_and_no_more_than_it_may():
    cache = RowCache(10)
    for number in range(100):
        cache.put(SPACE, str(number), queue(number))
        assert len(cache) <= 10
    assert cache.get(SPACE, "99") == queue(99)
    assert cache.get(SPACE, "1") is None
    cache.drop(SPACE, "99")
    assert cache.get(SPACE, "99") is None


def test_a_row_cache_takes_a_commit_whole():
    cache = RowCache(100)
    rows = {(ParkedQueue, str(number)): queue(number) for number in range(49)}
    cache.take(b"", rows)
    cache.take(b"", {(ParkedQueue, "1"): None, (ParkedQueue, "2"): queue(7)})
    assert cache.get(SPACE, "1") is None
    assert cache.get(SPACE, "2") == queue(7)
    assert len(cache) == 48
    cache.take(b"", {(ParkedQueue, str(number)): queue(number) for number in range(100, 250)})
    assert cache.get(SPACE, "249") == queue(249)
    cache.take(b"", {(ParkedQueue, str(number)): queue(number) for number in range(300, 350)})
    assert cache.get(SPACE, "3") is None
    assert len(cache) == 51  # With 249, which was asked for.


@pytest.mark.parametrize("prefix", [b"r\x00\x00", b"r\x00\xff", b"r\xff\xff", b"p"])
def test_a_prefix_ends_before_the_next_one(prefix):
    end = after(prefix)
    assert prefix + b"\xff" * 9 < end
    assert len(end) == len(prefix)
