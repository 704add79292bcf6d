"""A release writes what the one before it can hold under its schemas, and loses nothing."""

import json
import shutil
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.contracts.avsc import schemas_dir
from omnihub.contracts.codec import FRAME_BYTES, Codec
from omnihub.contracts.errors import ContractError, NewerSchema, UnknownSchema
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.inline import own_schemas
from omnihub.contracts.released import keep_release, known_forms, releases, without_added
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.vault import MemoryVault
from omnihub.model.errors import ConfigurationError
from omnihub.model.personal import Personal
from omnihub.model.record import Record
from omnihub.model.records import Contact, StockLevel, StockMoved, TimerRow

from .test_codec import KINDS, moved, strategy

OWN = own_schemas()
BEFORE, OURS, LATER = 1, 1000, 2000
"""Where the ids of the release before, of ours and of a later one begin."""
NUMBER = {name: at for at, name in enumerate(sorted(OWN))}


def copied(schema: Any) -> Any:
    return json.loads(json.dumps(schema))


def fields_of(node: Any) -> list[dict[str, Any]]:
    """Every list of fields in a schema, those of records inside it too."""
    found = []
    if isinstance(node, list):
        for part in node:
            found += fields_of(part)
    elif isinstance(node, dict):
        if "fields" in node:
            found.append(node)
        for key in ("items", "values"):
            found += fields_of(node.get(key))
        for field in node.get("fields", ()):
            found += fields_of(field["type"])
    return found


def poorer(schema: Any) -> Any:
    """A schema as it may have been before: without its defaulted fields, with one gone since."""
    before = copied(schema)
    for record in fields_of(before):
        kept = [field for field in record["fields"] if not is_plain_default(field)]
        gone = {"name": "gone_since", "type": ["null", "string"], "default": None}
        record["fields"] = [*kept, gone]
    return before


def is_plain_default(field: dict[str, Any]) -> bool:
    """A field with a default that defines no type which a later one may name."""
    return "default" in field and '"name"' not in json.dumps(field["type"])


EARLIER = {name: (BEFORE + NUMBER[name], poorer(schema)) for name, schema in OWN.items()}
IDS = {name: OURS + at for name, at in NUMBER.items()}


def codec(**options: Any) -> Codec:
    return Codec(SchemaIds(IDS, OWN, **options), Sealer(MemoryVault(), seals_bodies=False))


TRANSITION = codec(earlier=EARLIER)


def schema_id(value: bytes) -> int:
    return int.from_bytes(value[1:FRAME_BYTES], "big")


@lru_cache
def parsed(name: str) -> Any:
    return fastavro.parse_schema(EARLIER[name][1])


def read_by_the_release_before(value: bytes, name: str) -> Any:
    """What fastavro makes of a value under the schema of the release before alone."""
    buffer = BytesIO(value[FRAME_BYTES:])
    read = fastavro.schemaless_reader(buffer, parsed(name), None)
    assert not buffer.read()
    return read


def is_poor(plain: Any, read: Any) -> bool:
    """Tell whether the release before saw every value that is not a default."""
    if isinstance(plain, dict):
        return all(
            is_poor(part, read[key]) if isinstance(read, dict) and key in read else True
            for key, part in plain.items()
        )
    if isinstance(plain, tuple):
        return len(plain) == len(read) and all(map(is_poor, plain, read))
    return bool(plain == read)


class TestEveryRecord:
    """For whatever a record may hold, and whatever fields came or went since."""

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    @settings(max_examples=8, deadline=None)
    @given(data=st.data())
    def test_nothing_is_lost_and_the_release_before_reads_what_it_can_hold(
        self, kind: type[Record], data: st.DataObject
    ) -> None:
        record = data.draw(strategy(kind))
        value = TRANSITION.encode(record)
        assert TRANSITION.decode(value) == record
        name = kind.AVRO_NAME
        if schema_id(value) == EARLIER[name][0]:
            plain = msgspec.to_builtins(record, builtin_types=(bytes,))
            assert is_poor(plain, read_by_the_release_before(value, name))
        else:
            assert schema_id(value) == IDS[name]


def level(**changes: Any) -> StockLevel:
    plain = {"tenant": "t", "sku": "s", "location": "l", "on_hand_milli": 1, "ats_milli": 1,
             "seq": 1, "cause_id": "c", "occurred_at_us": 1, "accepted_at_us": 2}  # fmt: skip
    return StockLevel(**plain | changes)


