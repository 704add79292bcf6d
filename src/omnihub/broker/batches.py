"""Records on their way to the log: one chain of record batches for each partition.

Guarantees: the order of a partition's records; batches of format 2 that any broker since 0.11
takes, compressed by lz4 where that makes them smaller, of at most `BATCH_BYTES` before that unless
one record alone is larger. Does not: send anything.
Source: Apache Kafka, `DefaultRecordBatch.java` and `ProduceRequest.json` (one batch a partition).
"""

from collections.abc import Iterator

import cramjam
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from omnihub.broker.ports import Partition

BATCH_BYTES = 1024 * 1024
REQUEST_BYTES = 32 * 1024 * 1024
"""A broker takes requests of up to 100 MiB (`socket.request.max.bytes`)."""
MAGIC = 2
LZ4 = 3
LENGTH_AT, LEADER_EPOCH_AT, CRC_AT, ATTRIBUTES_AT, LAST_OFFSET_AT, RECORDS_AT = (
    8,
    12,
    17,
    21,
    23,
    61,
)


class Batch:
    """Records of one partition that are sent at once."""

    __slots__ = ("_builder", "append", "count")

    def __init__(self) -> None:
        self._builder = DefaultRecordBatchBuilder(MAGIC, 0, True, -1, -1, -1, BATCH_BYTES)
        self.append = self._builder.append
        self.count = 0

    @property
    def size(self) -> int:
        """Return its bytes before they are compressed."""
        return int(self._builder.size())

    def sealed(self, producer_id: int, epoch: int, sequence: int) -> bytes:
        """Return the batch as the log keeps it; `sequence` is its first record's."""
        self._builder.set_producer_state(producer_id, epoch, sequence)
        return compressed(bytes(self._builder.build()))


class Chain:
    """All records of one partition, in one batch or more."""

    __slots__ = ("_last", "batches")

    def __init__(self) -> None:
        self._last = Batch()
        self.batches = [self._last]

    def append(
        self,
        key: bytes,
        value: bytes | None,
        timestamp_ms: int,
        headers: list[tuple[str, bytes]],
    ) -> None:
        """Append a record; `value` None is a tombstone."""
        last = self._last
        if last.append(last.count, timestamp_ms, key, value, headers) is None:  # It is full.
            last = self._last = Batch()
            self.batches.append(last)
            last.append(0, timestamp_ms, key, value, headers)
        last.count += 1


class Batches:
    """The records of one transaction."""

    def __init__(self) -> None:
        self._chains: dict[Partition, Chain] = {}

    def chain(self, topic: str, partition: int) -> Chain:
        """Return the chain of a partition, a new one the first time."""
        chain = self._chains.get((topic, partition))
        if chain is None:
            chain = self._chains[topic, partition] = Chain()
        return chain

    @property
    def partitions(self) -> list[Partition]:
        """Return the partitions that have records."""
        return [at for at, chain in self._chains.items() if chain.batches[0].count]

    def rounds(self) -> Iterator[dict[Partition, Batch]]:
        """Yield what is sent at once, round after round: one batch a partition at most."""
        longest = max((len(chain.batches) for chain in self._chains.values()), default=0)
        for number in range(longest):
            size, together = 0, dict[Partition, Batch]()
            for at, chain in self._chains.items():
                for batch in chain.batches[number : number + 1]:
                    if not batch.count:
                        continue
                    if size + batch.size > REQUEST_BYTES and together:
                        yield together
                        size, together = 0, {}
                    size += batch.size
                    together[at] = batch
            if together:
                yield together


def compressed(batch: bytes) -> bytes:
    """Return a batch with its records compressed, or as it is where that does not help.

    aiokafka's builder would use lz4's level 9: seven times as long for a twentieth less.
    """
    compressor = cramjam.lz4.Compressor(level=0, content_checksum=False, block_linked=False)
    compressor.compress(batch[RECORDS_AT:])
    records = bytes(compressor.finish())
    if len(records) >= len(batch) - RECORDS_AT:
        return batch
    attributes = int.from_bytes(batch[ATTRIBUTES_AT:LAST_OFFSET_AT]) | LZ4
    checked = attributes.to_bytes(2) + batch[LAST_OFFSET_AT:RECORDS_AT] + records
    length = CRC_AT + 4 - LEADER_EPOCH_AT + len(checked)
    return b"".join(
        (
            batch[:LENGTH_AT],
            length.to_bytes(4),
            batch[LEADER_EPOCH_AT:CRC_AT],
            calc_crc32c(checked).to_bytes(4),
            checked,
        )
    )
