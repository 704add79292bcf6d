"""The frame itself: what a scenario says, what its row says, and when the run fails."""

import io
import json
from types import SimpleNamespace

import pytest
from rich.console import Console

from chaos.findings import Finding, Kind, Verdict
from chaos.report import Report
from chaos.scenario import PROPERTY, Bug, scenario

LOST = Verdict(10, (Finding(Kind.LOST, "one is gone", 2),), 1.234)
CLEAN = Verdict(10)


def played(verdict, plant, shows=Kind.LOST):
    """Play a scenario that comes to a verdict; return what it left, and its complaint."""

    def test_it(trial):
        return verdict

    left = {}
    test = scenario(faults="none", bug=Bug("a-bug", shows))(test_it)
    try:
        test(trial=SimpleNamespace(plant=plant), record_property=left.__setitem__)
    except AssertionError as complaint:
        return left[PROPERTY], str(complaint)
    return left[PROPERTY], None


def test_a_sound_run_must_find_nothing():
    row, complaint = played(CLEAN, None)
    assert complaint is None
    assert (row["scenario"], row["events"], row["lost"]) == ("it", 10, 0)
    row, complaint = played(LOST, None)
    assert "one is gone" in complaint
    assert (row["lost"], row["recovery_s"]) == (2, 1.23)


def test_a_planted_run_must_find_what_its_bug_does():
    assert played(LOST, "a-bug")[1] is None
    assert "nobody saw 'a-bug'" in played(CLEAN, "a-bug")[1]
    assert "nobody saw" in played(LOST, "a-bug", shows=Kind.DUPLICATED)[1]


@pytest.fixture
def report(tmp_path):
    return Report(tmp_path / "chaos.json", Console(file=io.StringIO(), width=200))


def tell(report, row, passed=True):
    seen = SimpleNamespace(
        user_properties=[(PROPERTY, row)], when="call", passed=passed, skipped=False
    )
    report.pytest_runtest_logreport(seen)


def end(report, path):
    session = SimpleNamespace(exitstatus=0)
    report.pytest_sessionfinish(session)
    return session.exitstatus, json.loads(path.read_text())


def test_a_row_joins_both_runs(report, tmp_path):
    tell(report, played(CLEAN, None)[0])
    tell(report, played(LOST, "a-bug")[0])
    status, rows = end(report, tmp_path / "chaos.json")
    assert (status, rows) == (
        0,
        [
            {
                "scenario": "it", "faults": "none", "events": 10, "lost": 0, "duplicated": 0,
                "reordered": 0, "recovery_s": 0.0, "planted_bug": "a-bug",
                "planted_bug_caught": True,
            }
        ],
    )  # fmt: skip
    assert report._console.file.getvalue().startswith("ok   it ")


@pytest.mark.parametrize(
    ("sound", "planted"), [(LOST, LOST), (CLEAN, CLEAN)], ids=["lost", "not caught"]
)
def test_the_run_fails_by_its_rows_alone(report, tmp_path, sound, planted):
    tell(report, played(sound, None)[0])
    tell(report, played(planted, "a-bug")[0])
    assert end(report, tmp_path / "chaos.json")[0] == 1
    assert "FAIL" in report._console.file.getvalue()


def test_a_bug_that_was_not_run_fails_nothing(report, tmp_path):
    tell(report, played(CLEAN, None)[0])
    status, [row] = end(report, tmp_path / "chaos.json")
    assert (status, row["planted_bug_caught"]) == (0, None)


def test_a_scenario_that_this_machine_cannot_play_is_no_pass(report, tmp_path):
    skipped = SimpleNamespace(
        user_properties=[],
        when="setup",
        skipped=True,
        nodeid="tests/chaos/test_network.py::test_bad_network[sound]",
        longrepr=("conftest.py", 1, "Skipped: toxiproxy is missing: install Go"),
    )
    report.pytest_runtest_logreport(skipped)
    assert end(report, tmp_path / "chaos.json") == (1, [])
    told = "NOT RUN bad_network[sound]: Skipped: toxiproxy is missing: install Go\n"
    assert report._console.file.getvalue().startswith(told)
