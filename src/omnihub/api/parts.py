"""What the app is given by the composition root, and how routes reach it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from omnihub.api.desk import OrderDesk
from omnihub.api.feed import ChangeFeed
from omnihub.api.showing import Opener
from omnihub.broker.ports import Appender
from omnihub.connect.ingress import Ingress
from omnihub.connect.personal import Tokens
from omnihub.contracts.codec import Codec
from omnihub.contracts.sealing import Sealer
from omnihub.contracts.topics import Topics
from omnihub.model.ids import LocationId, TenantId
from omnihub.model.records import ParkedBody, ParkedRecord
from omnihub.ops.health import Health
from omnihub.ops.keys import Guard, KeyEntry, Scope
from omnihub.ops.metrics import Metrics
from omnihub.rules.places import StoreLocation
from omnihub.views.queries import Views
from omnihub.views.requests import Requests


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that routes use."""

    tenant: TenantId
    instances: frozenset[str]
    views: Views
    appender: Appender
    feed: ChangeFeed
    ingress: Ingress
    guard: Guard
    metrics: Metrics
    health: Health
    targets: Callable[[], Sequence[tuple[str, str]]]
    now_us: Callable[[], int]
    tokens: Tokens
    sealer: Sealer
    codec: Codec
    topics: Topics
    body_of: Callable[[ParkedRecord], ParkedBody | None]
    requests: Requests
    stores: Mapping[LocationId, StoreLocation]
    body_limit_bytes: int = 2 * 1024 * 1024

    @property
    def desk(self) -> OrderDesk:
        """Return where orders are asked for."""
        orders = self.views.orders
        return OrderDesk(
            self.tenant, self.tokens, orders, self.requests, self.appender, self.now_us
        )

    @property
    def opener(self) -> Opener:
        """Return what opens sealed fields."""
        return self.sealer.open_record

    def opener_for(self, who: KeyEntry) -> Opener | None:
        """Return what opens sealed fields, None for whoever may not see what is personal."""
        return self.opener if who.allows(Scope.PERSONAL) else None


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
