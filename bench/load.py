"""Preloads the benchmark's input: StockMoved records in Confluent framing, keyed by SKU."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import fastavro
from confluent_kafka import Producer

from omnihub.contracts.ids import SchemaIds

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
IDS = SchemaIds.offline()
MOVED_SCHEMA_ID = IDS.id_of("omnihub.StockMoved")
LEVEL_SCHEMA_ID = IDS.id_of("omnihub.StockLevel")
START_US = 1_700_000_000_000_000


def preload(bootstrap: str, topic: str, events: int, keys: int, parts: int) -> Iterator[int]:
    """Write `events` movements over `keys` SKUs; yield how many are written so far."""
    known: dict[str, object] = {}
    fastavro.parse_schema(json.loads((SCHEMAS / "common/EventMeta.avsc").read_text()), known)
    text = (SCHEMAS / "stock/StockMoved.avsc").read_text()
    schema = fastavro.parse_schema(json.loads(text), known)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 500_000,
        }
    )
    frame = b"\x00" + MOVED_SCHEMA_ID.to_bytes(4, "big")
    for number in range(events):
        out = io.BytesIO()
        out.write(frame)
        sku = f"SKU-{number * 7919 % keys:07d}"
        fastavro.schemaless_writer(out, schema, movement(number, sku))
        producer.produce(topic, out.getvalue(), f"bench:{sku}")
        if number % 20_000 == 0:
            producer.flush()
            yield number
    producer.flush()
    yield events


def movement(number: int, sku: str) -> dict[str, object]:
    """Return one movement: three sales to each receipt, in the shop of its SKU."""
    sale = number % 4 != 0
    shop = f"store-{number % 1:03d}"
    at_us = START_US + number * 1000
    event_id = f"{number:08x}-9dad-51d1-80b4-00c04fd430c8"
    return {
        "meta": {
            "tenant": "bench",
            "event_id": event_id,
            "cause_id": f"{number:08x}-9dad-51d1-80b4-00c04fd430c9",
            "source": "pos-main",
            "entity": f"saleline:003:2:2026-11-20:{number}:1",
            "occurred_at_us": at_us,
            "accepted_at_us": at_us + 500_000,
            "tz": "Europe/Brussels",
        },
        "movement_id": f"pos-main:003:2:2026-11-20:{number}:1",
        "sku": sku,
        "kind": "SALE" if sale else "RECEIPT",
        "from_location": shop if sale else None,
        "to_location": None if sale else shop,
        "quantity_milli": 1000,
    }
