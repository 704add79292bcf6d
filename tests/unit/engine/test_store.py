"""The store in memory: rows as last committed or restored, decoded when first used."""

import pytest

from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.engine.store import MemoryStore, changelog_key, kinds_by_name, row_key
from omnihub.model.records import RECORDS, ParkedQueue, TaskPosition

QUEUE = ParkedQueue(first_index=3, next_index=5)


@pytest.fixture
def codec():
    return Codec.offline()


def test_the_last_changelog_record_of_a_key_wins(codec):
    store = MemoryStore(codec)
    at = (ParkedQueue, "k")
    store.restore(at, codec.encode(ParkedQueue(first_index=0, next_index=1)))
    store.restore(at, codec.encode(QUEUE))
    assert store.get(at) == QUEUE
    store.restore(at, None)
    assert store.get(at) is None
    assert len(store) == 0


def test_rows_of_one_kind_are_found_without_the_others(codec):
    store = MemoryStore(codec)
    store.apply(
        {(ParkedQueue, "a"): QUEUE, (TaskPosition, ""): TaskPosition(topic="t", next_offset=1)}
    )
    store.restore((ParkedQueue, "b"), codec.encode(QUEUE))
    assert dict(store.of_kind(ParkedQueue)) == {"a": QUEUE, "b": QUEUE}


def test_a_row_that_cannot_be_read_is_found_when_it_is_restored(codec):
    with pytest.raises(Undecodable):
        MemoryStore(codec).restore((ParkedQueue, "k"), b"\x00\x00\x00\xff\xff...")


@pytest.mark.parametrize("name", ["", "t:sku:shop", "ключ", "a\x1fb"])
def test_a_changelog_key_is_read_back_as_written(name):
    at = (ParkedQueue, name)
    assert row_key(changelog_key(at), kinds_by_name(RECORDS)) == at
