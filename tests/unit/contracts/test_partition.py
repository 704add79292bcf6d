"""Partitions agree with the other clients of the same log."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from omnihub.contracts.partition import murmur2, partition_for


@given(st.binary(min_size=1, max_size=60), st.sampled_from([1, 4, 8, 48]))
def test_same_partition_as_aiokafka(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_for(key, count) == DefaultPartitioner()(key, partitions, partitions)


def test_the_vectors_of_kafkas_own_unit_test() -> None:
    vectors = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {key: murmur2(key) for key in vectors} == {
        key: hashed & 0xFFFFFFFF for key, hashed in vectors.items()
    }
