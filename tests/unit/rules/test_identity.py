"""Who is one person: an independent model of it, the traps of shared identifiers, redirects."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from people_world import LINKS, REDIRECTS, REVIEWS, People, card, device, email, number, phone, seen

from omnihub.model.ids import derive_id
from omnihub.model.records import IdentifiersObserved
from omnihub.rules.identity_graph import IdentityPolicy
from omnihub.rules.rehearsal import MemoryRows, RecordedOut

EXCLUSIVE = {"CUSTOMER_ID", "LOYALTY_CARD"}
ALWAYS = {*EXCLUSIVE, "PSP_CUSTOMER"}
CAP = 3


def customer(subject):
    return derive_id(f"t:{subject}", "customer")


def linking(event):
    return {
        (each.kind.value, each.scope, each.token)
        for each in event.identifiers
        if each.kind.value in ALWAYS or (each.kind.value in {"EMAIL", "PHONE"} and each.is_verified)
    }


def expected(told):
    """The naive model: every source identity has a label, every identifier relabels."""
    newest, first = {}, {}
    for event in sorted(told, key=lambda each: (each.meta.occurred_at_us, each.meta.event_id)):
        newest[event.subject] = linking(event)
        first.setdefault(event.subject, event.meta.occurred_at_us)
    label = {subject: subject for subject in newest}
    reviews = []
    keys = set().union(*newest.values()) if newest else set()
    for key in sorted(keys, key=lambda each: (each[0] not in EXCLUSIVE, each)):
        holders = {subject for subject in newest if key in newest[subject]}
        joined = {who for who in newest if label[who] in {label[holder] for holder in holders}}
        cards = {}
        for who in sorted(joined):
            own = {}
            for kind, scope, token in newest[who]:
                if kind in EXCLUSIVE:
                    own.setdefault((kind, scope), set()).add(token)
            for scope, tokens in own.items():
                cards.setdefault((scope, label[who]), set()).update(tokens)
        by_scope = {}
        for (scope, _), tokens in cards.items():
            by_scope.setdefault(scope, []).append(tokens)
        clash = any(tokens != sets[0] for sets in by_scope.values() for tokens in sets)
        if len(holders) > CAP:
            reviews.append(("SHARED_IDENTIFIER", key[2]))
        elif clash and len({label[who] for who in joined}) > 1:
            reviews.append(("EXCLUSIVE_CONFLICT", key[2]))
        else:
            for who in joined:
                label[who] = min(label[each] for each in joined)
    oldest = {}
    for who in newest:
        group = [each for each in newest if label[each] == label[who]]
        oldest[who] = customer(min((first[each], each) for each in group)[1])
    return oldest, sorted(reviews)


IDENTIFIERS = st.sampled_from(
    [email("e1"), email("e2"), email("e3", False), phone("p1"), phone("p2"), card("c1"), card("c2"),
     number("n1"), number("n2"), number("n1", "erp"), device("d1")]
)  # fmt: skip
OBSERVATIONS = st.lists(
    st.builds(
        lambda who, held, at: seen(who, *sorted(held, key=repr), at=at),
        st.sampled_from([f"s{n}" for n in range(7)]),
        st.sets(IDENTIFIERS, max_size=3),
        st.integers(1, 6),
    ),
    max_size=16,
    unique_by=lambda event: event.meta.event_id,
)


@given(OBSERVATIONS)
@settings(max_examples=300, deadline=None)
def test_links_and_reviews_are_those_of_the_naive_model(told):
    people = People(IdentityPolicy(degree_cap=CAP))
    for observation in told:
        people.see(observation)
    settled = people.settled()
    assert (settled["links"], settled["reviews"]) == expected(told)


@given(OBSERVATIONS)
@settings(max_examples=200, deadline=None)
def test_an_id_once_given_always_leads_to_where_its_own_source_identity_is(told):
    people = People(IdentityPolicy(degree_cap=CAP))
    given_ids = set()
    for observation in told:
        people.see(observation)
        given_ids |= {link.customer_id for link in people.state(LINKS).values()}
    leads_to = {each.customer_id: each.survivor for each in people.state(REDIRECTS).values()}
    links = people.settled()["links"]
    for subject in links:
        if (own := customer(subject)) in given_ids:
            assert leads_to.get(own, own) == links[subject]


class TestSharedIdentifiers:
    """Whoever cannot be told apart stays alone, whatever the ids happen to be."""

    @pytest.mark.parametrize(("old", "new", "web"), [("a", "b", "c"), ("b", "c", "a")])
    def test_an_account_with_nothing_but_a_recycled_number_joins_neither_owner(self, old, new, web):
        people = People().see(
            seen(old, number("1", "erp"), phone("n"), at=1),
            seen(web, phone("n"), at=2),
            seen(new, number("2", "erp"), phone("n"), at=900),
        )
        assert people.persons() == [["a"], ["b"], ["c"]]
        assert people.reviews() == [("EXCLUSIVE_CONFLICT", "n")]

    def test_a_card_joins_before_an_address_can_stand_in_its_way(self):
        people = People().see(
            seen("till", card("c"), email("family")),
            seen("ann", number("1"), card("c")),
            seen("bob", number("2"), email("family")),
        )
        assert people.persons() == [["ann", "till"], ["bob"]]
        assert people.reviews() == [("EXCLUSIVE_CONFLICT", "family")]

    def test_the_review_of_what_thousands_share_stays_small(self):
        people = People(batch_records=100).see(*(seen(f"s{n:03}", email("x")) for n in range(100)))
        [review] = people.state(REVIEWS).values()
        assert len(review.subjects) == 20


def test_an_id_absorbed_long_ago_does_not_follow_its_absorber_to_somebody_else():
    people = People()
    for observation in (
        seen("new", email("b"), at=9),
        seen("old", email("b"), at=2),
        seen("older", email("a"), at=1),
        seen("new", email("a"), email("b"), at=10),
        seen("new", email("a"), at=11),
    ):
        people.see(observation)
    assert people.persons() == [["new", "older"], ["old"]]
    leads_to = {each.customer_id: each.survivor for each in people.state(REDIRECTS).values()}
    assert leads_to[customer("new")] == customer("older")


def test_what_cannot_link_never_reaches_identity():
    people = People().see(seen("a", email("x"), device("1"), email("y", False)))
    people.see(seen("a", email("x"), device("2"), at=2))
    assert len(people.records("omni.identity.inbox.v1", IdentifiersObserved)) == 1


def test_a_lower_cap_over_old_links_parks_nothing():
    people = People(IdentityPolicy(degree_cap=5))
    rule = next(task.handler for task in people.tasks if task.handler.name == "identity")
    rows = MemoryRows()

    def play(subject, *identifiers, at):
        meta = seen(subject, at=at).meta
        rule.handle(
            IdentifiersObserved(
                meta=meta, subject=subject, identifiers=identifiers, first_seen_us=at
            ),
            rows,
            RecordedOut(1),
        )

    for n in range(1, 5):
        play(f"s{n}", email("x"), at=n)
    rule.policy = IdentityPolicy(degree_cap=3)
    play("s4", email("x"), phone("q"), at=4)
