"""The codec: the same bytes as fastavro, the same record back, and a clear end for bad bytes.

Told of both: the one in Python, and the one in machine code wherever there is a C compiler.
"""

import shutil
import sysconfig
from io import BytesIO
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.contracts.avsc import load_schemas
from omnihub.contracts.codec import FRAME_BYTES, Codec
from omnihub.contracts.errors import ContractError, Undecodable, UnknownSchema
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import self_contained
from omnihub.contracts.native import is_installed
from omnihub.contracts.varint import EARLIEST, LATEST, long_text
from omnihub.model.ids import MovementId, Sku, TenantId
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import (
    RECORDS,
    EventMeta,
    MovementKind,
    OutboundTarget,
    RawDelivery,
    StockDay,
    StockDayMovement,
    StockMoved,
)

HEADER = Path(sysconfig.get_path("include"), "Python.h")
CAN_COMPILE = shutil.which("cc") is not None and HEADER.is_file()
OWN = self_contained(load_schemas())
KINDS = [kind for kind in RECORDS if kind.AVRO_NAME in OWN]
BYTES = st.integers(0, 255)
LONGS = st.integers(-(1 << 63), (1 << 63) - 1)


def strategy(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Any record of `kind`: the types of its fields say which values."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: values(hints[name]) for name in kind.__struct_fields__})


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if isinstance(hint, type) and issubclass(hint, Record):
        return strategy(hint)
    if get_origin(hint) is UnionType:
        return st.one_of([values(part) for part in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=4).map(tuple)
    return st.from_type(hint)


TIMES = st.integers(EARLIEST, LATEST) | st.sampled_from(
    [EARLIEST - 1, EARLIEST, LATEST - 1, LATEST]
)
st.register_type_strategy(int, LONGS | st.integers(0, 300) | TIMES)
st.register_type_strategy(
    str, st.text(st.characters(exclude_categories=["Cs"])) | st.text("a", min_size=60, max_size=70)
)

# How a personal text is sealed is told in test_sealing: here the field holds its bytes.
st.register_type_strategy(Personal, st.binary())


def fastavro_bytes(record: Record) -> bytes:
    buffer = BytesIO()
    schema = fastavro.parse_schema(OWN[record.AVRO_NAME])
    plain = msgspec.to_builtins(record, builtin_types=(bytes,))
    fastavro.schemaless_writer(buffer, schema, plain)
    return buffer.getvalue()


def moved(**changes: Any) -> StockMoved:
    meta = EventMeta(
        tenant=TenantId("acme"),
        event_id="e1",
        cause_id="c1",
        source="pos",
        entity="line:1",
        occurred_at_us=1,
        accepted_at_us=2,
    )
    fields: dict[str, Any] = {
        "meta": meta,
        "movement_id": MovementId("m1"),
        "sku": Sku("s1"),
        "kind": MovementKind.SALE,
        "quantity_milli": 1000,
    }
    return StockMoved(**fields | changes)


@pytest.fixture(scope="module", params=["python", "native"])
def codec(request: pytest.FixtureRequest) -> Codec:
    if request.param == "native" and not is_installed:
        assert not CAN_COMPILE, "omnihub-native is not built. Run make install."
        pytest.skip("there is no C compiler, or no Python.h")
    return Codec.offline(is_native=request.param == "native")


class TestEveryRecord:
    """For whatever a record may hold."""

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_same_bytes_as_fastavro_and_the_same_record_back(
        self, codec: Codec, kind: type[Record], data: st.DataObject
    ) -> None:
        record = data.draw(strategy(kind))
        value = codec.encode(record)
        assert value[FRAME_BYTES:] == fastavro_bytes(record)
        assert codec.decode(value) == record

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_damaged_bytes_are_undecodable_or_another_record_never_a_crash(
        self, codec: Codec, data: st.DataObject
    ) -> None:
        kind = data.draw(st.sampled_from(KINDS))
        value = bytearray(codec.encode(data.draw(strategy(kind))))
        at = data.draw(st.integers(FRAME_BYTES, len(value) - 1))
        value[at] = data.draw(BYTES)
        try:
            decoded = codec.decode(bytes(value))
        except Undecodable:
            return
        assert codec.decode(codec.encode(decoded)) == decoded

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_a_cut_or_lengthened_value_is_undecodable(
        self, codec: Codec, data: st.DataObject
    ) -> None:
        value = codec.encode(data.draw(strategy(data.draw(st.sampled_from(KINDS)))))
        cut = data.draw(st.integers(0, len(value) - 1))
        with pytest.raises(Undecodable):
            codec.decode(value[:cut])
        with pytest.raises(Undecodable):
            codec.decode(value + b"\x00")


@pytest.mark.skipif(not is_installed, reason="see the fixture codec")
class TestBoth:
    """What one makes of bytes, the other makes of them, too."""

    @settings(max_examples=1_000, deadline=None)
    @given(data=st.data())
    def test_of_damaged_bytes(self, data: st.DataObject) -> None:
        python, native = (Codec.offline(is_native=is_native) for is_native in (False, True))
        value = bytearray(python.encode(data.draw(strategy(data.draw(st.sampled_from(KINDS))))))
        for _ in range(data.draw(st.integers(1, 3))):
            value[data.draw(st.integers(FRAME_BYTES, len(value) - 1))] = data.draw(BYTES)
        assert self.made_of(native, bytes(value)) == self.made_of(python, bytes(value))

    def made_of(self, codec: Codec, value: bytes) -> Record | None:
        try:
            return codec.decode(value)
        except Undecodable:
            return None


class TestShapes:
    """What comes back is of the real types."""

    def test_enums_tuples_and_nested_records_are_real(self, codec: Codec) -> None:
        back = codec.decode(codec.encode(moved()))
        assert isinstance(back, StockMoved)
        assert back.kind is MovementKind.SALE
        assert isinstance(back.meta, EventMeta)
        day = StockDay(
            movements=(StockDayMovement(movement_id="m", occurred_at_us=-1, delta_milli=-5),)
        )
        again = codec.decode(codec.encode(day))
        assert isinstance(again, StockDay)
        assert isinstance(again.movements, tuple)
        assert again == day

    def test_blocks_with_a_byte_count_are_read(self, codec: Codec) -> None:
        frame = codec.encode(StockDay(movements=()))[:FRAME_BYTES]
        one = b"\x02m" + b"\x02" + b"\x04"
        body = b"\x01" + bytes([len(one) << 1]) + one + b"\x00"
        day = codec.decode(frame + body)
        assert day == StockDay(
            movements=(StockDayMovement(movement_id="m", occurred_at_us=1, delta_milli=2),)
        )

    @pytest.mark.parametrize(("last", "is_read"), [(0x01, True), (0x02, False), (0x81, False)])
    def test_a_number_over_64_bits_is_undecodable(
        self, codec: Codec, last: int, is_read: bool
    ) -> None:
        frame = codec.encode(StockDay(movements=()))[:FRAME_BYTES]
        number = b"\xff" * 9 + bytes([last])
        value = frame + b"\x02" + b"\x02m" + number + b"\x04" + b"\x00"
        if is_read:
            lowest = StockDayMovement(movement_id="m", occurred_at_us=-(1 << 63), delta_milli=2)
            assert codec.decode(value) == StockDay(movements=(lowest,))
        else:
            with pytest.raises(Undecodable):
                codec.decode(value)

    @pytest.mark.parametrize("beyond", [1, 8, 1 << 40, (1 << 62) - 1])
    def test_a_length_beyond_the_end_is_refused_before_anything_is_read(
        self, codec: Codec, beyond: int
    ) -> None:
        frame = codec.encode(StockDay(movements=()))[:FRAME_BYTES]
        body = b"\x02" + long_text(1 + beyond).encode("latin-1") + b"m"
        with pytest.raises(Undecodable, match="IndexError"):
            codec.decode(frame + body)

    @pytest.mark.parametrize(
        "changes",
        [
            {"sku": 5},
            {"sku": None},
            {"sku": b"s"},
            {"quantity_milli": "1"},
            {"quantity_milli": None},
            {"quantity_milli": 1 << 63},
            {"quantity_milli": 1.5},
            {"kind": "NOTHING"},
            {"kind": None},
            {"meta": None},
            {"from_location": 7},
            {"sku": "\ud800"},
        ],
        ids=str,
    )
    def test_a_value_of_the_wrong_type_is_refused_without_showing_it(
        self, codec: Codec, changes: dict[str, Any]
    ) -> None:
        for _ in range(2):
            with pytest.raises(ContractError, match=r"StockMoved does not fit its schema"):
                codec.encode(moved(**changes))


class TestOtherSchemas:
    """Values written by older, newer and foreign writers."""

    def meeting(self, codec: Codec, writer: dict[str, Any]) -> Codec:
        """One for which every id stands for this schema."""
        ids = SchemaIds({}, {}, lookup=lambda _: writer)
        return Codec(ids, is_native=codec.is_native)

    def old_schema(self) -> dict[str, Any]:
        old = dict(OWN["omnihub.StockMoved"])
        old["fields"] = [field for field in old["fields"] if field["name"] != "reason"]
        return old

    def test_an_older_value_gets_the_default(self, codec: Codec) -> None:
        old = self.old_schema()
        buffer = BytesIO()
        plain = msgspec.to_builtins(moved())
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(old), plain)
        value = b"\x00\x00\x00\x00\x63" + buffer.getvalue()
        assert self.meeting(codec, old).decode(value) == moved()

    def test_an_unknown_symbol_becomes_the_enums_default(self, codec: Codec) -> None:
        newer = self.replaced_symbols([*MovementKind, "TELEPORT"])
        buffer = BytesIO()
        plain = msgspec.to_builtins(moved()) | {"kind": "TELEPORT"}
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(newer), plain)
        back = self.meeting(codec, newer).decode(b"\x00\x00\x00\x00\x63" + buffer.getvalue())
        assert isinstance(back, StockMoved)
        assert back.kind is MovementKind.UNKNOWN

    def replaced_symbols(self, symbols: list[str]) -> dict[str, Any]:
        newer = dict(OWN["omnihub.StockMoved"])
        newer["fields"] = [
            {**field, "type": {**field["type"], "symbols": symbols}}
            if field["name"] == "kind"
            else field
            for field in newer["fields"]
        ]
        return newer

    def test_documentation_alone_is_no_other_schema(self, codec: Codec) -> None:
        meeting = self.meeting(codec, {**OWN["omnihub.StockMoved"], "doc": "otherwise told"})
        value = b"\x00\x00\x00\x00\x63" + codec.encode(moved())[FRAME_BYTES:]
        assert meeting.decode(value) == moved()

    def test_a_negative_length_or_unknown_branch_or_symbol_is_undecodable(
        self, codec: Codec
    ) -> None:
        frame = codec.encode(OutboundTarget())[:FRAME_BYTES]
        assert codec.decode(frame + b"\x00" * 6) == OutboundTarget()
        for body in (b"\x00\x02\x03a\x00\x00\x00\x00", b"\x04\x00\x00\x00\x00\x00"):
            with pytest.raises(Undecodable):
                codec.decode(frame + body)
        value = bytearray(codec.encode(moved()))
        value[value.index(b"s1") + 2] = 2 * len(MovementKind)
        with pytest.raises(Undecodable, match="KeyError"):
            codec.decode(bytes(value))

    def test_no_framing_is_undecodable(self, codec: Codec) -> None:
        with pytest.raises(Undecodable, match="framing"):
            codec.decode(b'{"sku": "json"}')

    def test_an_id_nobody_knows_is_undecodable(self, codec: Codec) -> None:
        with pytest.raises(Undecodable, match="schema id 99999"):
            codec.decode(b"\x00" + (99_999).to_bytes(4, "big") + b"\x00")

    def test_a_schema_that_is_no_record_of_ours_is_undecodable(self, codec: Codec) -> None:
        for writer in ({"type": "string"}, {"type": "record", "name": "other.X", "fields": []}):
            with pytest.raises(Undecodable, match="is no record of this hub"):
                self.meeting(codec, writer).decode(b"\x00\x00\x00\x00\x63\x00")

    def test_a_silent_registry_means_retry_and_is_asked_again(self, codec: Codec) -> None:
        answers = iter([UnknownSchema("the registry does not answer"), OWN["omnihub.StockMoved"]])

        def lookup(_: int) -> dict[str, Any]:
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        asking = Codec(SchemaIds({}, {}, lookup=lookup), is_native=codec.is_native)
        value = b"\x00\x00\x00\x00\x63" + codec.encode(moved())[FRAME_BYTES:]
        with pytest.raises(UnknownSchema):
            asking.decode(value)
        assert asking.decode(value) == moved()

    def test_a_record_without_schema_of_its_own_is_refused(self, codec: Codec) -> None:
        part = StockDayMovement(movement_id="m", occurred_at_us=1, delta_milli=2)
        with pytest.raises(ContractError, match="StockDayMovement has no schema of its own"):
            codec.encode(part)


def test_null_and_large_bytes(codec: Codec) -> None:
    assert codec.decode(codec.encode(OutboundTarget())) == OutboundTarget()
    raw = next(kind for kind in RECORDS if kind is RawDelivery)
    record = raw(
        delivery_id="d",
        tenant="t",
        connector="c",
        instance="i",
        kind="FILE",
        stream="s",
        name="n",
        headers={"ü": "ß"},
        body=bytes(range(256)) * 40_000,
        accepted_at_us=1,
    )
    assert codec.decode(codec.encode(record)) == record
