"""The profile rule: one customer, assembled from what each source identity contributes.

Guarantees: the profile is a function of its present parts alone, whatever order they came and went
in. Per attribute a verified value wins, then the source ranked first, then the newest, then the
smaller id; nothing empties a field but its own source. Consent: of one source its newest word, of
several the most restrictive, so that linking two people's records never widens what they allowed.
Does not: read a contact (fields stay sealed with the key of their own source identity).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from omnihub.model.ids import InstanceId, SubjectId
from omnihub.model.record import Record
from omnihub.model.records import (
    Consent,
    ConsentRow,
    ConsentState,
    Contact,
    CustomerProfile,
    Identifier,
    IdentifierKind,
    ProfileField,
    ProfilePart,
)
from omnihub.rules.rule import Out, Rows, Rule, on

PROFILE_TOPIC = "omni.profile.state.v1"
CONSENT_TOPIC = "omni.consent.state.v1"
ATTRIBUTES = ("name", "email", "phone", "address")
_RESTRICTIVE = (ConsentState.WITHDRAWN, ConsentState.DENIED, ConsentState.GRANTED)


@dataclass(frozen=True, slots=True)
class ProfilePolicy:
    """Which sources are believed first; those not named come after, all alike."""

    sources: tuple[InstanceId, ...] = ()
    ranks: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Rank sources once."""
        object.__setattr__(self, "ranks", {name: -at for at, name in enumerate(self.sources)})

    def rank(self, source: str) -> int:
        """Return how much a source is believed; more is more."""
        return self.ranks.get(source, -len(self.sources))


class ProfileRule(Rule):
    """Keyed by customer."""

    name: ClassVar[str] = "profile"
    inbox: ClassVar[str] = "omni.profile.inbox.v1"
    events: ClassVar[str] = "omni.profile.event.v1"

    def __init__(self, policy: ProfilePolicy | None = None) -> None:
        self.policy = policy or ProfilePolicy()

    def park_key(self, record: Record) -> str:
        """One customer waits alone."""
        return str(getattr(record, "customer_id", ""))

    @on(ProfilePart)
    def on_part(self, part: ProfilePart, rows: Rows, out: Out) -> None:
        """Take a part in or out and publish the profile if it changed."""
        key = f"{part.meta.tenant}:{part.customer_id}"
        known = rows.get(CustomerProfile, key)
        subjects = set(known.subjects) if known else set()
        if part.is_removed:
            rows.delete(ProfilePart, f"{key}:{part.subject}")
            subjects.discard(part.subject)
        else:
            rows.put(f"{key}:{part.subject}", part)
            subjects.add(part.subject)
        if known is None and not subjects:
            return
        found = (rows.get(ProfilePart, f"{key}:{each}") for each in sorted(subjects))
        profile = self._assembled(part, [each for each in found if each is not None])
        if known is not None and _same(known, profile):
            return
        profile = msgspec.structs.replace(profile, seq=(known.seq if known else 0) + 1)
        rows.put(key, profile)
        out.emit(PROFILE_TOPIC, profile)
        for consent in _changed(known.consents if known else (), profile.consents):
            out.emit(CONSENT_TOPIC, _consent_row(profile, consent))

    def _assembled(self, cause: ProfilePart, parts: list[ProfilePart]) -> CustomerProfile:
        won = {name: _winner(name, parts, self.policy) for name in ATTRIBUTES}
        birthday = max(
            (part for part in parts if part.birthday_month and part.birthday_day),
            key=lambda part: (self.policy.rank(part.source), part.last_seen_us, part.subject),
            default=None,
        )
        return CustomerProfile(
            tenant=cause.meta.tenant,
            customer_id=cause.customer_id,
            subjects=tuple(part.subject for part in parts),
            identifiers=_identifiers(parts),
            name=_contact("name", won["name"]),
            email=_contact("email", won["email"]),
            phone=_contact("phone", won["phone"]),
            address=_contact("address", won["address"]),
            fields=tuple(_provenance(name, part) for name, part in won.items() if part),
            consents=_consents(parts),
            birthday_month=birthday.birthday_month if birthday else None,
            birthday_day=birthday.birthday_day if birthday else None,
            segments=tuple(sorted({segment for part in parts for segment in part.segments})),
            first_seen_us=min((part.first_seen_us for part in parts), default=0),
            last_seen_us=max((part.last_seen_us for part in parts), default=0),
            seq=0,
            cause_id=cause.meta.event_id,
            accepted_at_us=cause.meta.accepted_at_us,
        )


