"""The types in machine code, each by itself; what they make of whole records tells test_codec."""

import pytest

from omnihub.contracts.native import is_installed

if not is_installed:
    pytest.skip("omnihub-native is not installed", allow_module_level=True)

from omnihub_native import avro


@pytest.mark.parametrize("kind", [avro.String(), avro.Bytes()], ids=["text", "bytes"])
def test_a_length_is_refused_before_a_byte_beyond_the_end_is_read(kind: avro.Type) -> None:
    read = avro.Reader(kind)
    assert len(read(b"\x04ab", 0)) == 2
    with pytest.raises(IndexError, match="end inside a value"):
        read(b"\x04a", 0)


def test_a_value_that_begins_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError):
        avro.Reader(avro.Long())(b"\x02", 9)


def test_a_block_may_not_claim_more_items_than_can_be_counted() -> None:
    lowest = b"\xff" * 9 + b"\x01"
    with pytest.raises(ValueError, match="more items than there are bytes"):
        avro.Reader(avro.Array(avro.Long()))(lowest + b"\x02", 0)


def test_a_writer_lets_others_write_while_a_value_is_sealed() -> None:
    inner = avro.Writer(avro.String(), b"")

    class Pair:
        first, second = "a", "b"

    kind = avro.Record(Pair)
    kind.fill(
        [
            ("first", avro.Bytes(), lambda _, text: inner(text * 999)),
            ("second", avro.String(), None),
        ]
    )
    assert avro.Writer(kind, b"f")(Pair()).endswith(b"a" + b"\x02b")
