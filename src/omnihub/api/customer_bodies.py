"""The bodies of customers and carts. Field names are those of the records."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from omnihub.api.bodies import Body, RequestBody
from omnihub.api.order_bodies import MoneyBody, Reachable

Value = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class IdentifierBody(Body):
    """That something is known by which somebody is recognised; not what."""

    kind: str
    scope: str
    is_verified: bool


class Known(Body):
    """As whom one system knows the customer."""

    source: str
    subject: str


class Provenance(Body):
    """Which system told an attribute, and when."""

    name: str
    source: str
    at_us: int
    is_verified: bool


class ConsentBody(Body):
    """What the customer allows on one channel for one purpose."""

    channel: str
    purpose: str
    state: str
    at_us: int


class PersonalPart(Reachable):
    """What is personal of a profile."""

    birthday_month: int | None = None
    birthday_day: int | None = None


class Customer(Body):
    """One person over all systems."""

    customer_id: str = Field(description="The surviving id, where the one asked for was merged.")
    subjects: list[Known]
    identifiers: list[IdentifierBody]
    fields: list[Provenance]
    consents: list[ConsentBody]
    segments: list[str]
    first_seen_us: int
    last_seen_us: int
    seq: int
    cause_id: str
    accepted_at_us: int
    personal: PersonalPart | SkipJsonSchema[None] = Field(
        None, description="Absent without the scope `personal`."
    )


class Search(RequestBody):
    """By what to find somebody; exactly one. The values are never logged or kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "ada@example.org"}],
            "oneOf": [{"required": [one]} for one in ("email", "phone", "subject")],
        },
    )
    email: Value | SkipJsonSchema[None] = None
    phone: Value | SkipJsonSchema[None] = Field(None, description="With + and country code.")
    subject: Value | SkipJsonSchema[None] = None

    @model_validator(mode="after")
    def _one(self) -> "Search":
        given = [getattr(self, name) for name in self.model_fields_set]
        if len(given) != 1 or given == [None]:
            raise ValueError("give exactly one of email, phone, subject")
        return self


class Found(BaseModel):
    """Whom a search found: several, where an identifier does not link by itself."""

    items: list[Customer]


class CartLineBody(Body):
    """One line of a cart."""

    sku: str
    quantity_milli: int
    unit_price: MoneyBody | None


class CartBody(Body):
    """One cart."""

    cart_id: str
    channel: str
    subject: str | None = Field(description="Whose it is, as the source knows them; a random id.")
    currency: str | None
    lines: list[CartLineBody]
    total_minor: int | None
    status: str
    order_id: str | None
    seq: int
    cause_id: str
    occurred_at_us: int
    accepted_at_us: int
