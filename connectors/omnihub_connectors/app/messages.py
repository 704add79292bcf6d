"""What the connector reads of a message of the Segment spec.

Guarantees: amounts are decimals, never floats; unknown fields are ignored; both spellings of a
field that the spec and its libraries use (`firstName`, `first_name`) are read.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from omnihub.model.time import to_us

Text = Annotated[str, BeforeValidator(lambda told: "" if told is None else str(told))]
Amount = Annotated[Decimal | None, BeforeValidator(lambda told: None if told == "" else told)]
MILLISECOND_US = 1000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Address(_Part):
    """Where somebody lives, or goods go."""

    street: Text = ""
    city: Text = ""
    state: Text = ""
    postal_code: Text = Field("", validation_alias=AliasChoices("postalCode", "postal_code", "zip"))
    country: Text = ""

    @property
    def postal(self) -> dict[str, object]:
        """The address as a contact wants it."""
        told: dict[str, object] = {
            "lines": [self.street] if self.street else [],
            "city": self.city,
            "region": self.state,
            "postcode": self.postal_code,
            "country": self.country,
        }
        return {key: value for key, value in told.items() if value}


class Traits(_Part):
    """Who somebody is."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: Text = ""
    first_name: Text = Field("", validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Text = Field("", validation_alias=AliasChoices("lastName", "last_name"))
    email: Text = ""
    phone: Text = ""
    address: Address | None = None

    @property
    def full_name(self) -> str:
        """The name, or its parts."""
        return self.name or f"{self.first_name} {self.last_name}".strip()

    def told(self, trait: str) -> str:
        """Return a trait that is not of the spec; empty when it is not there."""
        return str((self.model_extra or {}).get(trait) or "")


class Context(_Part):
    """What surrounds a message."""

    traits: Traits = Traits()
    locale: str | None = None


class Product(_Part):
    """One product of an order or cart."""

    sku: Text = ""
    product_id: Text = Field("", validation_alias=AliasChoices("product_id", "productId", "id"))
    name: Text = ""
    price: Amount = None
    quantity: Decimal = Decimal(1)
    pickup_location: Text = ""


class Properties(_Part):
    """What a track call says about an order or cart."""

    order_id: Text = Field("", validation_alias=AliasChoices("order_id", "orderId"))
    cart_id: Text = Field("", validation_alias=AliasChoices("cart_id", "cartId"))
    order_number: Text = ""
    currency: Text = ""
    total: Amount = None
    shipping: Amount = None
    tax: Amount = None
    discount: Amount = None
    products: tuple[Product, ...] | None = None
    pickup_location: Text = ""
    payment_method: Text = ""
    payment_status: Text = ""
    reason: Text = ""
    email: Text = ""
    phone: Text = ""
    name: Text = ""
    shipping_address: Address | None = None


class Message(_Part):
    """One call, whatever way it came."""

    type: str
    event: Text = ""
    message_id: Text = Field("", alias="messageId")
    user_id: Text = Field("", alias="userId")
    anonymous_id: Text = Field("", alias="anonymousId")
    previous_id: Text = Field("", alias="previousId")
    timestamp: datetime | None = None
    original_timestamp: datetime | None = Field(None, alias="originalTimestamp")
    context: Context = Context()
    traits: Traits = Traits()
    properties: Any = None

    @property
    def at_us(self) -> int | None:
        """When it happened by the sender's clock, in UTC micros; None when it does not say."""
        moment = self.timestamp or self.original_timestamp
        if moment is None:
            return None
        return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