class TestWriting:
    """Old as long as it can be."""

    def test_a_record_without_new_values_is_written_as_the_release_before_wrote_it(self) -> None:
        assert schema_id(TRANSITION.encode(moved())) == EARLIER[StockMoved.AVRO_NAME][0]

    def test_a_new_value_is_written_under_our_own_schema(self) -> None:
        value = TRANSITION.encode(moved(reason="gift"))
        assert schema_id(value) == IDS[StockMoved.AVRO_NAME]
        assert TRANSITION.decode(value) == moved(reason="gift")

    def test_what_is_the_same_in_both_releases_needs_no_second_schema(self) -> None:
        assert schema_id(codec().encode(moved())) == IDS[StockMoved.AVRO_NAME]

    def test_a_symbol_that_the_release_before_does_not_know_is_new_too(self) -> None:
        before = copied(OWN[StockMoved.AVRO_NAME])
        kind = next(field for field in before["fields"] if field["name"] == "kind")
        kind["type"]["symbols"].remove("SALE")
        pair = {StockMoved.AVRO_NAME: (1, before)}
        assert schema_id(codec(earlier=pair).encode(moved())) == IDS[StockMoved.AVRO_NAME]

    def test_a_field_that_is_gone_is_written_with_its_default(self) -> None:
        before = copied(OWN[TimerRow.AVRO_NAME])
        before["fields"][1:1] = [
            {"name": "tries", "type": "int", "default": 7},
            {"name": "note", "type": "string", "default": "é"},
            {"name": "is_odd", "type": "boolean", "default": True},
            {"name": "marks", "type": {"type": "array", "items": "string"}, "default": []},
        ]
        row = TimerRow(name="n", key="k", timer_id="t", due_at_us=5)
        both = codec(earlier={TimerRow.AVRO_NAME: (1, before)})
        value = both.encode(row)
        plain = fastavro.schemaless_reader(BytesIO(value[FRAME_BYTES:]), before, None)
        assert plain == {"name": "n", "tries": 7, "note": "é", "is_odd": True, "marks": [],
                         "key": "k", "timer_id": "t", "due_at_us": 5, "sent": False}  # fmt: skip
        assert both.decode(value) == row

    def test_a_field_that_the_release_before_needs_stops_the_writer(self) -> None:
        before = copied(OWN[TimerRow.AVRO_NAME])
        before["fields"].append({"name": "tries", "type": "int"})
        with pytest.raises(ContractError, match=r"'tries' is gone.*Bring it back"):
            codec(earlier={TimerRow.AVRO_NAME: (1, before)}).encode(
                TimerRow(name="n", key="k", timer_id="t", due_at_us=5)
            )

    def test_what_has_become_personal_is_never_written_plain(self) -> None:
        before = copied(OWN[Contact.AVRO_NAME])
        for field in before["fields"]:
            field.pop("pii", None)
        contact = Contact(subject="s1", email=Personal("a@b.example"))
        value = codec(earlier={Contact.AVRO_NAME: (1, before)}).encode(contact)
        assert schema_id(value) == IDS[Contact.AVRO_NAME]
        assert b"a@b.example" not in value


class TestRows:
    """A row of a newer release is refused, not read with less."""

    def richer(self, name: str) -> Any:
        schema = copied(OWN[name])
        schema["fields"].append({"name": "note", "type": ["null", "string"], "default": None})
        return schema

    def value(self, schema: Any, at: int, record: Record) -> bytes:
        buffer = BytesIO()
        plain = msgspec.to_builtins(record) | {"note": "new"}
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), plain)
        return b"\0" + at.to_bytes(4, "big") + buffer.getvalue()

    def test_under_a_newer_schema(self) -> None:
        newer = self.richer(StockLevel.AVRO_NAME)
        ours = codec(lookup=lambda _: newer)
        value = self.value(newer, LATER, level())
        assert ours.decode(value) == level()  # As an input it may be read.
        with pytest.raises(
            NewerSchema, match=rf"'omnihub.StockLevel' under schema id {LATER}"
        ) as e:
            ours.admit_row(value)
        assert "docs/upgrade.md" in e.value.cure

    def test_under_an_older_schema_it_is_admitted(self) -> None:
        older = self.richer(StockLevel.AVRO_NAME)
        ours = codec(lookup=lambda _: older)
        ours.admit_row(self.value(older, 7, level()))

    def test_a_schema_told_in_other_words_is_no_newer_one(self) -> None:
        reworded = copied(OWN[StockLevel.AVRO_NAME]) | {"doc": "told better"}
        ours = codec(lookup=lambda _: reworded)
        value = codec().encode(level())
        ours.admit_row(b"\0" + LATER.to_bytes(4, "big") + value[FRAME_BYTES:])

    def test_a_registry_that_does_not_answer_is_an_outage(self) -> None:
        def silent(_: int) -> Any:
            raise UnknownSchema("down")

        with pytest.raises(UnknownSchema):
            codec(lookup=silent).admit_row(b"\0" + LATER.to_bytes(4, "big") + b"x")


class TestReleases:
    """The folder of each release."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "schemas"
        shutil.copytree(schemas_dir(), root, ignore=shutil.ignore_patterns("released"))
        return root

    def test_are_ordered_by_number(self, root: Path) -> None:
        for release in ("0.9.0", "0.10.0", "0.2.0"):
            (root / "released" / release).mkdir(parents=True)
        assert [path.name for path in releases(root)] == ["0.2.0", "0.9.0", "0.10.0"]

    def test_one_is_kept_as_it_is_and_never_twice(self, root: Path) -> None:
        assert not keep_release(root, "1.0.0", is_dry_run=True).folder.exists()
        kept = keep_release(root, "1.0.0")
        assert kept.files == kept.changed == len(OWN)
        (root / "flow" / "TimerRow.avsc").write_text(json.dumps({"changed": True}))
        assert keep_release(root, "1.1.0").changed == 1
        for release in ("1.1.0", "1.0.9"):
            with pytest.raises(ConfigurationError, match=r"1\.1\.0 are kept already"):
                keep_release(root, release)

    def test_every_schema_of_ours_is_known(self) -> None:
        assert len(known_forms()) >= len(set(map(json.dumps, OWN.values())))

    def test_added_fields_are_left_out_wherever_they_are(self) -> None:
        name = StockMoved.AVRO_NAME
        before = copied(OWN[name])
        for record in fields_of(before):
            record["fields"] = record["fields"][:-1]
        assert without_added(OWN[name], before) == before
