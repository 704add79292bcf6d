"""Payments of an order: movements of money become sums, sums become what the order knows.

Guarantees: a movement counts once; refunded is never more than captured. Does not: convert
currencies, or wait for a capture that is told after its refund: the refund is refused.
"""

from collections.abc import Iterable

import msgspec

from omnihub.model.errors import RejectedError
from omnihub.model.records import Payment, PaymentKind, PaymentRecorded, PaymentState

PAYMENT_TOPIC = "omni.payment.state.v1"
_SIGNS = {PaymentKind.REFUNDED: 1, PaymentKind.REFUND_FAILED: -1}


def recorded(known: Payment | None, event: PaymentRecorded) -> Payment:
    """Return the payment after one more movement of its money.

    Raises:
        RejectedError: another currency, an amount below zero, or more refunded than captured.
    """
    if event.amount_minor < 0:
        raise RejectedError("negative_amount", "an amount cannot be below zero", event.payment_id)
    payment = known or _first(event)
    if payment.currency != event.currency:
        detail = f"the payment is in {payment.currency}, this movement in {event.currency}"
        raise RejectedError("currency_mismatch", detail, event.payment_id)
    new = _moved(payment, event)
    if not 0 <= new.refunded_minor <= new.captured_minor:
        raise RejectedError("over_refund", "more refunded than captured", event.payment_id)
    return new


def payment_state(payments: Iterable[Payment], total_minor: int) -> PaymentState:
    """Return what the sums of all payments of an order mean for its total."""
    known = list(payments)
    captured = sum(each.captured_minor for each in known)
    refunded = sum(each.refunded_minor for each in known)
    authorised = sum(max(each.authorised_minor, each.captured_minor) for each in known)
    if refunded:
        return PaymentState.REFUNDED if refunded >= captured else PaymentState.PART_REFUNDED
    if captured >= total_minor and captured:
        return PaymentState.PAID
    if authorised >= total_minor and authorised:
        return PaymentState.AUTHORISED
    failed = any(each.last is PaymentKind.FAILED for each in known)
    return PaymentState.FAILED if failed else PaymentState.UNPAID


def _moved(payment: Payment, event: PaymentRecorded) -> Payment:
    amount = event.amount_minor
    authorised, captured = payment.authorised_minor, payment.captured_minor
    match event.kind:
        case PaymentKind.AUTHORISED:
            authorised += amount
        case PaymentKind.CAPTURED:
            captured += amount
        case PaymentKind.VOIDED:
            authorised = max(0, authorised - amount)
    return msgspec.structs.replace(
        payment,
        authorised_minor=authorised,
        captured_minor=captured,
        refunded_minor=payment.refunded_minor + _SIGNS.get(event.kind, 0) * amount,
        method=event.method or payment.method,
        last=event.kind,
        seq=payment.seq + 1,
        cause_id=event.meta.event_id,
        accepted_at_us=event.meta.accepted_at_us,
    )


def _first(event: PaymentRecorded) -> Payment:
    return Payment(
        tenant=event.meta.tenant,
        payment_id=event.payment_id,
        order_id=event.order_id,
        provider=event.provider,
        provider_reference=event.provider_reference,
        method=event.method,
        currency=event.currency,
        last=event.kind,
        seq=0,
        cause_id=event.meta.event_id,
        accepted_at_us=event.meta.accepted_at_us,
    )
