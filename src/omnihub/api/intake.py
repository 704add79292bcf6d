"""From what a caller asks to the records on the inboxes: pure, for the API and the command line.

Guarantees: the same request, key and moment give the same records, byte for byte, so whoever
repeats one after a crash names the same order. Does not: decide; rules do.
"""

from dataclasses import dataclass

import msgspec

from omnihub.api.order_bodies import Buyer, NewLine, NewOrder, Report
from omnihub.connect.personal import Tokens, contact_of, order_id_of
from omnihub.model.errors import RejectedError
from omnihub.model.ids import (
    ChannelId,
    EventId,
    InstanceId,
    LineId,
    LocationId,
    OrderId,
    Sku,
    SubjectId,
    TenantId,
    derive_id,
)
from omnihub.model.money import exponent_of
from omnihub.model.records import (
    CancelOrder,
    Contact,
    CustomerObserved,
    EventMeta,
    FulfilmentStatus,
    FulfilmentType,
    Identifier,
    IdentifierKind,
    Money,
    OrderIntent,
    OrderLine,
    OrderPlaced,
    PaymentState,
    ReportFulfilment,
)

SOURCE = InstanceId("api")
"""What orders of the API say where they come from."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for something to happen to an order, and when (UTC micros)."""

    tenant: TenantId
    order_id: OrderId
    who: str
    at_us: int

    def meta(self, role: str, version: int | None = None) -> EventMeta:
        """Return the meta of the request that this is."""
        return EventMeta(
            tenant=self.tenant,
            event_id=EventId(derive_id(f"{self.order_id}:{self.who}:{self.at_us}", role)),
            cause_id=f"{SOURCE}:{self.who}",
            source=SOURCE,
            entity=f"order:{self.order_id}",
            version=version,
            occurred_at_us=self.at_us,
            accepted_at_us=self.at_us,
        )


def order_id_for(tenant: TenantId, idempotency_key: str) -> OrderId:
    """Return the id of the order that is placed under a key."""
    return order_id_of(tenant, SOURCE, idempotency_key)


def fingerprint_of(tokens: Tokens, body: NewOrder) -> str:
    """Return a keyed hash of what is asked, to tell whether a key is used for two things."""
    return tokens.of("request", body.model_dump_json())


def number_of(body: NewOrder, order_id: OrderId) -> str:
    """Return what the buyer may call the order."""
    return body.number or order_id[:8].upper()


def placed(
    asking: Asking, body: NewOrder, tokens: Tokens
) -> tuple[OrderPlaced, CustomerObserved | None]:
    """Return an order for the order inbox, and its buyer for the customer inbox if one is told.

    Raises:
        RejectedError: the sums do not add up, or a line to collect says not where.
    """
    _check(body)
    observed = _buyer(asking, body, tokens)
    order = OrderPlaced(
        meta=asking.meta("placed", version=1),
        order_id=asking.order_id,
        number=number_of(body, asking.order_id),
        channel=ChannelId(body.channel),
        intent=OrderIntent.PLACE,
        payment=PaymentState(body.payment),
        currency=body.currency,
        lines=tuple(_line(line, body.currency) for line in body.lines),
        shipping_minor=body.shipping_minor,
        discount_minor=body.discount_minor,
        tax_minor=body.tax_minor,
        rounding_minor=body.rounding_minor,
        total_minor=body.total_minor,
        contact=observed.contact if observed else None,
        subject=observed.subject if observed else None,
        placed_at_us=asking.at_us if body.placed_at_us is None else body.placed_at_us,
    )
    return order, observed


def cancelled(asking: Asking, reason: str) -> CancelOrder:
    """Return the request to cancel an order."""
    return CancelOrder(
        meta=asking.meta("cancel"),
        order_id=asking.order_id,
        reason=reason,
        requested_by=asking.who,
    )


def reported(asking: Asking, body: Report) -> ReportFulfilment:
    """Return the report of how far the goods at one location are."""
    return ReportFulfilment(
        meta=asking.meta(f"report:{body.location}:{body.status}"),
        order_id=asking.order_id,
        location=LocationId(body.location),
        status=FulfilmentStatus(body.status),
        tracking_number=body.tracking_number,
        reported_by=asking.who,
    )


def _check(body: NewOrder) -> None:
    lines_minor = sum(line.total_minor for line in body.lines)
    sum_minor = lines_minor + body.shipping_minor - body.discount_minor + body.rounding_minor
    if sum_minor != body.total_minor:
        detail = f"lines + shipping - discount + rounding are {sum_minor}, not {body.total_minor}"
        raise RejectedError("wrong_total", detail, "total_minor")
    seen: set[str] = set()
    for index, line in enumerate(body.lines):
        if line.line_id in seen:
            raise RejectedError("line_repeated", "two lines have this id", f"lines/{index}/line_id")
        seen.add(line.line_id)
        if line.fulfilment == "PICKUP" and line.location is None:
            detail = "say at which location the goods are collected"
            raise RejectedError("no_location", detail, f"lines/{index}/location")


def _line(line: NewLine, currency: str) -> OrderLine:
    try:
        scale = exponent_of(currency)
    except RejectedError as error:
        raise RejectedError(error.reason_code, error.detail, "currency") from None
    return OrderLine(
        line_id=LineId(line.line_id),
        sku=Sku(line.sku),
        title=line.title,
        quantity_milli=line.quantity_milli,
        unit_price=Money(unscaled=line.unit_price_minor, scale=scale, currency=currency),
        discount_minor=line.discount_minor,
        tax_minor=line.tax_minor,
        total_minor=line.total_minor,
        fulfilment=FulfilmentType(line.fulfilment),
        location=None if line.location is None else LocationId(line.location),
    )


def _buyer(asking: Asking, body: NewOrder, tokens: Tokens) -> CustomerObserved | None:
    """Return the buyer as this order tells them; a guest is somebody new with each order."""
    if body.customer is None and body.contact is None:
        return None
    kind, known_as = ("customer", body.customer) if body.customer else ("guest", asking.order_id)
    subject = tokens.subject(SOURCE, kind, known_as)
    contact = _contact(tokens, subject, body.contact) if body.contact else None
    # Of two orders of one buyer, the later one tells the newer contact.
    meta = msgspec.structs.replace(
        asking.meta("buyer", version=asking.at_us), entity=f"customer:{subject}"
    )
    return CustomerObserved(
        meta=meta,
        subject=subject,
        identifiers=_identifiers(tokens, body, contact),
        contact=contact,
        consents=(),
        segments=(),
    )


def _contact(tokens: Tokens, subject: SubjectId, buyer: Buyer) -> Contact:
    address = buyer.address.model_dump(exclude_none=True) if buyer.address else None
    return contact_of(
        tokens,
        subject,
        name=buyer.name,
        email=buyer.email,
        phone=buyer.phone,
        address=address,
        locale=buyer.locale,
    )


def _identifiers(tokens: Tokens, body: NewOrder, contact: Contact | None) -> tuple[Identifier, ...]:
    """Return by what the buyer is known; what a buyer typed is not verified."""
    known = (
        (IdentifierKind.CUSTOMER_ID, SOURCE, body.customer and tokens.of("api", body.customer)),
        (IdentifierKind.EMAIL, "", contact and contact.email_token),
        (IdentifierKind.PHONE, "", contact and contact.phone_token),
    )
    return tuple(
        Identifier(
            kind=kind, scope=scope, token=token, is_verified=kind is IdentifierKind.CUSTOMER_ID
        )
        for kind, scope, token in known
        if token
    )
