"""The shape of `omnihub.yaml`: one frozen model a section, defaults that work on one machine.

Guarantees: `extra=forbid` everywhere; names that become parts of topics and keys cannot break
them; what refers to a channel or location refers to one that exists. The JSON Schema is generated
from here.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from omnihub.settings.checks import dangling
from omnihub.settings.places import LocationSettings
from omnihub.settings.secrets import SecretRef
from omnihub.settings.section import Code, Name, Port, Section


class KafkaSettings(Section):
    """The log. Without `bootstrap` a real Kafka is started on this machine, under `data_dir`."""

    bootstrap: str | None = Field(None, pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")
    """host:port[,host:port] of a cluster to use, e.g. localhost:9092; nothing is started then."""
    port: Port | None = None
    """Port of the embedded broker; chosen at its first start and kept when absent."""
    heap_mb: int = Field(512, ge=256, le=65536)
    """Java heap of the embedded broker, MiB."""
    jar_cache: Path | None = None
    """Folder for the embedded broker's jars; the user's cache folder when absent."""
    maven_mirror: str | None = Field(None, pattern=r"^https?://")
    """Maven repository to fetch the jars from, instead of Maven Central."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to talk to `bootstrap`."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """SASL mechanism, with SASL_PLAINTEXT or SASL_SSL."""
    sasl_username: str | None = None
    """SASL user."""
    sasl_password: SecretRef | None = None
    """SASL password, by reference, e.g. ${env:KAFKA_PASSWORD}."""
    ca_file: Path | None = None
    """PEM file of the authority that signed the brokers' certificates."""


class RegistrySettings(Section):
    """The schema registry. Without `url` the embedded one is started."""

    url: str | None = Field(None, pattern=r"^https?://")
    """A Confluent-compatible registry to use, e.g. http://registry:8081."""
    port: Port = 8081
    """Port of the embedded registry; 0 takes a free one."""


class ApiSettings(Section):
    """REST, events and webhooks."""

    host: str = "127.0.0.1"
    """Address to listen on; every request but /live and webhooks needs a key anyway."""
    port: Port = 8080
    """Port to listen on; 0 takes a free one."""
    public_url: str | None = Field(None, pattern=r"^https?://")
    """How other systems reach this API, for webhook addresses, e.g. https://hub.example.com."""
    body_limit_bytes: int = Field(2 * 1024 * 1024, ge=1024, le=10 * 1024 * 1024)
    """Largest webhook accepted; more is answered with 413."""


class WorkerCount(Section):
    """The processes that run the rules."""

    count: int = Field(1, ge=1, le=64)
    """How many workers share the partitions on this machine."""
    rows: Literal["disk", "memory"] = "disk"
    """Where rules keep their rows: on disk under `data_dir` (more than memory, back at once after a
    restart), or in memory (read from the changelogs at every start)."""
    cached_rows: int = Field(100_000, ge=1_000, le=100_000_000)
    """With `disk`: how many decoded rows a worker holds in memory, about 1 KiB each."""
    parked_limit: int = Field(100_000, ge=1)
    """Most records parked in one partition of a task; at this bound its worker stops."""
    commit_pause_ms: int = Field(20, ge=0, le=1_000)
    """Least pause after a commit, in which the next one gathers; half as long as the commit took,
    if that is more. Less answers sooner where cores are idle, and costs the broker more commits
    (docs/decisions/0013-benchmark-limits.md)."""


class PartitionSettings(Section):
    """Partition counts of new topics. They never change afterwards: keys would move."""

    default: int = Field(4, ge=1, le=1024)
    """Keyed topics."""
    raw: int = Field(2, ge=1, le=1024)
    """Raw deliveries and commands."""


class ChannelSettings(Section):
    """A sales channel."""

    locations: tuple[Code, ...] = Field(min_length=1)
    """Locations whose stock the channel may sell."""
    buffer_milli: int = Field(0, ge=0)
    """Kept back from the channel's pool, thousandths of a unit."""


class SafetySettings(Section):
    """Stock kept back from sale."""

    default_milli: int = Field(0, ge=0)
    """At every location that has no own value, thousandths of a unit."""
    locations: dict[Code, Annotated[int, Field(ge=0)]] = Field({})
    """By location, thousandths of a unit."""


