"""`omnihub replay` over an installation in memory: a wrong code, found, foreseen and corrected."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "lab" / "hub"))
from till_files import counted, poslog, sold

import omnihub.wiring.replay as subject
from omnihub.broker.admin import RawRecord
from omnihub.broker.ports import Entry, Position
from omnihub.connect.config import channels_of, maps_of
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.observer import Unobserved
from omnihub.connect.refs import CrossReferences
from omnihub.connect.replays import Replay
from omnihub.connect.sdk import Delivery
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.engine.driver import TestDriver
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId
from omnihub.model.records import CrossReference, DeliveryKind, StockLevel
from omnihub.wiring.installation import open_installation
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.worker import handlers

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
START_US = 1_795_000_000_000_000
HOUR_US = 3_600_000_000


class Admin:
    """What the replay asks of the topic administration, over the log in memory."""

    def __init__(self, log):
        self._log = log

    def offsets_since(self, topics, at_us):
        return {
            (topic, part): next(
                (e.offset for e in self._log.read(topic, part) if e.timestamp_ms >= at_us // 1000),
                end,
            )
            for topic in topics
            for part, end in enumerate(self._log.ends(topic))
        }

    def end_offsets(self, topic):
        return self._log.ends(topic)

    def read(self, topic):
        return [
            RawRecord(part, e.offset, e.timestamp_ms, e.key, e.value, e.headers)
            for part in range(len(self._log.ends(topic)))
            for e in self._log.read(topic, part)
        ]


class World:
    """Workers in memory, a till, and an operator who sets codes."""

    def __init__(self, folder):
        (folder / "omnihub.yaml").write_text(CONFIG)
        self.install = open_installation(folder / "omnihub.yaml", {})
        self.vault = vault_of(self.install)
        sealer = Sealer(self.vault)
        self.ids = SchemaIds.offline()
        self.refs = CrossReferences(
            maps_of(self.install.instances), channels_of(self.install.instances)
        )
        tokens = tokens_of(self.install, self.vault)
        all_of_them = handlers(self.install, self.refs, Unobserved(), tokens, sealer)
        self.driver = TestDriver(
            all_of_them, self.install.topics, codec=Codec(self.ids, sealer), now_us=START_US
        )
        self.log = self.driver.log

    def set_code(self, kind, code, canonical):
        row = CrossReference(
            tenant=self.install.tenant, instance=InstanceId("pos"), kind=kind, code=code,
            canonical=canonical, set_by="ann", set_at_us=self.driver.now_us,
        )  # fmt: skip
        at = Position("omni.xref.v1", 0, 0)
        key = self.install.topics.key_of("omni.xref.v1", row)
        self.refs.apply([Entry(at, 0, key, row)])
        self.driver.append("omni.xref.v1", row)

    def file(self, name, *told):
        self.driver.now_us += 1_000_000
        time = VirtualTime(now_s=self.driver.now_us / 1e6).time
        acceptance = Acceptance(self.install.tenant, "poslog", InstanceId("pos"), time)
        delivery = Delivery(name, poslog(*told).encode(), kind=DeliveryKind.FILE)
        self.driver.append(acceptance.topic, acceptance.pushed("spool", delivery))
        self.driver.run()

    def on_hand(self):
        rows = self.driver.state("omni.stock.state.v1").values()
        return {e.sku: e.on_hand_milli // 1000 for e in rows if isinstance(e, StockLevel)}


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    made.set_code("location", "367", "store-367")
    made.set_code("sku", "R-1", "pear")
    made.file("a.xml", counted(1, "R-1", 9), sold(2, "R-1", 3))
    made.set_code("sku", "R-2", "fig")
    made.file("b.xml", sold(3, "R-2", 4), sold(4, "R-2", 1))
    monkeypatch.setattr(subject, "admin_of", lambda _: Admin(made.log))
    monkeypatch.setattr(subject, "ids_of", lambda _: made.ids)
    monkeypatch.setattr(subject, "codec_of", lambda _: made.driver.codec)
    monkeypatch.setattr(subject, "reader_of", lambda *_: made.log)

    @asynccontextmanager
    async def appender(*_):
        yield made.log

    monkeypatch.setattr(subject, "appender_of", appender)
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
