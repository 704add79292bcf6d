"""What a connector's author tells the kit: the connector, a valid configuration, a system to use.

Guarantees: the connector gets the same HTTP transport, budget and errors as in production.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from omnihub.connect.config import Instance
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.http import PatientTransport
from omnihub.connect.kit.virtual import VirtualTime
from omnihub.connect.refs import DEFAULT_CHANNEL
from omnihub.connect.sdk import Command, Connector, Context, Delivery, Refs
from omnihub.model.ids import ChannelId, InstanceId, TenantId
from omnihub.model.records import RawDelivery
from omnihub.settings.model import InstanceSettings

KIT_VERSION = 1
TENANT, INSTANCE = TenantId("kit"), InstanceId("subject")


class Canonical:
    """Cross-references of a system whose codes are canonical already."""

    @property
    def channel(self) -> ChannelId:
        """See `Refs.channel`."""
        return DEFAULT_CHANNEL

    def resolve(self, kind: str, code: str) -> str:
        """Return `code`."""
        return code

    def code_of(self, kind: str, canonical: str) -> str:
        """Return `canonical`."""
        return canonical


async def _nothing() -> Any:
    return None


@dataclass
class Subject:
    """One connector under test.

    config: a valid configuration; secrets are `SecretStr`.
    network: the simulator, for example `httpx.ASGITransport(app)`.
    samples: deliveries that its mapping must understand.
    commands: commands that its system executes; `refused` is one that it never will.
    effects: returns what the system shows, for comparison before and after.
    poll_limit: deliveries of one poll; small enough that the samples take several polls.
    """

    connector: type[Connector[Any]]
    config: Mapping[str, Any]
    network: httpx.AsyncBaseTransport = field(default_factory=httpx.AsyncHTTPTransport)
    refs: Refs = field(default_factory=Canonical)
    samples: Sequence[Delivery] = ()
    commands: Sequence[Command] = ()
    refused: Command | None = None
    effects: Callable[[], Awaitable[Any]] = _nothing
    poll_limit: int = 2
    virtual: VirtualTime = field(default_factory=VirtualTime)

    def start(self, **changes: Any) -> Connector[Any]:
        """Return the connector as its process would build it."""
        config = self.connector.config_type.model_validate({**self.config, **changes})
        transport = PatientTransport(self.network, INSTANCE, time=self.virtual.time)
        context = Context(TENANT, INSTANCE, self.refs, httpx.AsyncClient(transport=transport))
        return self.connector(config, context)

    def raw(self, delivery: Delivery, telling: int = 1) -> RawDelivery:
        """Return `delivery` as the log would hold it; another `telling` is another delivery."""
        clock = VirtualTime(now_s=1_700_000_000.0 + telling)
        acceptance = Acceptance(TENANT, self.connector.name, INSTANCE, clock.time)
        return acceptance.polled("kit", str(telling), delivery)

    def instance(self) -> Instance:
        """Return the configured instance, as ingress and runtime want it."""
        config = self.connector.config_type.model_validate(dict(self.config))
        settings = InstanceSettings(type=self.connector.name)
        return Instance(TENANT, INSTANCE, self.connector, config, settings)
