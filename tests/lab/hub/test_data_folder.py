"""Yesterday's data folder opens under today's code: rows, parked records and memory of facts."""

import json
import tarfile
from pathlib import Path

import pytest
from running_hub import Hub, without_trace
from till_files import counted, poslog, sold

from omnihub.broker.tcp import choose_free
from omnihub.wiring.datafolder import STEPS, release

FOLDERS = Path(__file__).parent.parent / "folders"
OLD_FILE = poslog(counted(1, "apple", 20), sold(2, "apple", 3), sold(3, "pear", 2))


@pytest.fixture
def old(tmp_path: Path) -> Hub:
    """An installation as the release without a format mark left it, on free ports."""
    with tarfile.open(FOLDERS / "format-0.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    node = tmp_path / ".omnihub" / "kafka" / "node.json"
    ports = {"port": (port := choose_free("127.0.0.1"))}
    ports["controller_port"] = choose_free("127.0.0.1", {port})
    node.write_text(json.dumps({**json.loads(node.read_text()), **ports}))
    for name in ("incoming", "archive"):
        (tmp_path / "spool" / name).mkdir(parents=True)
    pos = {
        "type": "poslog",
        "owns": ["stock"],
        "map": {"sku": "identity", "location": "table"},
        "config": {"spool": "spool", "time_zone": "America/New_York"},
    }
    config = {
        "api": {"port": 0},
        "registry": {"port": 0},
        "workers": {"count": 1},
        "partitions": {"default": 2, "raw": 1},
        "channels": {"WEB": {"locations": ["store-367"]}},
        "connectors": {"pos": pos},
    }
    return Hub(tmp_path, config, {})


@pytest.mark.timeout(240)
def test_it_opens_and_goes_on_where_it_was(old: Hub) -> None:
    old.start()
    try:
        assert (old.on_hand("apple"), old.on_hand("pear")) == (17_000, -2_000)
        old.drop("again.xml", OLD_FILE)
        old.drop("new.xml", poslog(sold(9, "apple", 2)))
        old.until_on_hand("apple", 15_000)
        assert old.parked("999")
        old.command("map", "set", "pos", "location", "999", "store-999")
        old.until_on_hand("plum", -1_000, "store-999")
        old.settle()
        assert (old.on_hand("apple"), old.on_hand("pear")) == (15_000, -2_000)
    finally:
        assert old.stop() == 0
    mark = old.folder / ".omnihub" / "format.json"
    assert json.loads(mark.read_text()) == {"format": len(STEPS), "release": release()}


def test_a_newer_folder_is_refused_untouched(old: Hub) -> None:
    mark = old.folder / ".omnihub" / "format.json"
    mark.write_text('{"format": 99, "release": "9.7.1"}')
    refused = old.command("up")
    told = without_trace(refused.stderr)
    assert refused.returncode == 4
    assert "9.7.1" in told
    assert release() in told
    assert not (old.folder / ".omnihub" / "kafka" / "kafka.log").exists()
