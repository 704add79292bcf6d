"""The Quix peer of the engine benchmark: same records, exactly-once, state in RocksDB.

Quix has no in-memory store, so its state is on disk: read its figure with that in mind.
Arguments: bootstrap, input, output, group, state folder, schema id of StockLevel, file
with the schemas of StockMoved and StockLevel, each self-contained.
"""

import io
import json
import sys
from pathlib import Path

import fastavro
from quixstreams import Application
from quixstreams.models.serializers import Deserializer, Serializer


class FromAvro(Deserializer):
    """Confluent framing, one schema."""

    def __init__(self, schema):
        super().__init__()
        self.schema = schema

    def __call__(self, value, ctx):
        """Return the record as a dict."""
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), self.schema, None)


class ToAvro(Serializer):
    """Confluent framing, one schema."""

    def __init__(self, schema, schema_id):
        super().__init__()
        self.schema = schema
        self.frame = b"\x00" + schema_id.to_bytes(4, "big")

    def __call__(self, value, ctx):
        """Return the framed bytes."""
        out = io.BytesIO()
        out.write(self.frame)
        fastavro.schemaless_writer(out, self.schema, value)
        return out.getvalue()


def apply(moved, state):
    """on_hand += what enters, -= what leaves; one level out per movement."""
    meta = moved["meta"]
    location = moved["from_location"] or moved["to_location"]
    delta = -moved["quantity_milli"] if moved["from_location"] else moved["quantity_milli"]
    key = f"{moved['sku']}:{location}"
    on_hand, seq = state.get(key, default=(0, 0))
    on_hand, seq = on_hand + delta, seq + 1
    state.set(key, (on_hand, seq))
    return {
        "tenant": meta["tenant"],
        "sku": moved["sku"],
        "location": location,
        "on_hand_milli": on_hand,
        "ats_milli": max(0, on_hand),
        "seq": seq,
        "cause_id": meta["event_id"],
        "occurred_at_us": meta["occurred_at_us"],
        "accepted_at_us": meta["accepted_at_us"],
    }


def main(bootstrap, source, sink, group, state_dir, level_id, schemas):
    """Run until killed."""
    moved, level = (
        fastavro.parse_schema(schema) for schema in json.loads(Path(schemas).read_text())
    )
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.1,
        state_dir=state_dir,
        producer_extra_config={"compression.type": "lz4", "retry.backoff.ms": 5},
        loglevel="WARNING",
    )
    topic_in = app.topic(source, key_deserializer="str", value_deserializer=FromAvro(moved))
    topic_out = app.topic(sink, key_serializer="str", value_serializer=ToAvro(level, int(level_id)))
    app.dataframe(topic_in).apply(apply, stateful=True).to_topic(topic_out)
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