def _winner(name: str, parts: Iterable[ProfilePart], policy: ProfilePolicy) -> ProfilePart | None:
    having = [part for part in parts if part.contact and getattr(part.contact, name) is not None]
    return max(
        having,
        key=lambda part: (
            _is_verified(name, part),
            policy.rank(part.source),
            part.last_seen_us,
            part.subject,
        ),
        default=None,
    )


def _is_verified(name: str, part: ProfilePart) -> bool:
    """Tell whether the source vouches for its e-mail or phone."""
    if part.contact is None or name not in ("email", "phone"):
        return False
    kind = IdentifierKind.EMAIL if name == "email" else IdentifierKind.PHONE
    token = getattr(part.contact, f"{name}_token")
    return any(
        each.kind is kind and each.token == token and each.is_verified for each in part.identifiers
    )


def _contact(name: str, part: ProfilePart | None) -> Contact | None:
    """Return the winning source's contact with this attribute alone."""
    if part is None or part.contact is None:
        return None
    told = part.contact
    others = {other: None for other in ATTRIBUTES if other != name}
    tokens = {f"{other}_token": None for other in ("email", "phone") if other != name}
    return msgspec.structs.replace(told, **others, **tokens)


def _provenance(name: str, part: ProfilePart) -> ProfileField:
    return ProfileField(
        name=name,
        subject=SubjectId(part.subject),
        source=part.source,
        at_us=part.last_seen_us,
        is_verified=_is_verified(name, part),
    )


def _identifiers(parts: Iterable[ProfilePart]) -> tuple[Identifier, ...]:
    """Return every identifier once, verified if any source verified it."""
    held: dict[tuple[str, str, str], Identifier] = {}
    for part in parts:
        for each in part.identifiers:
            key = (each.kind.value, each.scope, each.token)
            if key not in held or each.is_verified:
                held[key] = each
    return tuple(held[key] for key in sorted(held))


def _consents(parts: Iterable[ProfilePart]) -> tuple[Consent, ...]:
    told: dict[tuple[str, str], list[Consent]] = {}
    for part in parts:
        for key, consent in _own_word(part).items():
            told.setdefault(key, []).append(consent)
    return tuple(_most_restrictive(told[key]) for key in sorted(told))


def _own_word(part: ProfilePart) -> dict[tuple[str, str], Consent]:
    """Return the newest word of one source; a withdrawal wins over a grant of the same time."""
    newest: dict[tuple[str, str], Consent] = {}
    for consent in part.consents:
        key = (consent.channel, consent.purpose)
        known = newest.get(key)
        if known is None or _later(consent) > _later(known):
            newest[key] = consent
    return newest


def _later(consent: Consent) -> tuple[int, bool]:
    return (consent.at_us, consent.state is not ConsentState.GRANTED)


def _most_restrictive(consents: list[Consent]) -> Consent:
    for state in _RESTRICTIVE:
        found = [consent for consent in consents if consent.state is state]
        if found:
            return max(found, key=lambda consent: consent.at_us)
    return max(consents, key=lambda consent: consent.at_us)


def _changed(before: tuple[Consent, ...], now: tuple[Consent, ...]) -> list[Consent]:
    """Return what changed; what nobody says any more becomes unknown, which allows nothing."""
    known = {(each.channel, each.purpose): each for each in before}
    told = {(each.channel, each.purpose): each for each in now}
    gone = [
        msgspec.structs.replace(known[key], state=ConsentState.UNKNOWN)
        for key in sorted(known.keys() - told.keys())
    ]
    return [*gone, *(each for key, each in sorted(told.items()) if known.get(key) != each)]


def _consent_row(profile: CustomerProfile, consent: Consent) -> ConsentRow:
    return ConsentRow(
        tenant=profile.tenant,
        customer_id=profile.customer_id,
        channel=consent.channel,
        purpose=consent.purpose,
        state=consent.state,
        at_us=consent.at_us,
        cause_id=profile.cause_id,
        accepted_at_us=profile.accepted_at_us,
    )


def _same(known: CustomerProfile, now: CustomerProfile) -> bool:
    return now == msgspec.structs.replace(
        known, seq=now.seq, cause_id=now.cause_id, accepted_at_us=now.accepted_at_us
    )
