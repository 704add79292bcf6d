"""What a connector is made of: a pure mapping, and an I/O side that reads and writes a system.

Guarantees: the framework alone makes deliveries durable, advances cursors and acknowledges;
authors never see Kafka. A connector's pure half (`Mapping`) runs in the workers, exactly once;
its I/O half (`Connector`) runs in a process of its own.
Does not: hold state between polls; `poll` is a function of the offset it is given.
"""

from collections.abc import Mapping as TypeMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict

from omnihub.connect.calls import CallScheme
from omnihub.connect.personal import Tokens
from omnihub.connect.webhooks import WebhookScheme
from omnihub.model.errors import InvariantBroken
from omnihub.model.ids import ChannelId, CommandId, InstanceId, LocationId, OrderId, Sku, TenantId
from omnihub.model.record import Record
from omnihub.model.records import (
    DeliveryKind,
    RawDelivery,
    RecordMovement,
    RecordSale,
    Refetch,
    SendMessage,
    SetDayTotal,
    SetOrderStatus,
    SetStockLevel,
    SourceEntity,
)

Command = (
    SetStockLevel
    | RecordMovement
    | SetOrderStatus
    | SendMessage
    | RecordSale
    | SetDayTotal
    | Refetch
)
Offset = dict[str, Any]
"""JSON-able, in the connector's own words; None means from the beginning."""


class ConnectorConfig(BaseModel):
    """Configuration of one instance; connectors subclass it. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=ConnectorConfig)


@dataclass(frozen=True, slots=True)
class Stream:
    """Something to poll: a resource, a folder. `interval_s` is the pause after an empty poll."""

    name: str
    interval_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Bytes as the system gave them, with a name a person recognises."""

    name: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    kind: DeliveryKind = DeliveryKind.POLL


@dataclass(frozen=True, slots=True)
class Batch:
    """One poll: the deliveries, the offset to poll next, and whether more is waiting now."""

    deliveries: tuple[Delivery, ...]
    next: Offset | None
    more: bool = False


class Refs(Protocol):
    """Cross-references of one instance."""

    @property
    def channel(self) -> ChannelId:
        """The channel its orders and carts belong to (`connectors.NAME.orders.channel`)."""

    def resolve(self, kind: str, code: str) -> str:
        """Return the canonical id of a system's own code; raises `Unmapped`."""

    def code_of(self, kind: str, canonical: str) -> str:
        """Return the system's own code of a canonical id; raises `Unmapped`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Events that happened once: a receipt line, a stock move. Told again, they are dropped.

    `natural_id` is unique within the source entity type and never contains a delivery id.
    """

    natural_id: str
    events: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class State:
    """How an entity is now. Lower versions are stale; an equal or absent version with other
    content asks for a `Refetch`; so does anything that would revive what was deleted, or delete
    without saying a version. `resource` tells apart several states of one entity.
    """

    resource: str
    version: int | None
    events: tuple[Record, ...]
    deleted: bool = False


class Mapping(Generic[C]):
    """The pure half: from bytes to canonical events. Same input, same output; no I/O, no clock."""

    revision: ClassVar[int] = 1

    def __init__(self, config: C, tokens: Tokens | None = None) -> None:
        self.config = config
        self._tokens = tokens

    @property
    def tokens(self) -> Tokens:
        """Keyed hashes for what is personal; `omnihub.connect.kit.TOKENS` in tests."""
        if self._tokens is None:
            raise InvariantBroken(f"{type(self).__name__} was made without tokens")
        return self._tokens

    def split(self, delivery: RawDelivery) -> list[SourceEntity]:
        """Cut a delivery into source entities (`source_entity` fills the common fields).

        Raises:
            BadDelivery: the delivery cannot be read; it is parked whole.
        """
        raise NotImplementedError

    def translate(self, entity: SourceEntity, refs: Refs) -> list[Fact | State]:
        """Turn a source entity into canonical events.

        Raises:
            Unmapped: a code has no canonical id yet; the entity waits for it.
            RejectedError: the sender's fault (negative quantity, wrong currency).
            BadDelivery: the entity cannot be understood.
        """
        raise NotImplementedError


