"""A whole installation in memory, and what a replay asks of its log."""

from contextlib import asynccontextmanager

import omnihub.wiring.replay
from omnihub.broker.bulkread import RawRecord
from omnihub.broker.ports import Entry, Position
from omnihub.connect.config import channels_of, maps_of
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.observer import Unobserved
from omnihub.connect.refs import CrossReferences
from omnihub.contracts.codec import Codec
from omnihub.contracts.ids import SchemaIds
from omnihub.contracts.sealing import Sealer
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import InstanceId
from omnihub.model.records import CrossReference, StockLevel
from omnihub.wiring.installation import open_installation
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.worker import handlers

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

    def ends(self, topics):
        return {
            (topic, part): end for topic in topics for part, end in enumerate(self._log.ends(topic))
        }

    def read(self, topic):
        return [
            RawRecord(part, e.offset, e.timestamp_ms, e.key, e.value, e.headers)
            for part in range(len(self._log.ends(topic)))
            for e in self._log.read(topic, part)
        ]


class World:
    """Workers in memory, a till, and an operator who sets codes."""

    def __init__(self, folder, config, environ=None):
        (folder / "omnihub.yaml").write_text(config)
        self.install = open_installation(folder / "omnihub.yaml", environ or {})
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

    def take(self, name, stream, delivery):
        """Accept one delivery of an instance."""
        self.driver.now_us += 1_000_000
        connector = self.install.instances[InstanceId(name)].connector.name
        time = VirtualTime(now_s=self.driver.now_us / 1e6).time
        acceptance = Acceptance(self.install.tenant, connector, InstanceId(name), time)
        self.driver.append(acceptance.topic, acceptance.pushed(stream, delivery))
        self.driver.run()

    def on_hand(self):
        rows = self.driver.state("omni.stock.state.v1").values()
        return {e.sku: e.on_hand_milli // 1000 for e in rows if isinstance(e, StockLevel)}

    def connect(self, monkeypatch):
        """Let `omnihub.wiring.replay` find this log where it would find the cluster's."""

        @asynccontextmanager
        async def appender(*_):
            yield self.log

        subject = omnihub.wiring.replay
        monkeypatch.setattr(subject, "admin_of", lambda _: Admin(self.log))
        monkeypatch.setattr(subject, "ids_of", lambda _: self.ids)
        monkeypatch.setattr(subject, "codec_of", lambda _: self.driver.codec)
        monkeypatch.setattr(subject, "reader_of", lambda *_: self.log)
        monkeypatch.setattr(subject, "appender_of", appender)
