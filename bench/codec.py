"""Measures both codecs per record beside plain fastavro with msgspec.convert / to_builtins.

    .venv/bin/python bench/codec.py [--json]

Times of events are all different (the codec's tables of times never hit) unless a row says
"shared", as lines of one basket do. Figures: best of 7 rounds, microseconds per record.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import fastavro
import msgspec

from omnihub.contracts.avsc import load_schemas
from omnihub.contracts.codec import Codec
from omnihub.contracts.inline import self_contained
from omnihub.contracts.native import is_installed
from omnihub.model.ids import EventId, LocationId, MovementId, Sku, TenantId, derive_id
from omnihub.model.record import Record
from omnihub.model.records import EventMeta, MovementKind, StockLevel, StockMoved

Timed = tuple[Callable[[Any], Any], Sequence[Sequence[Any]]]
RECORDS = 2_000
ROUNDS = 7
EPOCH_US = 1_795_370_784_123_456


def moved(number: int, at_us: int) -> StockMoved:
    """A till line as the demo's POS files give it."""
    meta = EventMeta(
        tenant=TenantId("acme"),
        event_id=EventId(derive_id(f"line:{number}", "sale")),
        cause_id=derive_id(f"line:{number}", "delivery"),
        source="pos",
        entity=f"line:store-367/2026-11-22/4/{number}/3",
        occurred_at_us=at_us - 250_000,
        accepted_at_us=at_us,
        tz="Europe/Brussels",
    )
    return StockMoved(
        meta=meta,
        movement_id=MovementId(derive_id(f"line:{number}", "movement")),
        sku=Sku(str(1_000_000 + number)),
        kind=MovementKind.SALE,
        from_location=LocationId("store-367"),
        quantity_milli=2_000,
    )


def level(number: int, at_us: int) -> StockLevel:
    """The state row of one SKU in one store."""
    return StockLevel(
        tenant=TenantId("acme"),
        sku=Sku(str(1_000_000 + number)),
        location=LocationId("store-367"),
        on_hand_milli=12_000 + number,
        ats_milli=11_000 + number,
        seq=number,
        cause_id=derive_id(f"line:{number}", "sale"),
        occurred_at_us=at_us - 250_000,
        accepted_at_us=at_us,
    )


def per_record_us(calls: Sequence[Timed]) -> list[float]:
    """Microseconds per call, best round of each; the rounds of all calls alternate."""
    best = [float("inf")] * len(calls)
    for at in range(ROUNDS):
        for number, (call, rounds) in enumerate(calls):
            values = rounds[at]
            began = time.perf_counter_ns()
            for value in values:
                call(value)
            took_us = (time.perf_counter_ns() - began) / len(values) / 1000
            best[number] = min(best[number], took_us)
    return [round(figure, 2) for figure in best]


class PlainFastavro:
    """What one would write without a codec of one's own."""

    def __init__(self, kind: type[Record]) -> None:
        self._kind = kind
        self._schema = fastavro.parse_schema(self_contained(load_schemas())[kind.AVRO_NAME])

    def encode(self, record: Record) -> bytes:
        """Return the body, unframed."""
        buffer = BytesIO()
        fastavro.schemaless_writer(buffer, self._schema, msgspec.to_builtins(record))
        return buffer.getvalue()

    def decode(self, body: bytes) -> Record:
        """Return the record in `body`."""
        return msgspec.convert(fastavro.schemaless_reader(BytesIO(body), self._schema), self._kind)


def measure(make: Callable[[int, int], Record], step_us: int) -> dict[str, float]:
    """One row: `step_us` apart are the times of one record and the next."""
    python = Codec.offline(is_native=False)
    native = Codec.offline(is_native=is_installed)
    rounds = [
        [make(n, EPOCH_US + step_us * (at * RECORDS + n)) for n in range(RECORDS)]
        for at in range(ROUNDS)
    ]
    naive = PlainFastavro(type(rounds[0][0]))
    framed = [[native.encode(record) for record in values[:1]] for values in rounds]
    bodies = [[naive.encode(record) for record in values] for values in rounds]
    assert [one[0][5:] for one in framed] == [one[0] for one in bodies], "the bytes differ"
    frame = framed[0][0][:5]
    values = [[frame + body for body in one] for one in bodies]
    sides: dict[str, Timed] = {
        "native encode_us": (native.encode, rounds),
        "python encode_us": (python.encode, rounds),
        "fastavro encode_us": (naive.encode, rounds),
        "native decode_us": (native.decode, values),
        "python decode_us": (python.decode, values),
        "fastavro decode_us": (naive.decode, bodies),
    }
    return dict(zip(sides, per_record_us(list(sides.values())), strict=True))


def main() -> None:
    """Print the table; without omnihub-native its side is Python, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    table = {
        f"{make.__name__}, times {name}": measure(make, step_us)
        for make in (moved, level)
        for name, step_us in (("apart", 1_009), ("shared", 0))
    }
    if as_json:
        print(json.dumps(table, indent=2))
        return
    for name, row in table.items():
        print(f"{name:24}", "  ".join(f"{key} {value:5.2f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
