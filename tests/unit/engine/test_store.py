"""What every store does, in memory and on disk: rows as last committed or restored."""

import pytest

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.engine.disk import DiskStores
from omnihub.engine.store import Changelog, MemoryStores, changelog_key, row_key
from omnihub.model.records import ParkedQueue, TaskPosition

CODEC = Codec.offline()
QUEUE = ParkedQueue(first_index=3, next_index=5)
PLACE = ("omni.changelog.stock.v1", 3)
KEY = changelog_key((ParkedQueue, "k"))


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    stores = MemoryStores() if request.param == "memory" else DiskStores(tmp_path)
    store = stores.store(*PLACE, CODEC)
    assert store.resume(Changelog("topic", 0, 10)) == 0
    yield store
    stores.close()


def apply(store, rows):
    changes = [(changelog_key(key), row and CODEC.encode(row)) for key, row in rows.items()]
    store.apply(rows, changes, 1)


def test_the_last_changelog_record_of_a_key_wins(store):
    first = ParkedQueue(first_index=0, next_index=1)
    store.restore([(KEY, CODEC.encode(first)), (KEY, CODEC.encode(QUEUE))], 2)
    assert store.get((ParkedQueue, "k")) == QUEUE
    store.restore([(KEY, None)], 3)
    assert store.get((ParkedQueue, "k")) is None
    assert list(store.of_kind(ParkedQueue)) == []


def test_what_was_committed_is_read(store):
    apply(store, {(ParkedQueue, "k"): QUEUE})
    assert store.get((ParkedQueue, "k")) == QUEUE
    apply(store, {(ParkedQueue, "k"): None})
    assert store.get((ParkedQueue, "k")) is None


def test_rows_of_one_kind_are_found_without_the_others(store):
    apply(
        store,
        {(ParkedQueue, "a"): QUEUE, (TaskPosition, ""): TaskPosition(topic="t", next_offset=1)},
    )
    store.restore([(KEY, CODEC.encode(QUEUE))], 9)
    assert dict(store.of_kind(ParkedQueue)) == {"a": QUEUE, "k": QUEUE}


def test_a_row_that_cannot_be_read_is_found_when_it_is_restored(store):
    with pytest.raises(Undecodable):
        store.restore([(KEY, b"\x00\x00\x00\xff\xff...")], 1)


def test_a_row_of_an_unknown_type_is_found_when_it_is_restored(store):
    with pytest.raises(KeyError, match="Futuristic"):
        store.restore([(b"Futuristic\x1fk", CODEC.encode(QUEUE))], 1)


@pytest.mark.parametrize("name", ["", "t:sku:shop", "ключ", "a\x1fb"])
def test_a_changelog_key_is_read_back_as_written(name):
    at = (ParkedQueue, name)
    assert row_key(changelog_key(at)) == at
