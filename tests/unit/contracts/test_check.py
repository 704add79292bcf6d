"""`omnihub schemas check` finds each planted mistake and names file, field, rule and cure."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omnihub.contracts.avsc import schemas_dir
from omnihub.contracts.check import Fault, check_contract
from omnihub.contracts.generate import generate

Schema = dict[str, Any]
Edit = Callable[[Schema], None]
MOVED = "stock/StockMoved.avsc"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped contract, released once as 1.0.0."""
    root = tmp_path / "schemas"
    shutil.copytree(schemas_dir(), root, ignore=shutil.ignore_patterns("released"))
    shutil.copytree(root, root / "released" / "1.0.0")
    return root


def edit(folder: Path, file: str, change: Edit) -> None:
    path = folder / file
    schema = json.loads(path.read_text(encoding="utf-8"))
    change(schema)
    path.write_text(json.dumps(schema), encoding="utf-8")


def faults(folder: Path) -> list[Fault]:
    """All faults, with records.py made to follow so that drift is no noise."""
    records = folder.parent / "records.py"
    try:
        records.write_text(generate_from(folder), encoding="utf-8")
    except (KeyError, ValueError, TypeError):
        records.write_text("", encoding="utf-8")
    return check_contract(folder, records)


def generate_from(folder: Path) -> str:
    from omnihub.contracts.avsc import load_schemas

    return generate(load_schemas(folder))


def field(schema: Schema, name: str) -> Schema:
    found: Schema = next(one for one in schema["fields"] if one["name"] == name)
    return found


def drop(name: str) -> Edit:
    return lambda schema: schema["fields"].remove(field(schema, name))


def add(**new: Any) -> Edit:
    return lambda schema: schema["fields"].append(new)


def retype(name: str, kind: Any) -> Edit:
    return lambda schema: field(schema, name).update(type=kind)


def test_the_shipped_contract_has_no_fault() -> None:
    assert check_contract() == []


def test_a_contract_released_as_it_is_has_no_fault(folder: Path) -> None:
    assert faults(folder) == []


def test_records_that_do_not_follow_are_drift(folder: Path) -> None:
    edit(folder, MOVED, add(name="note", type=["null", "string"], default=None))
    [fault] = check_contract(folder)
    assert (fault.file, fault.rule) == ("records.py", "does not follow from the schemas")
    assert "omnihub schemas generate" in fault.cure


@pytest.mark.parametrize(
    ("change", "named", "rule"),
    [
        (add(name="note", type="string"), "note", "reader_field_missing_default_value"),
        (retype("quantity_milli", "string"), "quantity_milli", "type_mismatch"),
        (retype("quantity_milli", "int"), "quantity_milli", "type_mismatch"),
        (retype("reason", "string"), "reason", "type_mismatch"),
        (
            lambda schema: field(schema, "kind").update(name="cause"),
            "cause",
            "data of a released version cannot be read",
        ),
    ],
    ids=["new field without default", "to string", "narrowed", "null taken away", "renamed"],
)
def test_a_change_that_old_data_cannot_bear_is_named(
    folder: Path, change: Edit, named: str, rule: str
) -> None:
    edit(folder, MOVED, change)
    [fault] = faults(folder)
    assert (fault.file, fault.field) == (MOVED, named)
    assert rule in fault.rule
    assert "since 1.0.0" in fault.rule
    assert "nullable field beside it" in fault.cure


@pytest.mark.parametrize(
    "change",
    [
        add(name="note", type=["null", "string"], default=None),
        drop("reason"),
        lambda schema: field(schema, "kind")["type"]["symbols"].append("GIFT"),
        lambda schema: field(schema, "kind")["type"]["symbols"].remove("DAMAGE"),
        lambda schema: schema.update(doc="told better"),
    ],
    ids=["nullable added", "field dropped", "symbol added", "symbol dropped", "documented"],
)
def test_a_change_that_old_data_can_bear_passes(folder: Path, change: Edit) -> None:
    edit(folder, MOVED, change)
    assert faults(folder) == []


def test_a_field_that_the_last_release_needs_may_not_go_yet(folder: Path) -> None:
    edit(folder, MOVED, drop("movement_id"))
    [fault] = faults(folder)
    assert (fault.file, fault.field) == (MOVED, "movement_id")
    assert "1.0.0 cannot read a record without it" in fault.rule
    assert "one release later" in fault.cure


