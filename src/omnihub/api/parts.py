"""What the app is given by the composition root, and how routes reach it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from omnihub.api.feed import ChangeFeed
from omnihub.broker.ports import Appender
from omnihub.connect.ingress import Ingress
from omnihub.model.ids import TenantId
from omnihub.ops.health import Health
from omnihub.ops.keys import Guard
from omnihub.ops.metrics import Metrics
from omnihub.views.queries import Views


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
    body_limit_bytes: int = 2 * 1024 * 1024


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
