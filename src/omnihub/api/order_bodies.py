"""The bodies of orders. Field names are those of the records.

Money is in minor units of the order's currency (`_minor`), quantities are thousandths (`_milli`).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from omnihub.api.bodies import Body, Id, RequestBody

Minor = Annotated[int, Field(ge=0, le=10**15)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Reason = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class MoneyBody(Body):
    """An exact amount: unscaled × 10^-scale of the currency's main unit."""

    unscaled: int
    scale: int
    currency: str


class OrderLineBody(Body):
    """One line with what is held for it."""

    line_id: str
    sku: str
    title: str | None
    quantity_milli: int
    unit_price: MoneyBody
    total_minor: int
    fulfilment: str
    location: str | None = Field(description="Where the goods are held.")
    reservation_id: str
    status: str


class OrderSummary(Body):
    """One order without its parts and without anything personal."""

    order_id: str
    number: str
    channel: str
    source: str
    status: str
    reason: str | None
    payment: str
    currency: str
    total_minor: int
    subject: str | None = Field(description="The buyer as the source knows them; a random id.")
    waiting_on: str | None = Field(description="What it waits for now, in words.")
    placed_at_us: int
    seq: int
    cause_id: str
    occurred_at_us: int
    accepted_at_us: int


class FulfilmentLineBody(Body):
    """What of one line leaves from here."""

    line_id: str
    sku: str
    quantity_milli: int


class FulfilmentBody(Body):
    """How far the goods of one order at one location are."""

    fulfilment_id: str
    order_id: str
    location: str
    fulfilment: str
    status: str
    lines: list[FulfilmentLineBody]
    ready_by_us: int | None
    pickup_expires_at_us: int | None
    tracking_number: str | None
    seq: int
    cause_id: str
    accepted_at_us: int


class ReservationBody(Body):
    """What is held for one line."""

    reservation_id: str
    line_id: str
    sku: str
    location: str | None
    quantity_milli: int
    status: str
    reason: str | None
    expires_at_us: int | None
    seq: int


class PaymentBody(Body):
    """Money that moved for an order, as one provider tells it."""

    payment_id: str
    provider: str
    provider_reference: str
    method: str | None
    currency: str
    authorised_minor: int
    captured_minor: int
    refunded_minor: int
    last: str
    seq: int


class ReturnBody(Body):
    """What comes back of an order."""

    return_id: str
    status: str
    location: str | None
    seq: int


class Reachable(Body):
    """How to reach a person; what is unknown or erased is absent."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    address: dict[str, str | list[str]] | None = None


class OrderDetail(OrderSummary):
    """One order with everything that belongs to it."""

    lines: list[OrderLineBody]
    shipping_minor: int
    discount_minor: int
    tax_minor: int
    rounding_minor: int
    fulfilments: list[FulfilmentBody]
    reservations: list[ReservationBody]
    payments: list[PaymentBody]
    returns: list[ReturnBody]
    contact: Reachable | SkipJsonSchema[None] = Field(
        None, description="Absent without the scope `personal`."
    )


class Address(RequestBody):
    """Where somebody lives or wants the goods."""

    lines: list[Line] = Field(default_factory=list, max_length=5)
    city: Line | None = None
    region: Line | None = None
    postcode: Annotated[str, StringConstraints(max_length=32)] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None


class Buyer(RequestBody):
    """How to reach the buyer; kept sealed."""

    name: Line | None = None
    email: Line | None = None
    phone: Annotated[str, StringConstraints(max_length=64)] | None = None
    address: Address | None = None
    locale: Annotated[str, StringConstraints(max_length=35)] | None = None


class NewLine(RequestBody):
    """One line of a new order."""

    line_id: Id
    sku: Id
    title: Line | None = None
    quantity_milli: Annotated[int, Field(ge=1, le=10**12)]
    unit_price_minor: Minor
    discount_minor: Minor = 0
    tax_minor: Minor = 0
    total_minor: Minor = Field(description="What the buyer pays for the line, all included.")
    fulfilment: Literal["SHIP", "PICKUP", "DELIVERY"] = "SHIP"
    location: Id | None = Field(None, description="Where it is collected: needed for PICKUP.")


class NewOrder(RequestBody):
    """An order to place. `total_minor` = lines + shipping - discount + rounding."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channel": "web",
                    "number": "1001",
                    "currency": "EUR",
                    "payment": "PAID",
                    "lines": [
                        {
                            "line_id": "1",
                            "sku": "4711",
                            "quantity_milli": 2000,
                            "unit_price_minor": 199,
                            "total_minor": 398,
                            "fulfilment": "PICKUP",
                            "location": "STORE-61",
                        }
                    ],
                    "total_minor": 398,
                    "contact": {"name": "Ada Example", "email": "ada@example.org"},
                }
            ]
        },
    )
    channel: Id
    number: Id | None = Field(None, description="What the buyer calls it; else made from its id.")
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    payment: Literal["UNPAID", "AUTHORISED", "PAID", "ON_COLLECTION"]
    lines: list[NewLine] = Field(min_length=1, max_length=200)
    shipping_minor: Minor = 0
    discount_minor: Minor = 0
    tax_minor: Minor = 0
    rounding_minor: Annotated[int, Field(ge=-1000, le=1000)] = 0
    total_minor: Minor
    customer: Line | None = Field(None, description="Your own id of the buyer; kept as a token.")
    contact: Buyer | None = None
    placed_at_us: Annotated[int, Field(ge=0, le=2**53)] | None = None


class OrderAccepted(BaseModel):
    """An order that is durable and will be decided on."""

    order_id: str
    number: str
    accepted_at_us: int


class Cancel(RequestBody):
    """Asks to cancel what has not left the house."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "buyer_changed_mind"}]})
    reason: Reason


class Report(RequestBody):
    """Tells how far the goods at one location are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"location": "STORE-61", "status": "READY_FOR_PICKUP"}]},
    )
    location: Id
    status: Literal["PICKING", "PACKED", "READY_FOR_PICKUP", "COLLECTED", "SHIPPED", "DELIVERED"]
    tracking_number: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None


class Asked(BaseModel):
    """A request that is durable; the order's events tell what came of it."""

    order_id: str
    request_id: str
