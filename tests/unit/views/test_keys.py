"""The key table: the same key for everybody, until it is destroyed for good."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from omnihub.contracts.vault import KeyDestroyed
from omnihub.model.errors import ConfigurationError
from omnihub.views.fold import Fold
from omnihub.views.keys import open_keys
from omnihub.views.schema import open_views

MASTER = b"m" * 64


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'keys.sqlite'}"


def test_a_key_is_made_once_and_is_the_same_for_every_process(url):
    made = open_keys(url, MASTER).key("subject-1")
    assert open_keys(url, MASTER).key("subject-1") == made
    assert open_keys(url, MASTER).key("subject-2") != made


def test_who_asks_first_at_the_same_time_gets_the_same_key(url):
    tables = [open_keys(url, MASTER) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda table: table.key("subject"), tables))
    assert len(keys) == 1


def test_only_wrapped_keys_are_on_the_disk(url, tmp_path):
    key = open_keys(url, MASTER).key("subject")
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key not in written
    assert key[:32] not in written


def test_another_master_key_is_refused_with_its_cure(url):
    open_keys(url, MASTER).key("subject")
    with pytest.raises(ConfigurationError, match="Give the old one back"):
        open_keys(url, b"x" * 64).key("subject")


def test_a_destroyed_key_is_gone_for_every_process_and_stays_so(url, tmp_path):
    table = open_keys(url, MASTER)
    table.key("subject")
    other = open_keys(url, MASTER)
    table.destroy("subject")
    assert other.existing("subject") is None
    with pytest.raises(KeyDestroyed):
        other.key("subject")
    table.destroy("never-made")
    with pytest.raises(KeyDestroyed):
        table.key("never-made")
    with sqlite3.connect(tmp_path / "keys.sqlite") as connection:
        assert connection.execute("SELECT count(wrapped) FROM data_key").fetchone() == (0,)


def test_rebuilding_the_views_in_the_same_database_keeps_the_keys(url):
    made = open_keys(url, MASTER).key("subject")
    views = open_views(url)
    Fold(views, "log-1")
    Fold(views, "another-log")
    assert open_keys(url, MASTER).existing("subject") == made