def test_a_field_that_the_last_release_can_do_without_may_go(folder: Path) -> None:
    shutil.copytree(folder / "released" / "1.0.0", folder / "released" / "1.10.0")
    edit(
        folder / "released" / "1.10.0", MOVED, lambda s: field(s, "movement_id").update(default="")
    )
    shutil.copytree(folder / "released" / "1.0.0", folder / "released" / "1.9.0")
    edit(folder, MOVED, drop("movement_id"))
    assert faults(folder) == []


def test_every_release_counts_not_only_the_last(folder: Path) -> None:
    shutil.copytree(folder / "released" / "1.0.0", folder / "released" / "1.1.0")
    edit(folder / "released" / "1.0.0", MOVED, retype("order_id", "long"))
    found = faults(folder)
    assert [(fault.field, "since 1.0.0" in fault.rule) for fault in found] == [("order_id", True)]


def test_a_nested_type_is_blamed_once_where_it_is_defined(folder: Path) -> None:
    edit(folder, "common/EventMeta.avsc", retype("occurred_at_us", "string"))
    [fault] = faults(folder)
    assert (fault.file, fault.field) == ("common/EventMeta.avsc", "occurred_at_us")


def test_a_released_record_may_not_vanish(folder: Path) -> None:
    (folder / "stock/SafetyStockSet.avsc").unlink()
    assert "a released record is gone" in [fault.rule for fault in faults(folder)]


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DECIMAL, DECIMAL | {"scale": 3}),
        (DECIMAL, DECIMAL | {"precision": 9}),
        (DECIMAL, "bytes"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "long"),
        (
            {"type": "long", "logicalType": "timestamp-micros"},
            {"type": "long", "logicalType": "timestamp-millis"},
        ),
    ],
    ids=["scale", "precision", "decimal dropped", "time dropped", "micros to millis"],
)
def test_a_logical_type_may_not_change_although_avro_lets_it_pass(
    folder: Path, before: Any, after: Any
) -> None:
    for root, kind in ((folder / "released" / "1.0.0", before), (folder, after)):
        edit(root, MOVED, add(name="amount", type=["null", kind], default=None))
    [fault] = faults(folder)
    assert (fault.file, fault.field) == (MOVED, "amount")
    assert "Avro lets pass" in fault.rule


@pytest.mark.parametrize(
    ("change", "named", "rule"),
    [
        (lambda s: field(s, "kind")["type"].pop("default"), "kind", "MovementKind has no default"),
        (add(name="blob", type="bytes", default="x"), "blob", "may only default to null"),
        (add(name="money", type=DECIMAL, default="\x00"), "money", "may only default to null"),
        (
            add(name="either", type=["null", "omnihub.StockLevel", "omnihub.StockBase"]),
            "either",
            "a union may hold null and one other type",
        ),
        (add(name="either", type=["string", "long"]), "either", "null and one other"),
    ],
    ids=["enum", "bytes", "decimal", "union of records", "union of plain types"],
)
def test_our_own_rules(folder: Path, change: Edit, named: str, rule: str) -> None:
    edit(folder, MOVED, change)
    [fault] = faults(folder)
    assert (fault.file, fault.field) == (MOVED, named)
    assert rule in fault.rule
    assert fault.cure


def test_a_name_defined_twice_names_both_files(folder: Path) -> None:
    twice = {"type": "enum", "name": "MovementKind", "symbols": ["A"], "default": "A"}
    edit(folder, "stock/StockCounted.avsc", add(name="kind", type=twice))
    [fault] = faults(folder)
    assert str(fault).startswith(f"{MOVED}: kind: 'omnihub.MovementKind' is also defined in")


def test_an_unknown_type_is_no_valid_contract(folder: Path) -> None:
    edit(folder, MOVED, retype("sku", "omnihub.Nowhere"))
    found = faults(folder)
    assert found
    assert "omnihub.Nowhere" in str(found[0])


@pytest.mark.parametrize("text", ["{", '"string"', '{"type": "record", "name": "Other"}'])
def test_a_file_that_is_no_record_of_its_name_is_refused(folder: Path, text: str) -> None:
    (folder / MOVED).write_text(text, encoding="utf-8")
    [fault] = faults(folder)
    assert fault.file == MOVED


def test_a_wrong_topics_file_is_a_fault(folder: Path) -> None:
    path = folder / "topics.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("cleanup: compact", "cleanup: campact", 1)
    )
    [fault] = faults(folder)
    assert fault.file == "topics.yaml"
    assert "campact" in fault.rule
