"""Which effects of a replay are kept from people and from money.

Guarantees: an effect that cannot be taken back (a mail, a message, a payment, a label) happens
because of a replay only if the replay was allowed its kind; each that does not is told on
`omni.withheld.v1`. Effects that set how things are (levels, statuses, movements, books) are never
withheld: they are what a correction is for.
Does not: keep the effect to be sent later; a person decides, and tells the buyer.
"""

from omnihub.model.records import EffectKind, EffectWithheld, MessageDesired, OriginKind

WITHHELD_TOPIC = "omni.withheld.v1"


def withheld(fact: MessageDesired) -> EffectWithheld | None:
    """Return what to tell instead of sending; None when it may be sent."""
    origin, kind = fact.origin, kind_of(fact)
    if origin is None or origin.kind is not OriginKind.REPLAY or kind in origin.effects:
        return None
    return EffectWithheld(
        tenant=fact.tenant,
        instance=fact.instance,
        target=fact.target,
        kind=kind,
        effect_id=fact.message_id,
        about=fact.template,
        order_id=fact.order_id,
        replay_id=origin.replay_id,
        cause_id=fact.cause_id,
        accepted_at_us=fact.accepted_at_us,
    )


def kind_of(fact: MessageDesired) -> EffectKind:
    """Return what a message is: a mail wherever there is an address to send it to."""
    return EffectKind.MESSAGE if fact.contact.email is None else EffectKind.MAIL
