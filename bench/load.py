"""The benchmark's records in plain fastavro: StockMoved in, StockLevel out, Confluent framing.

Guarantees: nothing here uses the hub's own codec, so what is fed in and what peers in Python write
does not depend on what is measured.
"""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import fastavro
from confluent_kafka import Producer

from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import own_schemas

IDS = SchemaIds.offline()
MOVED_SCHEMA_ID = IDS.id_of("omnihub.StockMoved")
LEVEL_SCHEMA_ID = IDS.id_of("omnihub.StockLevel")
START_US = 1_700_000_000_000_000
FRAME_BYTES = 5
Plain = dict[str, Any]
MOVED_SCHEMA, LEVEL_SCHEMA = (
    own_schemas()[f"omnihub.{name}"] for name in ("StockMoved", "StockLevel")
)
MOVED, LEVEL = fastavro.parse_schema(MOVED_SCHEMA), fastavro.parse_schema(LEVEL_SCHEMA)


def producer(bootstrap: str, linger_ms: int) -> Producer:
    """Return a producer that agrees with everyone about partitions."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": linger_ms,
            "compression.type": "lz4",
            "acks": "all",
            "queue.buffering.max.messages": 500_000,
        }
    )


def preload(bootstrap: str, topic: str, events: int, keys: int, parts: int) -> Iterator[int]:
    """Write `events` movements over `keys` SKUs; yield how many are written so far."""
    writing = producer(bootstrap, 50)
    for number in range(events):
        sku = sku_of(number, keys)
        writing.produce(topic, movement_value(movement(number, sku)), f"bench:{sku}")
        if number % 20_000 == 0:
            writing.flush()
            yield number
    writing.flush()
    yield events


def sku_of(number: int, keys: int) -> str:
    """Return the SKU of one movement: every key in turn, neighbours far apart."""
    return f"SKU-{number * 7919 % keys:07d}"


def movement(number: int, sku: str, accepted_at_us: int | None = None) -> Plain:
    """Return one movement: three sales to each receipt, in one shop."""
    sale = number % 4 != 0
    at_us = START_US + number * 1000
    return {
        "meta": {
            "tenant": "bench",
            "event_id": f"{number:08x}-9dad-51d1-80b4-00c04fd430c8",
            "cause_id": f"{number:08x}-9dad-51d1-80b4-00c04fd430c9",
            "source": "pos-main",
            "entity": f"saleline:003:2:2026-11-20:{number}:1",
            "occurred_at_us": at_us,
            "accepted_at_us": at_us + 500_000 if accepted_at_us is None else accepted_at_us,
            "tz": "Europe/Brussels",
        },
        "movement_id": f"pos-main:003:2:2026-11-20:{number}:1",
        "sku": sku,
        "kind": "SALE" if sale else "RECEIPT",
        "from_location": "store-000" if sale else None,
        "to_location": None if sale else "store-000",
        "quantity_milli": 1000,
    }


def movement_value(moved: Mapping[str, Any]) -> bytes:
    """Return a movement framed."""
    return _framed(MOVED, MOVED_SCHEMA_ID, moved)


def moved_of(value: bytes) -> Plain:
    """Return the movement in `value`."""
    return fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), MOVED, None)  # type: ignore[return-value]


def level_value(level: Mapping[str, Any]) -> bytes:
    """Return a level framed."""
    return _framed(LEVEL, LEVEL_SCHEMA_ID, level)


def level_at(value: bytes) -> Plain:
    """Return the level in `value`."""
    return fastavro.schemaless_reader(io.BytesIO(value[FRAME_BYTES:]), LEVEL, None)  # type: ignore[return-value]


def level_after(moved: Plain, old: Plain | None) -> Plain:
    """Return the level after one movement: what every side computes."""
    meta, leaves = moved["meta"], moved["from_location"]
    delta = -moved["quantity_milli"] if leaves else moved["quantity_milli"]
    on_hand = (old["on_hand_milli"] if old else 0) + delta
    return {
        "tenant": meta["tenant"],
        "sku": moved["sku"],
        "location": leaves or moved["to_location"],
        "on_hand_milli": on_hand,
        "ats_milli": max(0, on_hand),
        "seq": (old["seq"] if old else 0) + 1,
        "cause_id": meta["event_id"],
        "occurred_at_us": meta["occurred_at_us"],
        "accepted_at_us": meta["accepted_at_us"],
    }


def _framed(schema: Any, schema_id: int, value: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(b"\x00" + schema_id.to_bytes(FRAME_BYTES - 1, "big"))
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()
