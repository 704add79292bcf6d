"""Acceptance of webhooks and calls: verify the bytes, make them durable, and only then say yes.

Guarantees: 2xx means that the delivery is on the log (or was a ping); nothing is understood before
it is safe. Of the headers, only those are kept that the scheme names. Unproven is 401, too large
413, unknown 404, log away 503 with Retry-After; never 500 for what a sender does. Calls of a
system's clients (`calls`) are answered as that system answers: 200 with its body, 400 for what has
not its form, and none of their headers is kept.
Does not: read sockets or know a web framework (the API's route does).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omnihub.broker.ports import Appender
from omnihub.connect.calls import BadCall, CallScheme, received
from omnihub.connect.config import Instance
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.errors import BadSignature
from omnihub.connect.observer import Observer, Unobserved
from omnihub.connect.pace import Time
from omnihub.connect.sdk import Delivery
from omnihub.connect.webhooks import Headers, Verified, WebhookScheme, verify
from omnihub.model.errors import OmniHubError, RetryableError
from omnihub.model.ids import InstanceId
from omnihub.model.records import DeliveryKind

BODY_LIMIT_BYTES = 2 * 1024 * 1024
_RETRY_AFTER_S = 5.0
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told. `detail` never repeats the request."""

    status: int
    title: str
    detail: str
    delivery_id: str | None = None
    retry_after_s: float | None = None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Desk:
    scheme: CallScheme
    acceptance: Acceptance


@dataclass(frozen=True, slots=True)
class _Door:
    scheme: WebhookScheme
    acceptance: Acceptance


@dataclass
class Ingress:
    """Accepts webhooks for the instances that get any."""

    instances: Mapping[InstanceId, Instance]
    appender: Appender
    time: Time = field(default_factory=Time)
    observer: Observer = field(default_factory=Unobserved)
    limit_bytes: int = BODY_LIMIT_BYTES

    def __post_init__(self) -> None:
        """Build the schemes once: a secret that cannot work is found at the start."""
        doors = {name: _door(instance, self.time) for name, instance in self.instances.items()}
        self._doors = {name: door for name, door in doors.items() if door}
        desks = {name: _desk(instance, self.time) for name, instance in self.instances.items()}
        self._desks = {name: desk for name, desk in desks.items() if desk}

    async def accept(self, instance: str, headers: Headers, body: bytes) -> Answer:
        """Judge one webhook for `instance`; `body` is exactly what came over the wire."""
        door = self._doors.get(InstanceId(instance))
        if door is None:
            return Answer(404, "No such webhook", f"'{instance}' takes no webhooks here.")
        answer = await self._judge(door, headers, body)
        self.observer.webhook(door.acceptance.instance, answer.status)
        return answer

    async def call(self, instance: str, path: str, headers: Headers, body: bytes) -> Answer:
        """Judge one call of a client at `path` below `instance`, for example "v1/track"."""
        desk = self._desks.get(InstanceId(instance))
        if desk is None or path not in desk.scheme.calls:
            return Answer(404, "No such call", f"'{instance}' takes no such calls here.")
        answer = await self._take(desk, path, headers, body)
        self.observer.webhook(desk.acceptance.instance, answer.status)
        return answer

    async def _take(self, desk: _Desk, path: str, headers: Headers, body: bytes) -> Answer:
        try:
            plain = received(desk.scheme, path, headers, body)
        except BadSignature as error:
            return Answer(401, "Not proven", str(error))
        except BadCall as error:
            return Answer(400, "Not understood", str(error))
        delivery = Delivery(path, plain, kind=DeliveryKind.WEBHOOK)
        answer = await self._accept(desk.acceptance, path, delivery)
        is_kept = answer.status < _FIRST_ERROR
        return replace(answer, status=200, body=desk.scheme.answer) if is_kept else answer

    async def _judge(self, door: _Door, headers: Headers, body: bytes) -> Answer:
        if len(body) > self.limit_bytes:
            return Answer(413, "Too large", f"At most {self.limit_bytes} bytes are accepted.")
        try:
            verified = verify(door.scheme, headers, body, self.time.wall_s())
        except BadSignature as error:
            return Answer(401, "Not proven", str(error))
        if verified.is_ping:
            return Answer(200, "Pong", "The test call was understood; nothing was written.")
        return await self._append(door, verified, headers, body)

    async def _append(
        self, door: _Door, verified: Verified, headers: Headers, body: bytes
    ) -> Answer:
        topic = verified.topic or "webhook"
        delivery = Delivery(
            name=verified.delivery_id or topic,
            body=body,
            headers=_kept(headers, door.scheme.kept_headers),
            kind=DeliveryKind.WEBHOOK,
        )
        return await self._accept(door.acceptance, topic, delivery)

    async def _accept(self, acceptance: Acceptance, topic: str, delivery: Delivery) -> Answer:
        raw = acceptance.pushed(topic, delivery)
        try:
            await self.appender.append(acceptance.topic, raw, timestamp_us=raw.accepted_at_us)
        except RetryableError:
            detail = "The log does not answer; send the same request again."
            return Answer(503, "Not accepted", detail, retry_after_s=_RETRY_AFTER_S)
        except OmniHubError as error:
            return Answer(413, "Not accepted", str(error))
        return Answer(202, "Accepted", "The delivery is durable.", raw.delivery_id)


def _door(instance: Instance, time: Time) -> _Door | None:
    connector: type[Any] = instance.connector
    scheme = connector.webhook(instance.config)
    if scheme is None:
        return None
    return _Door(scheme, Acceptance(instance.tenant, connector.name, instance.id, time))


def _desk(instance: Instance, time: Time) -> _Desk | None:
    connector: type[Any] = instance.connector
    scheme = connector.calls(instance.config)
    if scheme is None:
        return None
    return _Desk(scheme, Acceptance(instance.tenant, connector.name, instance.id, time))


def _kept(headers: Headers, wanted: frozenset[str]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items() if name.lower() in wanted}
