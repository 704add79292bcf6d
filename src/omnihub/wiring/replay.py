"""`omnihub replay`: reads the log for the shadow, and asks translate for what it found.

Guarantees: comparing writes nothing, neither records nor keys; what is asked for is what was
compared. Does not: wait for the corrections (`omnihub explain REPLAY` shows what came of them).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from omnihub.broker.admin import TopicAdmin
from omnihub.broker.ports import Entry, Partition, Position, Reader
from omnihub.connect.config import channels_of, maps_of, understandings
from omnihub.connect.refs import CrossReferences
from omnihub.connect.replaying import Difference, Remembered, Shadow, Unread
from omnihub.connect.replays import Replay, requests_of
from omnihub.connect.translate import Translate
from omnihub.contracts.codec import Codec
from omnihub.contracts.errors import Undecodable
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.vault import PassingVault
from omnihub.engine.store import SEPARATOR, row_key
from omnihub.model.errors import ConfigurationError
from omnihub.model.ids import InstanceId
from omnihub.model.record import Record
from omnihub.model.records import CorrectEntity, FactSeen, RawDelivery, StateSeen
from omnihub.rules.rule import Handler
from omnihub.wiring.inorder import InOrder
from omnihub.wiring.installation import Installation
from omnihub.wiring.log import admin_of, appender_of, codec_of, ids_of, reader_of
from omnihub.wiring.privacy import tokens_of, vault_of
from omnihub.wiring.shadow import Consequences, consequences_of
from omnihub.wiring.worker import rules_of

CHUNK = 500
Requests = Mapping[str, Sequence[CorrectEntity]]
"""Corrections by connector type."""
_REMEMBERED = {kind.__name__ for kind in (FactSeen, StateSeen)}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a replay looks at: times in UTC micros, an entity (`type:id`), a connector."""

    from_us: int
    to_us: int
    entity: str | None = None
    connector: str | None = None


@dataclass
class Comparison:
    """What a shadow run found; requests are per connector type."""

    deliveries: int = 0
    entities: int = 0
    differences: dict[str, list[Difference]] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)

    @property
    def found(self) -> list[Difference]:
        """Every difference, by connector."""
        return [each for name in sorted(self.differences) for each in self.differences[name]]

    def requests(self, replay: Replay) -> Requests:
        """Return what to ask for, by connector type."""
        return {name: requests_of(found, replay) for name, found in self.differences.items()}


Progress = Callable[[str, int, int], None]
"""Told what is read, how many records of how many."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Some of what lies between two offsets of each partition."""

    entries: Sequence[Entry]
    start: Mapping[Partition, int]
    ends: Mapping[Partition, int]

    @property
    def is_end(self) -> bool:
        return not self.entries


