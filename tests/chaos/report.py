"""A pytest plugin: one line per scenario while they run, and `build/chaos.json` at the end.

A scenario's line is printed when its sound run and its run with the planted bug are both over. The
run fails, whatever pytest thinks, if a row says that something was lost, repeated or reordered, or
that a planted bug was not caught, or if a scenario could not be run here.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chaos.scenario import PROPERTY

Row = dict[str, Any]
COLUMNS = ("scenario", "faults", "events", "lost", "duplicated", "reordered", "recovery_s")
HARM = ("lost", "duplicated", "reordered")


class Report:
    """Collects what scenarios leave with their test reports."""

    def __init__(self, path: Path | None, console: Console) -> None:
        self._path, self._console = path, console
        self._sound: dict[str, Row] = {}
        self._planted: dict[str, Row] = {}
        self._passed: dict[tuple[str, str | None], bool] = {}
        self._told: set[str] = set()
        self._not_run: list[str] = []
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._task = self._progress.add_task("chaos", total=None)

    # -- pytest's hooks ------------------------------------------------------------------------

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Start the progress bar; let the others run the tests."""
        self._progress.update(self._task, total=len(session.items) or None)
        self._progress.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show what runs now."""
        self._progress.update(self._task, description=nodeid.rpartition("test_")[2])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a run of a scenario showed."""
        row = dict(report.user_properties).get(PROPERTY)
        if report.when == "teardown":
            self._progress.advance(self._task)
        if report.skipped:
            self._tell_not_run(report)
        if report.when != "call" or not isinstance(row, dict):
            return
        runs = self._sound if row["plant"] is None else self._planted
        runs[row["scenario"]] = row
        self._passed[row["scenario"], row["plant"]] = report.passed
        if self._is_complete(row["scenario"]):
            self._tell(row["scenario"])

    def _tell_not_run(self, report: pytest.TestReport) -> None:
        """A scenario that this machine cannot play proves nothing: it counts as not run."""
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        self._not_run.append(report.nodeid)
        name = report.nodeid.rpartition("test_")[2]
        told = escape(f"{name}: {why}")
        self._console.print(f"[red]NOT RUN[/] {told}", soft_wrap=True, highlight=False)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Keep pytest's own dots away: the lines say more."""
        return (report.outcome if report.when == "call" else "", "", "")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the rows; fail if they say so."""
        self._progress.stop()
        for name in self._sound:
            self._tell(name)
        rows = self.rows()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(rows, indent=2) + "\n")
        if session.exitstatus == 0 and (self._not_run or not all(map(is_good, rows))):
            session.exitstatus = 1

    # -- the rows ------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """Return one row per scenario."""
        return [self._row(name) for name in sorted(self._sound)]

    def _row(self, name: str) -> Row:
        sound = self._sound[name]
        planted = self._planted.get(sound["proved_by"] or name)
        row = {column: sound.get(column) for column in COLUMNS}
        row["planted_bug"] = sound["planted_bug"]
        row["planted_bug_caught"] = planted.get("caught", False) if planted else None
        return row

    def _is_complete(self, name: str) -> bool:
        sound = self._sound.get(name)
        return sound is not None and (sound["proved_by"] or name) in self._planted

    def _tell(self, name: str) -> None:
        if name in self._told:
            return
        self._told.add(name)
        row = self._row(name)
        is_passed = self._passed[name, None]
        mark = "[green]ok  [/]" if is_passed and is_good(row) else "[red]FAIL[/]"
        caught = {True: "caught", False: "[red]NOT CAUGHT[/]", None: "not run"}
        self._console.print(
            f"{mark} {name:32} {row['events'] or 0:>7} events, {row['lost']} lost, "
            f"{row['duplicated']} duplicated, {row['reordered']} reordered, "
            f"recovery {row['recovery_s']} s; {row['planted_bug']}: "
            f"{caught[row['planted_bug_caught']]}",
            soft_wrap=True,
            highlight=False,
        )


def is_good(row: Row) -> bool:
    """Tell whether a row keeps its promises; a bug that did not run here (`-k`) says nothing."""
    return all(row[harm] == 0 for harm in HARM) and row["planted_bug_caught"] is not False
