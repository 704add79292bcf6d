"""Turns what a connector was given into the raw record that every replay starts from.

Guarantees: the same bytes polled again from the same place get the same delivery id, so a poll
repeated after a crash is recognisable; webhooks get an id of their own. Nothing is parsed here.
With `Tokens.digest`, an id tells nothing about the bytes to who has not the tenant's secret.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from omnihub.connect.lanes import Lane, raw_topic
from omnihub.connect.pace import Time
from omnihub.connect.personal import Digest, unkeyed
from omnihub.connect.sdk import Delivery
from omnihub.model.ids import DeliveryId, InstanceId, TenantId, derive_id
from omnihub.model.records import RawDelivery


def random_delivery_id() -> DeliveryId:
    """Return an id for a delivery whose sender gives none (the one place of chance in the hub)."""
    return DeliveryId(str(uuid4()))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Accepts deliveries for one instance."""

    tenant: TenantId
    connector: str
    instance: InstanceId
    time: Time = field(default_factory=Time)
    new_id: Callable[[], DeliveryId] = random_delivery_id
    digest: Digest = unkeyed

    def polled(self, stream: str, place: str, delivery: Delivery) -> RawDelivery:
        """Return the raw record of a delivery read at `place`: an offset or a command."""
        cause = "\x1f".join((self.tenant, self.instance, stream, place, delivery.name))
        return self._raw(stream, delivery, DeliveryId(derive_id(cause, self.digest(delivery.body))))

    def pushed(self, topic: str, delivery: Delivery) -> RawDelivery:
        """Return the raw record of a webhook."""
        return self._raw(topic, delivery, self.new_id())

    def _raw(self, stream: str, delivery: Delivery, delivery_id: DeliveryId) -> RawDelivery:
        return RawDelivery(
            delivery_id=delivery_id,
            tenant=self.tenant,
            connector=self.connector,
            instance=self.instance,
            kind=delivery.kind,
            stream=stream,
            name=delivery.name,
            headers=dict(delivery.headers),
            body=delivery.body,
            accepted_at_us=self.time.now_us(),
        )

    @property
    def topic(self) -> str:
        """Where raw deliveries of this connector type go."""
        return raw_topic(self.connector)

    def topic_of(self, lane: Lane) -> str:
        """Return where those of one lane go."""
        return raw_topic(self.connector, lane)
