"""`omnihub replay` over an installation in memory: a wrong code, found, foreseen and corrected."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "lab" / "hub"))
sys.path.insert(0, str(Path(__file__).parent))
from hub_in_memory import HOUR_US, START_US, World
from till_files import counted, poslog, sold

import omnihub.wiring.replay as subject
from omnihub.connect.replays import Replay
from omnihub.connect.sdk import Delivery
from omnihub.model.errors import ConfigurationError
from omnihub.model.records import DeliveryKind

CONFIG = """
tenant: acme
data_dir: data
channels: {web: {locations: [store-367]}}
connectors:
  pos:
    type: poslog
    owns: [stock]
    map: {sku: table, location: table}
    config: {spool: spool, time_zone: UTC}
"""


def file(world, name, *told):
    world.take("pos", "spool", Delivery(name, poslog(*told).encode(), kind=DeliveryKind.FILE))


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path, CONFIG)
    made.set_code("location", "367", "store-367")
    made.set_code("sku", "R-1", "pear")
    file(made, "a.xml", counted(1, "R-1", 9), sold(2, "R-1", 3))
    made.set_code("sku", "R-2", "fig")
    file(made, "b.xml", sold(3, "R-2", 4), sold(4, "R-2", 1))
    made.connect(monkeypatch)
    return made


def replayer(world):
    return subject.Replayer(world.install, lambda *_: None)


CHOSEN = subject.Chosen(START_US, START_US + HOUR_US)


def order(world):
    return Replay("r1", "ann", "R-2 stood for the wrong item", world.driver.now_us + 1_000_000)


async def test_nothing_differs_while_nothing_changed(world):
    found = await replayer(world).compare(CHOSEN)
    assert (found.deliveries, found.entities, found.found, found.unread) == (2, 4, [], [])


async def test_a_code_that_meant_another_item_is_found_foreseen_and_corrected_once(world):
    assert world.on_hand() == {"pear": 6, "fig": -5}
    world.set_code("sku", "R-2", "plum")
    one = replayer(world)
    found = await one.compare(CHOSEN)
    told = {(f.path, f.old, f.new) for each in found.found for f in each.fields}
    assert told == {("StockMoved.sku", "fig", "plum")}
    requests = found.requests(order(world))
    seen = await one.consequences(requests)
    assert {(e.sku, e.old_milli, e.new_milli) for e in seen.levels} == {
        ("fig", -5_000, 0),
        ("plum", None, -5_000),
    }
    assert world.on_hand() == {"pear": 6, "fig": -5}, "comparing changes nothing"
    assert await one.ask(requests) == 2
    world.driver.run()
    assert world.on_hand() == {"pear": 6, "fig": 0, "plum": -5}
    assert (await replayer(world).compare(CHOSEN)).found == []


async def test_a_count_cannot_move_to_another_item(world):
    world.set_code("sku", "R-1", "apple")
    found = await replayer(world).compare(CHOSEN)
    assert {each.refusal for each in found.found} == {"a count has no opposite: count again", None}


async def test_a_code_that_is_gone_makes_things_unreadable_and_nothing_is_taken_back(world):
    row = next(iter(world.log.compacted("omni.xref.v1")))
    await world.log.remove("omni.xref.v1", row)
    found = await replayer(world).compare(CHOSEN)
    assert found.found == []
    assert {each.why for each in found.unread} >= {"location '367' of pos has no canonical id"}


async def test_a_shadow_leaves_no_keys_behind(world):
    one = replayer(world)
    one.sealer.seal("nobody", "Contact.email", b"x")
    assert world.vault.existing("nobody") is None


@pytest.mark.parametrize(("chosen", "count"), [("pos", 2), ("poslog", 2)])
async def test_an_instance_or_a_type_can_be_chosen(world, chosen, count):
    found = await replayer(world).compare(
        subject.Chosen(START_US, START_US + HOUR_US, None, chosen)
    )
    assert found.deliveries == count


async def test_a_connector_nobody_configured_is_named_with_those_that_are(world):
    with pytest.raises(ConfigurationError, match="Known: poslog, pos"):
        await replayer(world).compare(subject.Chosen(0, 1, None, "till"))
