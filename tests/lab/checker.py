"""Judges an exactly-once run from the log alone, by a second and naive implementation.

It reads the inputs, the read_committed outputs and the changelog, recomputes every key in input
order, and tells each difference in words: missing, extra, out of order, wrong value, stuck.
"""

from collections import Counter, defaultdict

from confluent_kafka import Consumer, TopicPartition

from omnihub.contracts.codec import Codec
from omnihub.model.records import StockLevel, StockMoved


def read_committed(bootstrap, topic, partitions):
    """Return (partition, key, value) of every committed record, in partition order."""
    found = []
    for partition in range(partitions):
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "checker",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(topic, partition, 0)])
        while True:
            message = consumer.poll(10)
            if message is None:
                raise AssertionError(f"stuck: {topic}[{partition}] never reached its end")
            if message.error():
                break
            found.append((partition, message.key(), message.value()))
        consumer.close()
    return found


def differences(bootstrap, inbox, events, state, changelog, partitions):
    """Return everything that is not as an ideal, never failing engine would have left it."""
    codec = Codec.offline()
    told = [codec.decode(value) for _, _, value in read_committed(bootstrap, inbox, partitions)]
    wanted_moves, wanted_sums = defaultdict(list), defaultdict(list)
    for event in told:
        wanted_moves[event.sku].append(event.movement_id)
        before = wanted_sums[event.sku][-1][0] if wanted_sums[event.sku] else 0
        after = before + event.quantity_milli
        wanted_sums[event.sku].append((after, len(wanted_sums[event.sku]) + 1))
    moves, sums = defaultdict(list), defaultdict(list)
    for _, _, value in read_committed(bootstrap, events, partitions):
        event = codec.decode(value)
        assert isinstance(event, StockMoved)
        moves[event.sku].append(event.movement_id)
    for _, _, value in read_committed(bootstrap, state, partitions):
        level = codec.decode(value)
        sums[level.sku].append((level.on_hand_milli, level.seq))
    found = [*_compare("event", wanted_moves, moves), *_compare("level", wanted_sums, sums)]
    return [*found, *_rows(bootstrap, changelog, partitions, codec, wanted_sums)]


def _compare(what, wanted, seen):
    for key in sorted(wanted.keys() | seen.keys()):
        if wanted[key] == seen[key]:
            continue
        expected, actual = Counter(wanted[key]), Counter(seen[key])
        missing, extra = expected - actual, actual - expected
        if missing:
            yield f"{what} {key}: missing {sorted(missing)[:3]}"
        if extra:
            yield f"{what} {key}: extra {sorted(extra)[:3]}"
        if not missing and not extra:
            yield f"{what} {key}: out of order"


def _rows(bootstrap, changelog, partitions, codec, wanted):
    rows = {}
    for partition, key, value in read_committed(bootstrap, changelog, partitions):
        kind, _, name = key.decode().partition("\x1f")
        if kind == StockLevel.__name__:
            level = codec.decode(value)
            rows[name] = (level.on_hand_milli, level.seq)
        assert partition < partitions
    for key in sorted(wanted.keys() | rows.keys()):
        if rows.get(key) != (wanted[key][-1] if wanted[key] else None):
            yield f"row {key}: {rows.get(key)}, expected {wanted[key][-1:]}"
