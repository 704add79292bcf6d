"""The tables of the views: made by whoever comes first."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Event, Lock

import pytest
from sqlalchemy import Connection, Table, create_engine, inspect, text

from omnihub.views import schema
from omnihub.views.schema import METADATA, open_views

AT_ONCE = 8


def test_processes_that_open_new_views_at_once_all_find_every_table(tmp_path: Path) -> None:
    for attempt in range(5):
        url, start = f"sqlite:///{tmp_path}/{attempt}.sqlite", Barrier(AT_ONCE)

        def tables(_: int, url: str = url, start: Barrier = start) -> set[str]:
            start.wait(10)
            return set(inspect(open_views(url)).get_table_names())

        with ThreadPoolExecutor(AT_ONCE) as processes:
            seen = list(processes.map(tables, range(AT_ONCE)))
        assert seen == [set(METADATA.tables)] * AT_ONCE


def test_tables_have_their_indexes_and_are_made_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/views.sqlite"
    for engine in (open_views(url), open_views(url)):
        for table in METADATA.sorted_tables:
            made = {index["name"] for index in inspect(engine).get_indexes(table.name)}
            assert made == {index.name for index in table.indexes}


def test_views_of_another_release_are_dropped_to_be_folded_anew(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/views.sqlite"
    engine = open_views(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE parked DROP COLUMN instance"))
        connection.execute(text("INSERT INTO fold_position VALUES ('t', 0, 5)"))
        connection.execute(text("CREATE TABLE api_request (request_id TEXT)"))
    opened = open_views(url)
    assert "instance" in {one["name"] for one in inspect(opened).get_columns("parked")}
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM fold_position")).scalar() == 0
    assert inspect(opened).has_table("api_request")


def test_what_one_process_made_anew_and_filled_is_not_dropped_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked at the old tables before either acts; the second acts when all is done."""
    url = f"sqlite:///{tmp_path}/views.sqlite"
    with open_views(url).begin() as connection:
        connection.execute(text("ALTER TABLE parked DROP COLUMN instance"))
    both_looked, is_filled, looked = Barrier(2), Event(), Lock()
    look = schema._is_of_other_shape

    def look_together(connection: Connection, table: Table) -> bool:
        found = look(connection, table)
        if found:
            with contextlib.suppress(BrokenBarrierError):
                both_looked.wait(0.3)
            if not looked.acquire(blocking=False):
                is_filled.wait(2)
        return found

    def open_and_fill(number: int) -> None:
        with open_views(url).begin() as connection:
            connection.execute(text(f"INSERT INTO fold_position VALUES ('t', {number}, 5)"))
        is_filled.set()

    monkeypatch.setattr(schema, "_is_of_other_shape", look_together)
    with ThreadPoolExecutor(2) as processes:
        list(processes.map(open_and_fill, range(2)))
    monkeypatch.undo()
    with open_views(url).begin() as connection:
        assert len(connection.execute(text("SELECT * FROM fold_position")).all()) == 2
