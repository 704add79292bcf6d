"""Which partition a key belongs to: the same answer as Kafka's Java client gives.

Guarantees: `partition_for` equals Java's `BuiltInPartitioner.partitionForKey`, librdkafka's
`murmur2_random` and aiokafka's default partitioner, so every client of a topic agrees.
"""

from functools import lru_cache
from struct import unpack_from

_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_WORD = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """Return the unsigned 32-bit murmur2 hash of `data`, as org.apache.kafka Utils.murmur2."""
    length = len(data)
    whole = length & ~3
    hashed = _SEED ^ length
    for word in unpack_from(f"<{length >> 2}I", data):
        word = word * _MIX & _WORD
        word = (word ^ word >> 24) * _MIX & _WORD
        hashed = (hashed * _MIX & _WORD) ^ word
    if length > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MIX & _WORD
    hashed = (hashed ^ hashed >> 13) * _MIX & _WORD
    return hashed ^ hashed >> 15


@lru_cache(maxsize=1 << 17)
def partition_for(key: bytes, count: int) -> int:
    """Return the partition of `key` on a topic of `count` partitions."""
    return (murmur2(key) & _POSITIVE) % count
