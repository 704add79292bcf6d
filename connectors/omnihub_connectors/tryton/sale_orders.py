"""From a sale that staff made in Tryton to an order, and to the person who bought.

Guarantees: Tryton's own figures are taken over; total = lines + shipping - discount + rounding,
all with tax. The tax of a sale is known as one sum and shared out over its taxed lines by amount,
to the minor unit: exact for sales with one tax rate. Lines without product travel with the
shipping, negative ones with the discount.
Does not: read prices before discount (Tryton keeps the price after it), or tell returns: a sale
with a negative line tells nothing, the goods that come back are told by their moves.
"""

from decimal import Decimal

from omnihub.connect.entities import event_meta
from omnihub.connect.personal import Tokens, contact_of, normal_phone, order_id_of
from omnihub.connect.sdk import ObservedLine, ObservedOrder, Refs
from omnihub.model.errors import RejectedError
from omnihub.model.ids import InstanceId, LineId, LocationId, OrderId, Sku, TenantId
from omnihub.model.money import minor_of, money_of
from omnihub.model.records import (
    Contact,
    CustomerObserved,
    FulfilmentType,
    Identifier,
    IdentifierKind,
    OrderIntent,
    OrderLine,
    OrderPlaced,
    PaymentState,
    SourceEntity,
)
from omnihub_connectors.tryton.sale_payload import PostalAddress, SaleRow, SoldLine
from omnihub_connectors.tryton.sale_rows import order_in

PHONES = frozenset({"phone", "mobile"})


def order_of(sale: SaleRow, tenant: TenantId, instance: InstanceId) -> OrderId:
    """Return the order that a sale is: the hub's own if the hub wrote it."""
    return order_in(sale.reference) or order_id_of(tenant, instance, str(sale.id))


def placed(
    entity: SourceEntity,
    sale: SaleRow,
    refs: Refs,
    location: LocationId | None,
    payment: PaymentState,
    times: tuple[int, int],
    contact: Contact,
) -> OrderPlaced:
    """Return the order of a sale; `times` are its version and when it was placed, in micros."""
    version, placed_at_us = times
    currency = sale.currency.code or ""
    lines = _lines(sale, refs, location, currency)
    plain = [line.total for line in sale.lines if not line.sells_goods]
    shipping = minor_of(sum((each for each in plain if each > 0), Decimal(0)), currency)
    discount = -minor_of(sum((each for each in plain if each < 0), Decimal(0)), currency)
    total = minor_of(sale.total_amount, currency)
    known = sum(line.total_minor for line in lines) + shipping - discount
    return OrderPlaced(
        meta=event_meta(entity, "order", version, version=version),
        order_id=order_id_of(entity.tenant, entity.instance, entity.entity_id),
        number=sale.number or entity.entity_id,
        channel=refs.channel,
        # What leaves is told by its moves; a finished sale asks for nothing more.
        intent=OrderIntent.PLACE,
        payment=payment,
        currency=currency,
        lines=lines,
        shipping_minor=shipping,
        discount_minor=discount,
        tax_minor=minor_of(sale.tax_amount, currency),
        rounding_minor=total - known,
        total_minor=total,
        contact=contact,
        subject=contact.subject,
        placed_at_us=placed_at_us,
    )


def buyer(
    entity: SourceEntity, sale: SaleRow, contact: Contact, tokens: Tokens, version: int
) -> CustomerObserved:
    """Return the party of a sale as a person; what staff noted of them is taken as verified."""
    scope, number = entity.instance, str(sale.party.id)
    own = Identifier(
        kind=IdentifierKind.CUSTOMER_ID,
        scope=scope,
        token=tokens.of(f"customer_id:{scope}", number),
        is_verified=True,
    )
    told = (
        (IdentifierKind.EMAIL, contact.email_token),
        (IdentifierKind.PHONE, contact.phone_token),
    )
    ways = (
        Identifier(kind=kind, scope="", token=token, is_verified=True)
        for kind, token in told
        if token is not None
    )
    return CustomerObserved(
        meta=event_meta(entity, "buyer", version, version=version),
        subject=contact.subject,
        identifiers=(own, *ways),
        contact=contact,
    )


def contact(entity: SourceEntity, sale: SaleRow, tokens: Tokens) -> Contact:
    """Return how to reach the party of a sale."""
    address = sale.shipment_address
    country = address.country.code if address and address.country else None
    told = [(each.type, each.value) for each in sale.party.contact_mechanisms if each.value]
    phones = [value for kind, value in told if kind in PHONES]
    return contact_of(
        tokens,
        tokens.subject(entity.instance, "customer", str(sale.party.id)),
        name=sale.party.name,
        email=next((value for kind, value in told if kind == "email"), None),
        phone=next((each for each in phones if normal_phone(each, country)), None),
        address=_postal(address, country) if address else None,
        region=country,
        locale=sale.party.lang.code.replace("_", "-") if sale.party.lang else None,
    )


def observed(sale: SaleRow, tenant: TenantId, instance: InstanceId, refs: Refs) -> ObservedOrder:
    """Return what Tryton says a sale is."""
    currency = sale.currency.code or ""
    return ObservedOrder(
        order_id=order_of(sale, tenant, instance),
        number=sale.number or str(sale.id),
        status=sale.state,
        currency=currency,
        total_minor=minor_of(sale.total_amount, currency),
        lines=tuple(
            ObservedLine(line.sku, line.quantity_milli, line.total_minor)
            for line in _lines(sale, refs, None, currency)
        ),
    )


def _lines(
    sale: SaleRow, refs: Refs, location: LocationId | None, currency: str
) -> tuple[OrderLine, ...]:
    goods = sale.goods
    taxes = _shared_out(sale, currency)
    return tuple(_line(line, refs, location, currency, taxes[line.id]) for line in goods)


def _line(
    line: SoldLine, refs: Refs, location: LocationId | None, currency: str, tax_minor: int
) -> OrderLine:
    if line.product is None or not line.product.code:
        detail = f"sale line {line.id} has no product code. Give the variant one in Tryton."
        raise RejectedError("sku_missing", detail, str(line.id))
    quantity_milli = _milli(line)
    return OrderLine(
        line_id=LineId(str(line.id)),
        sku=Sku(refs.resolve("sku", line.product.code)),
        title=line.product.name or None,
        quantity_milli=quantity_milli,
        unit_price=money_of(line.unit_price or Decimal(0), currency),
        tax_minor=tax_minor,
        total_minor=minor_of(line.total, currency) + tax_minor,
        fulfilment=FulfilmentType.SHIP,
        location=location,
    )


def _milli(line: SoldLine) -> int:
    """Return a line's quantity in thousandths of its product's own unit."""
    factor = 1.0
    if line.unit is not None and line.product is not None:
        factor = line.unit.factor / line.product.default_uom.factor
    return round((line.quantity or 0.0) * factor * 1000)


def _shared_out(sale: SaleRow, currency: str) -> dict[int, int]:
    """Return each line's share of the sale's tax, in minor units; the shares add up."""
    taxed = [line for line in sale.lines if line.taxes and line.total > 0]
    left = minor_of(sale.tax_amount, currency)
    base = sum((line.total for line in taxed), Decimal(0))
    shares = dict.fromkeys((line.id for line in sale.lines), 0)
    for line in taxed:
        share = int((left * line.total / base).to_integral_value())
        shares[line.id] = share
        left, base = left - share, base - line.total
    return shares


def _postal(address: PostalAddress, country: str | None) -> dict[str, object]:
    return {
        "lines": (address.street or "").splitlines(),
        "city": address.city or "",
        "postcode": address.postal_code or "",
        "country": country or "",
    }
