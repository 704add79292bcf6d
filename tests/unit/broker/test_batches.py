"""Record batches as aiokafka reads them; librdkafka and the broker judge them in the lab."""

import os

from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from omnihub.broker import batches as module
from omnihub.broker.batches import BATCH_BYTES, Batch, Batches, compressed

NOW_MS = 1_790_000_000_000
records = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.binary(max_size=20),
        st.none() | st.binary(max_size=300),
        st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=9)), max_size=2),
    ),
    max_size=40,
)


def read(batch: bytes):
    """Return the records of one batch, whose checksum must be right."""
    found = MemoryRecords(batch).next_batch()
    assert found.validate_crc()
    return found, list(found)


@given(records)
def test_what_is_read_is_what_was_appended(sent):
    made = Batches()
    for number, (partition, key, value, headers) in enumerate(sent):
        made.chain("t", partition).append(key, value, NOW_MS + number, headers)
    found = {}
    for together in made.rounds():
        for (_, partition), batch in together.items():
            header, found[partition] = read(batch.sealed(7, 3, 40))
            assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 3, 40)
            assert header.is_transactional
            assert batch.count == len(found[partition])
    for partition, its in found.items():
        wanted = [(n, *each[1:]) for n, each in enumerate(sent) if each[0] == partition]
        assert [(r.timestamp - NOW_MS, r.key, r.value, r.headers) for r in its] == wanted
    assert set(found) == {each[0] for each in sent}


def test_what_repeats_is_compressed_and_what_does_not_is_left():
    def one(value: bytes) -> bytes:
        batch = Batch()
        batch.append(0, NOW_MS, b"k", value, [])
        return batch.sealed(1, 1, 0)

    same, noise = one(b"x" * 10_000), one(noise_value := os.urandom(10_000))
    assert len(same) < 300
    assert read(same)[0].compression_type == module.LZ4
    assert len(noise) > 10_000
    assert read(noise)[0].compression_type == 0
    assert read(noise)[1][0].value == noise_value
    assert compressed(noise) == noise


def test_a_full_batch_is_followed_by_another_in_the_next_round():
    made, value = Batches(), b"v" * 100_000
    for number in range(25):
        made.chain("t", 0).append(b"%d" % number, value, NOW_MS, [])
    made.chain("t", 1).append(b"k", b"v", NOW_MS, [])
    rounds = list(made.rounds())
    assert [set(together) for together in rounds] == [{("t", 0), ("t", 1)}, {("t", 0)}, {("t", 0)}]
    keys = [r.key for each in rounds for r in read(each["t", 0].sealed(1, 1, 0))[1]]
    assert keys == [b"%d" % number for number in range(25)]
    assert all(each["t", 0].size <= BATCH_BYTES for each in rounds)


def test_a_record_larger_than_a_batch_goes_alone():
    made = Batches()
    for size in (10, 3 * BATCH_BYTES, 10):
        made.chain("t", 0).append(b"k", b"v" * size, NOW_MS, [])
    assert [each["t", 0].count for each in made.rounds()] == [1, 1, 1]


def test_a_request_stays_below_what_a_broker_takes(monkeypatch):
    monkeypatch.setattr(module, "REQUEST_BYTES", 250_000)
    made = Batches()
    for partition in range(5):
        made.chain("t", partition).append(b"k", b"v" * 100_000, NOW_MS, [])
    assert [len(together) for together in made.rounds()] == [2, 2, 1]


def test_nothing_is_no_round():
    made = Batches()
    assert list(made.rounds()) == []
    made.chain("t", 0)
    assert list(made.rounds()) == made.partitions == []
