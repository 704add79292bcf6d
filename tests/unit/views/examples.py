"""Orders and customers as records, for the tests of views, API and command line."""

from typing import Any

from omnihub.connect.kit import TOKENS
from omnihub.connect.personal import Tokens, contact_of
from omnihub.model.ids import (
    CartId,
    ChannelId,
    CustomerId,
    FulfilmentId,
    LineId,
    LocationId,
    OrderId,
    ReservationId,
    Sku,
    SubjectId,
    TenantId,
)
from omnihub.model.records import (
    Cart,
    CartLine,
    CartStatus,
    Contact,
    CustomerProfile,
    CustomerRedirect,
    Fulfilment,
    FulfilmentLine,
    FulfilmentStatus,
    FulfilmentType,
    Identifier,
    IdentifierKind,
    LineStatus,
    Money,
    Order,
    OrderLineState,
    OrderStatus,
    PaymentState,
    ProfileField,
    Reservation,
    ReservationStatus,
    SubjectLink,
)

MAIN = TenantId("main")
ADA, EMAIL, PHONE = "Ada Canary", "ada.canary@example.org", "+12025550143"
ADDRESS = {"lines": ["1 Canary Row"], "city": "Cincinnati", "country": "US"}
ADAS = (ADA, EMAIL, PHONE, "Canary Row")
"""What must be seen nowhere but with the scope `personal`."""


def contact(subject: str = "s-ada") -> Contact:
    told = {"name": ADA, "email": EMAIL, "phone": PHONE}
    return contact_of(TOKENS, SubjectId(subject), address=ADDRESS, **told)


def order(order_id: str, placed_at_us: int = 1, **fields: Any) -> Order:
    line = OrderLineState(
        line_id=LineId("1"),
        sku=Sku("4711"),
        quantity_milli=2000,
        unit_price=Money(unscaled=199, scale=2, currency="EUR"),
        total_minor=398,
        fulfilment=FulfilmentType.PICKUP,
        location=LocationId("S1"),
        reservation_id=ReservationId(f"r-{order_id}"),
        status=LineStatus.COMMITTED,
    )
    told = {
        "number": f"N-{order_id}",
        "channel": ChannelId("web"),
        "source": "shop",
        "status": OrderStatus.CONFIRMED,
        "payment": PaymentState.PAID,
        "subject": SubjectId("s-ada"),
        "contact": contact(),
        **fields,
    }
    return Order(
        tenant=MAIN,
        order_id=OrderId(order_id),
        currency="EUR",
        lines=(line,),
        total_minor=398,
        placed_at_us=placed_at_us,
        seq=1,
        cause_id="e-1",
        occurred_at_us=placed_at_us,
        accepted_at_us=placed_at_us,
        **told,
    )


def fulfilment(order_id: str) -> Fulfilment:
    line = FulfilmentLine(line_id=LineId("1"), sku=Sku("4711"), quantity_milli=2000)
    return Fulfilment(
        tenant=MAIN,
        fulfilment_id=FulfilmentId(f"f-{order_id}"),
        order_id=OrderId(order_id),
        location=LocationId("S1"),
        fulfilment=FulfilmentType.PICKUP,
        status=FulfilmentStatus.ALLOCATED,
        lines=(line,),
        seq=1,
        cause_id="e-1",
        occurred_at_us=1,
        accepted_at_us=1,
    )


def reservation(order_id: str) -> Reservation:
    return Reservation(
        tenant=MAIN,
        reservation_id=ReservationId(f"r-{order_id}"),
        order_id=OrderId(order_id),
        line_id=LineId("1"),
        sku=Sku("4711"),
        channel=ChannelId("web"),
        location=LocationId("S1"),
        quantity_milli=2000,
        status=ReservationStatus.COMMITTED,
        seq=2,
        cause_id="e-1",
        occurred_at_us=1,
        accepted_at_us=1,
    )


def profile(
    customer_id: str, *, email: str | None = EMAIL, seq: int = 1, tokens: Tokens = TOKENS
) -> CustomerProfile:
    token = tokens.email(email) if email else None
    known = Identifier(kind=IdentifierKind.EMAIL, scope="", token=token or "", is_verified=False)
    told = ProfileField(
        name="email", subject=SubjectId("s-ada"), source="shop", at_us=1, is_verified=False
    )
    return CustomerProfile(
        tenant=MAIN,
        customer_id=CustomerId(customer_id),
        subjects=(SubjectId("s-ada"),),
        identifiers=(known,) if token else (),
        name=contact(),
        email=contact(),
        phone=contact("s-till"),
        address=contact(),
        fields=(told,),
        consents=(),
        birthday_month=12,
        birthday_day=10,
        segments=("gold",),
        first_seen_us=1,
        last_seen_us=2,
        seq=seq,
        cause_id="e-1",
        accepted_at_us=2,
    )


def link(subject: str, customer_id: str, source: str = "shop") -> SubjectLink:
    return SubjectLink(
        tenant=MAIN,
        subject=SubjectId(subject),
        customer_id=CustomerId(customer_id),
        source=source,
        seq=1,
        cause_id="e-1",
        accepted_at_us=1,
    )


def redirect(customer_id: str, survivor: str) -> CustomerRedirect:
    return CustomerRedirect(
        tenant=MAIN,
        customer_id=CustomerId(customer_id),
        survivor=CustomerId(survivor),
        cause_id="e-2",
        accepted_at_us=2,
    )


def cart(cart_id: str) -> Cart:
    price = Money(unscaled=199, scale=2, currency="EUR")
    return Cart(
        tenant=MAIN,
        cart_id=CartId(cart_id),
        channel=ChannelId("app"),
        subject=SubjectId("s-ada"),
        currency="EUR",
        lines=(CartLine(sku=Sku("4711"), quantity_milli=1000, unit_price=price),),
        total_minor=199,
        status=CartStatus.OPEN,
        seq=1,
        cause_id="e-1",
        occurred_at_us=1,
        accepted_at_us=1,
    )
