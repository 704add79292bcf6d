"""People as several systems know them, on the test driver."""

import msgspec

from omnihub.contracts.codec import Codec
from omnihub.contracts.topics import Topics
from omnihub.engine.driver import TestDriver
from omnihub.model.ids import EventId, InstanceId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import (
    Consent,
    ConsentState,
    Contact,
    CustomerObserved,
    EventMeta,
    Identifier,
    IdentifierKind,
)
from omnihub.rules.customers import CustomerRule
from omnihub.rules.identity import IdentityRule
from omnihub.rules.profiles import ProfileRule

# One key table for all worlds: what is compared is sealed.
TOPICS, CODEC = Topics.load(), Codec.offline()
INBOX = "omni.customer.inbox.v1"
LINKS = "omni.identity.state.v1"
REVIEWS = "omni.identity.review.state.v1"
REDIRECTS = "omni.customer.redirect.state.v1"
PROFILES = "omni.profile.state.v1"
CONSENTS = "omni.consent.state.v1"
HISTORY = ("seq", "cause_id", "accepted_at_us")
"""Fields that tell how a state came about, not what it is."""


def email(token, verified=True):
    return Identifier(kind=IdentifierKind.EMAIL, scope="", token=token, is_verified=verified)


def phone(token, verified=True):
    return Identifier(kind=IdentifierKind.PHONE, scope="", token=token, is_verified=verified)


def card(token, scope="club"):
    return Identifier(kind=IdentifierKind.LOYALTY_CARD, scope=scope, token=token, is_verified=True)


def number(token, scope="web"):
    return Identifier(kind=IdentifierKind.CUSTOMER_ID, scope=scope, token=token, is_verified=True)


def device(token):
    return Identifier(kind=IdentifierKind.DEVICE, scope="", token=token, is_verified=False)


def consent(state, at_us=1, purpose="marketing"):
    return Consent(channel="email", purpose=purpose, state=ConsentState(state), at_us=at_us)


def seen(subject, *identifiers, at=1, source="web", name=None, mail=None, consents=()):
    """A person as `source` knows them at time `at`."""
    contact = None
    if name or mail:
        contact = Contact(
            subject=SubjectId(subject),
            name=Personal(name) if name else None,
            email=Personal(mail) if mail else None,
            email_token=mail,
        )
    meta = EventMeta(
        tenant=TenantId("t"),
        event_id=EventId(f"{subject}@{at}"),
        cause_id="d",
        source=InstanceId(source),
        entity=subject,
        occurred_at_us=at,
        accepted_at_us=at,
    )
    return CustomerObserved(
        meta=meta,
        subject=SubjectId(subject),
        identifiers=identifiers,
        contact=contact,
        consents=consents,
    )


class People(TestDriver):
    """The three rules that make people out of observations."""

    def __init__(self, policy=None, **options):
        rules = [CustomerRule(), IdentityRule(policy), ProfileRule()]
        super().__init__(rules, TOPICS, codec=CODEC, **options)

    def see(self, *observations):
        """Tell all, then let everything settle."""
        for observation in observations:
            self.append(INBOX, observation)
        self.run()
        return self

    def persons(self):
        """Return the groups of source identities that are one person each."""
        groups = {}
        for link in self.state(LINKS).values():
            groups.setdefault(link.customer_id, set()).add(link.subject)
        return sorted(sorted(group) for group in groups.values())

    def reviews(self):
        """Return the open reviews as (reason, token)."""
        shown = self.state(REVIEWS).values()
        return sorted((review.reason.value, review.token) for review in shown if review.is_open)

    def profiles(self):
        """Return profiles that have a part, by their source identities."""
        shown = self.state(PROFILES).values()
        return {profile.subjects: profile for profile in shown if profile.subjects}

    def settled(self):
        """Return everything that must not depend on the way it came about."""
        return {
            "links": {link.subject: link.customer_id for link in self.state(LINKS).values()},
            "reviews": self.reviews(),
            "profiles": [plain(profile) for _, profile in sorted(self.profiles().items())],
        }


def plain(state):
    told = msgspec.structs.asdict(state)
    return {name: value for name, value in sorted(told.items()) if name not in HISTORY}