class Replayer:
    """Compares and corrects over one installation."""

    def __init__(self, install: Installation, progress: Progress) -> None:
        self._install = install
        self._progress = progress
        self._admin: TopicAdmin = admin_of(install)
        self.vault = vault_of(install)
        # A shadow must not leave keys behind for people that it only thought of.
        self.sealer = Sealer(PassingVault(self.vault))
        self.codec = Codec(ids_of(install), self.sealer)
        self._undecodable: list[Unread] = []
        self.reader: Reader = reader_of(install, self.codec, self._pass_over)
        self.refs = CrossReferences(maps_of(install.instances), channels_of(install.instances))
        self.tokens = tokens_of(install, self.vault)

    async def compare(self, chosen: Chosen) -> Comparison:
        """Read the range under today's code and say what differs from what was told.

        Raises:
            ConfigurationError: no such connector or instance.
            LogUnavailable: the log does not answer.
        """
        await self.refs.load(self.reader)
        comparison = Comparison()
        for name in self._types(chosen.connector):
            shadow = await self._shadow(name, chosen)
            told = await self._told(shadow.wanted_events(), shadow.told_since_us())
            comparison.differences[name] = shadow.differences(told)
            comparison.deliveries += shadow.deliveries
            comparison.entities += shadow.entities
            comparison.unread += shadow.unread
        comparison.unread += self._undecodable
        return comparison

    async def consequences(self, requests: Requests) -> Consequences:
        """Return what the rules would make of it, on their rows of now."""
        install = self._install
        asked = {name: each for name, each in requests.items() if each}
        translates: list[Handler] = [
            Translate(
                name,
                understandings(install.instances, name, self.refs, self.tokens),
                install.topics.inbox_of,
                open_body=self.sealer.open_body,
                digest=self.tokens.digest,
            )
            for name in asked
        ]
        handlers = [*translates, *rules_of(install)] if asked else []
        return await asyncio.to_thread(
            consequences_of, asked, handlers, install.topics, self.codec, self._admin.read
        )

    async def ask(self, requests: Requests) -> int:
        """Append the corrections; return how many entities they are for."""
        install, asked = self._install, 0
        total = sum(map(len, requests.values()))
        async with appender_of(install, codec_of(install)) as appender:
            for name, all_of_it in requests.items():
                for at in range(0, len(all_of_it), CHUNK):
                    part = all_of_it[at : at + CHUNK]
                    await appender.append_many(f"omni.entity.{name}.v1", part)
                    asked += len(part)
                    self._progress("Asking for corrections", asked, total)
        return asked

    def _pass_over(self, at: Position, error: Undecodable) -> None:
        """One bad value must not keep all others from being corrected."""
        place = f"{at.topic}/{at.partition}/{at.offset}"
        self._undecodable.append(Unread(place, str(error)))

    def _types(self, connector: str | None) -> list[str]:
        types = self._install.connector_types()
        if connector is None:
            return types
        if connector in types:
            return [connector]
        instance = self._install.instances.get(InstanceId(connector))
        if instance is None:
            known = ", ".join([*types, *self._install.instances])
            raise ConfigurationError(f"--connector is '{connector}': no such one. Known: {known}.")
        return [instance.settings.type]

    async def _shadow(self, name: str, chosen: Chosen) -> Shadow:
        install = self._install
        is_instance = chosen.connector is not None and chosen.connector != name
        shadow = Shadow(
            instances=understandings(install.instances, name, self.refs, self.tokens),
            remembered=await asyncio.to_thread(self._remembered, name),
            open_body=self.sealer.open_body,
            digest=self.tokens.digest,
            from_us=chosen.from_us,
            to_us=chosen.to_us,
            entity=chosen.entity,
            instance=chosen.connector if is_instance else None,
        )
        raw = [
            spec.name for spec in install.topic_specs() if spec.name.startswith(f"omni.raw.{name}.")
        ]
        order: InOrder | None = None
        what = f"Reading what {name} delivered"
        async for read in self._read(raw, chosen.from_us, what):
            order = order or InOrder(read.start, read.ends)
            for entry in [*order.take(read.entries), *(order.rest() if read.is_end else ())]:
                if isinstance(entry.record, RawDelivery):
                    shadow.read(entry.record)
        return shadow

    def _remembered(self, name: str) -> Remembered:
        """Return what translate has in its rows now, from its changelog."""
        task = f"translate-{name}"
        topic = self._install.topics.changelog(task, f"omni.entity.{name}.v1").name
        newest: dict[bytes, bytes | None] = {}
        for record in self._admin.read(topic):
            newest[record.key or b""] = record.value
        rows = {
            row_key(key): self.codec.decode(value)
            for key, value in newest.items()
            if value is not None and key.decode().partition(SEPARATOR)[0] in _REMEMBERED
        }
        facts = {key: row for (_, key), row in rows.items() if isinstance(row, FactSeen)}
        states = {key: row for (_, key), row in rows.items() if isinstance(row, StateSeen)}
        return Remembered(facts, states)

    async def _told(self, wanted: set[str], since_us: int) -> dict[str, Record]:
        """Return the events of these ids, personal fields opened, as far as the log has them."""
        if not wanted:
            return {}
        names = (spec.name for spec in self._install.topic_specs())
        topics = [name for name in names if ".inbox." in name or ".event." in name]
        told: dict[str, Record] = {}
        async for read in self._read(topics, since_us, "Reading what was told"):
            for entry in read.entries:
                event_id = getattr(getattr(entry.record, "meta", None), "event_id", None)
                if event_id in wanted and event_id not in told and entry.record is not None:
                    told[event_id] = self.sealer.open_record(entry.record)
        return told

    async def _read(
        self, topics: Sequence[str], since_us: int, what: str
    ) -> AsyncIterator["_Read"]:
        """Yield what the topics hold from a moment on to their present ends; the last is empty."""
        start = await asyncio.to_thread(self._admin.offsets_since, topics, since_us)
        ends = await asyncio.to_thread(self._admin.ends, topics)
        total = sum(ends.values()) - sum(start.values())
        done = 0
        self._progress(what, 0, total)
        async for entries in self.reader.follow(topics, start=start):
            done += len(entries)
            self._progress(what, done, total)
            yield _Read(entries, start, ends)
            if not entries:
                return