class Health(StrEnum):
    """How one point of a check went."""

    OK = "OK"
    WARNING = "WARNING"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `omnihub connectors check`: what was looked at, how it is, what cures it."""

    point: str
    health: Health
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a system says it has: read back for reconciliation, never a count."""

    sku: Sku
    location: LocationId | None
    quantity_milli: int
    code: str


@dataclass(frozen=True, slots=True)
class ObservedLine:
    """One line of goods as a system shows it; `total_minor` with tax and discount."""

    sku: Sku
    quantity_milli: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class ObservedOrder:
    """What a system says an order is: read back for verification. `status` is its own word."""

    order_id: OrderId
    number: str
    status: str
    currency: str
    total_minor: int
    lines: tuple[ObservedLine, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What the runtime gives the I/O half. `http` has budgets, retries and timeouts built in."""

    tenant: TenantId
    instance: InstanceId
    refs: Refs
    http: httpx.AsyncClient


class Connector(Generic[C]):
    """The I/O half. A source overrides `streams` and `poll`, a sink `write`, both may."""

    name: ClassVar[str]
    config_type: ClassVar[type[ConnectorConfig]]
    mapping_type: ClassVar[type[Mapping[Any]]]
    accepts: ClassVar[tuple[type[Record], ...]] = ()
    write_limit: ClassVar[int] = 100
    lanes: ClassVar[TypeMapping[type[Record], str]] = {}
    """Kinds of commands that neither wait for other kinds nor hold them up, by the lane's name.

    Each lane calls `write` on its own, so calls of different lanes overlap; all else is one lane.
    """
    tend_interval_s: ClassVar[float] = 60.0

    def __init__(self, config: C, context: Context) -> None:
        self.config = config
        self.context = context

    @classmethod
    def lane_of(cls, command: Command) -> str:
        """Return the lane that `command` travels in; the usual one has no name."""
        return cls.lanes.get(type(command), "")

    @classmethod
    def webhook(cls, config: C) -> WebhookScheme | None:
        """How webhooks to this instance are signed; None when the system sends none."""
        return None

    @classmethod
    def calls(cls, config: C) -> CallScheme | None:
        """How the system's own clients call this instance at /in/INSTANCE/...; None: they don't."""
        return None

    async def open(self) -> None:
        """Called once before anything else in the connector's process."""

    async def close(self) -> None:
        """Called once at the end."""

    async def tend(self) -> None:
        """Called after `open` and then every `tend_interval_s`: switch a disabled webhook on again.

        Raises: as `poll`; a failure is reported and tried again.
        """

    async def check(self) -> list[Finding]:
        """Test credentials, rights and clock without side effects."""
        raise NotImplementedError

    def streams(self) -> list[Stream]:
        """Return what to poll; empty for a system that only pushes or only receives."""
        return []

    async def poll(self, stream: Stream, at: Offset | None, limit: int) -> Batch:
        """Return up to `limit` deliveries after `at`. A function of `at`: no hidden position."""
        raise NotImplementedError

    async def ack(self, stream: Stream, batch: Batch) -> None:
        """Called after the batch is durable and its cursor saved: archive files, ack upstream."""

    async def write(self, commands: Sequence[Command]) -> dict[CommandId, str]:
        """Execute commands in order; return the system's own reference of each effect.

        May be called again with any of them, in other groupings, after a crash: effects must be
        found again by their natural key, be upserts, or carry an idempotency key.

        Raises:
            Transient, RateLimited: nothing is reported; the same commands come again.
            Refused: every command of the call will never succeed.
            PartialWrite: some failed; each failure is one of the above.
        """
        raise NotImplementedError

    async def refetch(self, command: Refetch) -> list[Delivery]:
        """Read one entity again; the deliveries are accepted with kind REFETCH.

        An entity that is gone (404) is a delivery too: one whose translation is a deleted `State`.
        """
        raise NotImplementedError

    async def read_back(self) -> list[Observation]:
        """Return what the system says it has now, through its own API."""
        raise NotImplementedError

    async def read_back_orders(self) -> list[ObservedOrder]:
        """Return every order the system has now, through its own API."""
        raise NotImplementedError