class OrdersSettings(Section):
    """How orders are held and where their goods come from."""

    hold_s: int = Field(900, ge=1, le=31 * 86_400)
    """How long goods are held for an order that is not confirmed yet, seconds."""
    payment_s: int = Field(900, ge=1, le=31 * 86_400)
    """How long an unpaid order waits for its payment, seconds; hold at least as long."""
    sources: dict[Code, Annotated[tuple[Code, ...], Field(min_length=1)]] = Field({})
    """By channel: the places its shipped lines are taken from, the preferred first."""

    @model_validator(mode="after")
    def _holds_until_paid(self) -> "OrdersSettings":
        if self.hold_s < self.payment_s:
            raise PydanticCustomError(
                "hold_too_short",
                "hold_s ({hold}) is shorter than payment_s ({payment}): the goods would be gone "
                "before the order is paid. Raise hold_s",
                {"hold": self.hold_s, "payment": self.payment_s},
            )
        return self


class LevelsSettings(Section):
    """An instance that shows a channel's stock."""

    channel: Code
    """One of `channels`."""


class MovementsSettings(Section):
    """An instance that keeps a book of movements."""

    locations: tuple[Code, ...] = Field(min_length=1)
    """Locations whose movements it must learn; its own never come back to it."""


class ChannelOrdersSettings(Section):
    """An instance whose orders come to the hub."""

    channel: Code
    """Which of `channels` its orders and carts belong to."""
    status: bool = False
    """Send it the status of its own orders."""


class SalesSettings(Section):
    """An instance that books orders as its own sales."""

    locations: tuple[Code, ...] = Field(min_length=1)
    """Places of its book: orders whose goods leave from there become its sales."""


class TotalsSettings(Section):
    """An instance that learns as totals a day what it does not book one by one."""

    channels: tuple[Code, ...] = Field(min_length=1)
    """Which of `channels` it learns."""


class MessagesSettings(Section):
    """An instance that sends messages to buyers."""

    channel: Literal["email"] = "email"
    """What it sends."""


class InstanceSettings(Section):
    """One connected system."""

    type: Name
    """Which connector, see `omnihub connectors list`."""
    map: dict[Name, Literal["table", "identity"]] = Field({})
    """How its codes become canonical, by kind (sku, location): a table, or they already are."""
    levels: LevelsSettings | None = None
    """Send it the stock of a channel."""
    movements: MovementsSettings | None = None
    """Send it movements."""
    orders: ChannelOrdersSettings | None = None
    """Which channel its orders belong to."""
    sales: SalesSettings | None = None
    """Send it orders as sales."""
    totals: TotalsSettings | None = None
    """Send it totals a day of the other orders."""
    messages: MessagesSettings | None = None
    """Send it messages for buyers."""
    owns: tuple[Literal["stock"], ...] = ()
    """What it is the authority for; counts of any other system are observations only."""
    config: dict[str, Any] = Field({})
    """The connector's own settings; secrets by reference."""


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class OpsSettings(Section):
    """Metrics and logs."""

    require_key: bool = True
    """Ask for an API key at /metrics and /ready of every process; /live is always open."""
    log_format: LogFormat = LogFormat.AUTO
    """auto is console on a terminal and JSON lines elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line that is written."""


class ViewsSettings(Section):
    """The SQL views that the API reads."""

    url: str | None = Field(None, pattern=r"^(sqlite|postgresql)(\+\w+)?://")
    """SQLAlchemy URL without password; SQLite under `data_dir` when absent."""


class PrivacySettings(Section):
    """Keys that seal what is personal."""

    master_key: SecretRef | None = None
    """64 bytes in base64, by reference; wraps all data keys. Made under `data_dir` when absent."""


class Settings(Section):
    """The whole of `omnihub.yaml`."""

    version: Literal[1] = 1
    """Version of this format."""
    tenant: Name = "main"
    """The retailer; first part of every key."""
    data_dir: Path = Path(".omnihub")
    """Everything that is kept on this machine; relative to the configuration file."""
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    api: ApiSettings = ApiSettings()
    workers: WorkerCount = WorkerCount()
    partitions: PartitionSettings = PartitionSettings()
    channels: dict[Code, ChannelSettings] = Field({})
    locations: dict[Code, LocationSettings] = Field({})
    safety: SafetySettings = SafetySettings()
    orders: OrdersSettings = OrdersSettings()
    connectors: dict[Name, InstanceSettings] = Field({})
    views: ViewsSettings = ViewsSettings()
    privacy: PrivacySettings = PrivacySettings()
    ops: OpsSettings = OpsSettings()

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> "Settings":
        if faults := dangling(self):
            raise PydanticCustomError("dangling", "{faults}", {"faults": ".\n".join(faults)})
        return self


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `omnihub.yaml`, as published for editors."""
    schema = Settings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
