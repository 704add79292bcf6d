"""Golden logs: what was recorded once folds to the same bytes under today's rules."""

from dataclasses import replace
from pathlib import Path

import pytest

import omnihub.rules.ledger
import omnihub.rules.stock
from omnihub.contracts.ids import content_id
from omnihub.contracts.inline import own_schemas
from omnihub.engine.golden import INPUT_FILE, RESULT_FILE, Folded, GoldenLog, differences, fold
from tools.golden import FOLDER, handlers

LOGS = sorted(path.parent.name for path in FOLDER.glob(f"*/{INPUT_FILE}"))


def read(name):
    return GoldenLog.read(FOLDER / name / INPUT_FILE), Folded.read(FOLDER / name / RESULT_FILE)


def folded(log):
    return fold(log, next(each for each in handlers() if each.name == log.task))


@pytest.mark.parametrize("name", LOGS)
def test_a_recorded_inbox_folds_to_the_same_bytes(name):
    log, was = read(name)
    found = differences(was, folded(log), log.codec())
    assert not found, "\n".join([*found, "If this is meant: make golden, and look at the change."])


def test_every_kind_of_truth_is_recorded():
    assert {"stock", "order", "customer", "outbound"} <= set(LOGS)
    for name in LOGS:
        log, was = read(name)
        assert log.records
        assert was.changelog
        assert "ParkedBody" not in str(list(was.rows)), f"{name} holds records that failed"


def test_rows_and_records_of_an_older_release_are_among_them():
    """Their schemas are no longer ours, and are read all the same."""
    ours = {content_id(schema) for schema in own_schemas().values()}
    log, _ = read("customer-restored")
    written = {int.from_bytes(value[1:5], "big") for _, value in log.rows}
    assert written - ours


def test_a_rule_that_counts_one_thousandth_more_is_found_out(monkeypatch):
    log, was = read("stock")
    real = omnihub.rules.ledger.add_movement
    more = lambda *arguments: real(*arguments) + 1  # noqa: E731
    monkeypatch.setattr(omnihub.rules.stock, "add_movement", more)
    found = differences(was, folded(log), log.codec())
    assert any("on_hand_milli" in line for line in found)


def test_a_record_less_is_found_out():
    log, was = read("order")
    assert differences(was, folded(replace(log, records=log.records[:-1])), log.codec())


def test_a_log_survives_the_way_to_disk_and_back(tmp_path: Path):
    log, _ = read("stock-restored")
    log.write(tmp_path / INPUT_FILE)
    assert GoldenLog.read(tmp_path / INPUT_FILE) == log
    folded(log).write(tmp_path / RESULT_FILE)
    assert not differences(Folded.read(tmp_path / RESULT_FILE), folded(log), log.codec())
