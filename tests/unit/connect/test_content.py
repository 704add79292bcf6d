"""What is compared tells nothing about what it is made of."""

import pytest

from omnihub.connect.content import fact_hash, state_hash
from omnihub.connect.deliveries import Acceptance
from omnihub.connect.personal import Tokens, unkeyed
from omnihub.connect.sdk import Delivery
from omnihub.model.ids import EventId, InstanceId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import Contact, CustomerObserved, EventMeta

OURS, ANOTHER = Tokens(b"our secret"), Tokens(b"another secret")


def observed(phone, *, event_id="e1", at_us=1):
    meta = EventMeta(
        tenant=TenantId("t"),
        event_id=EventId(event_id),
        cause_id=event_id,
        source=InstanceId("shop"),
        entity="customer:1",
        occurred_at_us=at_us,
        accepted_at_us=at_us,
    )
    contact = Contact(subject=SubjectId("s"), phone=Personal(phone))
    return CustomerObserved(meta=meta, subject=SubjectId("s"), identifiers=(), contact=contact)


def test_the_same_told_by_another_delivery_has_the_same_hash():
    one, again = observed("+31612345678"), observed("+31612345678", event_id="e2", at_us=2)
    assert state_hash([one], OURS.digest) == state_hash([again], OURS.digest)
    assert state_hash([one], OURS.digest) != state_hash([observed("+316000")], OURS.digest)


def test_when_a_fact_occurred_is_part_of_it():
    one, later = observed("+31612345678"), observed("+31612345678", at_us=2)
    assert fact_hash([one], OURS.digest) != fact_hash([later], OURS.digest)


@pytest.mark.parametrize("hash_of", [fact_hash, state_hash])
def test_who_has_not_the_secret_cannot_test_a_guess(hash_of):
    """All else of the event lies open on its topic: a plain hash would tell any phone number."""
    kept = hash_of([observed("+31612345678")], OURS.digest)
    guessed = hash_of([observed("+31612345678")], unkeyed)
    assert kept not in (guessed, hash_of([observed("+31612345678")], ANOTHER.digest))
    assert len(kept) == len(guessed) == 32


def test_the_id_of_a_polled_delivery_tells_nothing_about_its_body_either():
    page = Delivery("page-1", b'{"email": "ann@example.com"}')

    def id_by(digest):
        acceptance = Acceptance(TenantId("t"), "shop", InstanceId("shop"), digest=digest)
        return acceptance.polled("customers", "1", page).delivery_id

    assert id_by(OURS.digest) == id_by(OURS.digest)
    assert len({id_by(digest) for digest in (OURS.digest, ANOTHER.digest, unkeyed)}) == 3
