"""Cross-references: a system's own codes and the canonical ids they stand for, held whole.

Guarantees: a lookup is a dictionary access; a code without id raises `Unmapped` with the command
that cures it, and `resolves` says when that has happened. Safe to read from other threads.
Does not: guess; `identity` must be declared for a kind whose codes are already canonical.
"""

from collections.abc import Mapping
from typing import Literal

from omnihub.broker.ports import Entry, Reader
from omnihub.model.errors import Unmapped
from omnihub.model.ids import ChannelId, InstanceId
from omnihub.model.records import CrossReference

XREF_TOPIC = "omni.xref.v1"
MapKind = Literal["table", "identity"]
Maps = Mapping[InstanceId, Mapping[str, MapKind]]
DEFAULT_CHANNEL = ChannelId("web")
"""The channel of an instance whose `orders.channel` is not set."""


class CrossReferences:
    """All cross-references of all instances; `maps` says per instance and kind how to resolve.

    `channels` says to which channel the orders and carts of an instance belong.
    """

    def __init__(self, maps: Maps, channels: Mapping[InstanceId, ChannelId] | None = None) -> None:
        self._maps = maps
        self._channels = channels or {}
        self._by_key: dict[str, CrossReference] = {}
        self._canonical: dict[tuple[str, str, str], str] = {}
        self._codes: dict[tuple[str, str, str], frozenset[str]] = {}
        self.is_caught_up = False

    def of(self, instance: InstanceId) -> "InstanceRefs":
        """Return the view of one instance."""
        return InstanceRefs(self, instance)

    def channel_of(self, instance: InstanceId) -> ChannelId:
        """Return the channel an instance's orders belong to."""
        return self._channels.get(instance, DEFAULT_CHANNEL)

    async def follow(self, reader: Reader) -> None:
        """Read the topic for ever; `is_caught_up` turns true at its first end."""
        async for entries in reader.follow([XREF_TOPIC]):
            self.apply(entries)
            self.is_caught_up = self.is_caught_up or not entries

    async def load(self, reader: Reader) -> None:
        """Read the topic once, to its end."""
        self.apply(await reader.read_all([XREF_TOPIC]))
        self.is_caught_up = True

    def apply(self, entries: list[Entry]) -> None:
        """Take over what was read."""
        for entry in entries:
            if (old := self._by_key.pop(entry.key, None)) is not None:
                self._forget(old)
            if isinstance(entry.record, CrossReference):
                self._by_key[entry.key] = entry.record
                self._remember(entry.record)

    def resolve(self, instance: InstanceId, kind: str, code: str) -> str:
        """Return the canonical id of `code`; raises `Unmapped`."""
        if self._is_identity(instance, kind):
            return code
        if (found := self._canonical.get((instance, kind, code))) is None:
            raise Unmapped(instance, kind, code)
        return found

    def code_of(self, instance: InstanceId, kind: str, canonical: str) -> str:
        """Return the system's code of `canonical`, the first one if several; raises `Unmapped`."""
        if self._is_identity(instance, kind):
            return canonical
        if not (codes := self._codes.get((instance, kind, canonical))):
            raise _no_code(instance, kind, canonical)
        return min(codes)

    def resolves(self, waits_for: str) -> bool:
        """Tell whether what a parked record waits for (`instance/kind/code`) is there now."""
        instance, _, rest = waits_for.partition("/")
        kind, _, code = rest.partition("/")
        if self._is_identity(InstanceId(instance), kind):
            return True
        return (instance, kind, code) in self._canonical

    def _is_identity(self, instance: InstanceId, kind: str) -> bool:
        return self._maps.get(instance, {}).get(kind, "table") == "identity"

    def _remember(self, row: CrossReference) -> None:
        self._canonical[row.instance, row.kind, row.code] = row.canonical
        at = (row.instance, row.kind, row.canonical)
        self._codes[at] = self._codes.get(at, frozenset()) | {row.code}

    def _forget(self, row: CrossReference) -> None:
        self._canonical.pop((row.instance, row.kind, row.code), None)
        at = (row.instance, row.kind, row.canonical)
        self._codes[at] = self._codes.get(at, frozenset()) - {row.code}


class InstanceRefs:
    """The cross-references of one instance: what a mapping is given as `refs`."""

    def __init__(self, all_refs: CrossReferences, instance: InstanceId) -> None:
        self._all = all_refs
        self._instance = instance

    @property
    def channel(self) -> ChannelId:
        """The channel this instance's orders belong to, from `connectors.NAME.orders.channel`."""
        return self._all.channel_of(self._instance)

    def resolve(self, kind: str, code: str) -> str:
        """Return the canonical id of a system's own code; raises `Unmapped`."""
        return self._all.resolve(self._instance, kind, code)

    def code_of(self, kind: str, canonical: str) -> str:
        """Return the system's own code of a canonical id; raises `Unmapped`."""
        return self._all.code_of(self._instance, kind, canonical)


def _no_code(instance: InstanceId, kind: str, canonical: str) -> Unmapped:
    error = Unmapped(instance, kind, canonical)
    error.args = (f"no {kind} code of {instance} stands for '{canonical}'",)
    error.cure = f"omnihub map set {instance} {kind} CODE '{canonical}'"
    error.waits_for = None
    return error
