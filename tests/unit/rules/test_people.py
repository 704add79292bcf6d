"""Who is one person, what is known of them, and what is left to people to decide."""

import sys
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from people_world import (
    CONSENTS,
    LINKS,
    REDIRECTS,
    People,
    card,
    consent,
    device,
    email,
    number,
    phone,
    seen,
)

from omnihub.engine.driver import STAGES, Crash
from omnihub.model.records import ConsentState, SubjectLink
from omnihub.rules.identity_graph import STRONG, STRONG_IF_VERIFIED, IdentityPolicy


class TestLinking:
    """Equal strong identifiers make one person; nothing else does."""

    def test_a_verified_address_joins_two_systems(self):
        people = People().see(
            seen("web-1", number("17", "web"), email("ann")),
            seen("app-1", number("a", "app"), email("ann"), source="app"),
        )
        assert people.persons() == [["app-1", "web-1"]]

    @pytest.mark.parametrize("weak", [email("ann", False), phone("1", False), device("tv")])
    def test_what_is_not_proven_joins_nobody(self, weak):
        people = People().see(seen("web-1", weak), seen("app-1", weak))
        assert people.persons() == [["app-1"], ["web-1"]]
        assert people.reviews() == []

    def test_people_are_joined_over_a_third(self):
        people = People().see(
            seen("web-1", email("ann")),
            seen("erp-1", phone("1")),
            seen("app-1", email("ann"), phone("1")),
        )
        assert people.persons() == [["app-1", "erp-1", "web-1"]]

    def test_what_is_taken_back_parts_them_again(self):
        people = People().see(seen("web-1", email("ann")), seen("app-1", email("ann")))
        people.see(seen("app-1", email("bob"), at=2))
        assert people.persons() == [["app-1"], ["web-1"]]

    def test_an_older_observation_changes_nothing(self):
        people = People().see(seen("web-1", email("ann"), at=5), seen("app-1", email("ann")))
        people.see(seen("web-1", email("bob"), at=3))
        assert people.persons() == [["app-1", "web-1"]]

    def test_the_survivor_is_the_oldest_and_the_absorbed_id_points_to_it(self):
        people = People().see(seen("new", email("a"), at=9), seen("old", email("b"), at=2))
        ids = people.settled()["links"]
        people.see(seen("both", email("a"), email("b"), at=10))
        survivor = set(people.settled()["links"].values())
        assert survivor == {ids["old"]}
        redirects = {each.customer_id: each.survivor for each in people.state(REDIRECTS).values()}
        assert redirects == {ids["new"]: ids["old"]}

    def test_an_absorbed_id_that_lives_again_points_to_itself(self):
        people = People().see(seen("new", email("a"), at=9), seen("old", email("a"), at=2))
        ids = people.settled()["links"]
        assert ids["new"] == ids["old"]
        people.see(seen("new", email("b"), at=11))
        redirects = {each.customer_id: each.survivor for each in people.state(REDIRECTS).values()}
        mine = people.settled()["links"]["new"]
        assert redirects.get(mine, mine) == mine


class TestTraps:
    """Nobody is merged wrongly: customers_merged_wrongly = 0."""

    def test_a_family_on_one_phone_stays_several_people(self):
        people = People().see(
            seen("ann", card("1"), phone("home")), seen("bob", card("2"), phone("home"))
        )
        assert people.persons() == [["ann"], ["bob"]]
        assert people.reviews() == [("EXCLUSIVE_CONFLICT", "home")]

    def test_a_recycled_number_does_not_join_its_old_and_new_owner(self):
        people = People().see(
            seen("old", number("1", "erp"), phone("n"), at=1),
            seen("new", number("2", "erp"), phone("n"), at=900),
        )
        assert people.persons() == [["new"], ["old"]]

    def test_a_mistyped_address_that_was_never_proven_joins_nobody(self):
        people = People().see(seen("ann", email("bob", False)), seen("bob", email("bob")))
        assert people.persons() == [["ann"], ["bob"]]

    def test_a_kiosk_that_everybody_uses_joins_nobody(self):
        people = People().see(*(seen(f"p{n}", device("kiosk")) for n in range(8)))
        assert len(people.persons()) == 8

    def test_an_agents_own_address_on_many_orders_is_set_aside(self):
        people = People().see(*(seen(f"p{n}", email("agent")) for n in range(6)))
        assert len(people.persons()) == 6
        assert people.reviews() == [("SHARED_IDENTIFIER", "agent")]
        people.see(seen("p5", email("own"), at=2))
        assert people.reviews() == []
        assert people.persons() == [["p0", "p1", "p2", "p3", "p4"], ["p5"]]

    def test_twins_with_cards_of_their_own_are_two(self):
        people = People().see(
            seen("ann", card("1"), email("family")), seen("eve", card("2"), email("family"))
        )
        assert people.persons() == [["ann"], ["eve"]]

    def test_a_married_name_on_the_same_card_is_one_person(self):
        people = People().see(
            seen("erp-1", card("1"), name="Ann Miller"),
            seen("web-1", card("1"), name="Ann Smith", at=2),
        )
        assert people.persons() == [["erp-1", "web-1"]]

    def test_two_cards_are_not_joined_over_somebody_between(self):
        people = People().see(
            seen("ann", card("1"), email("x")),
            seen("between", email("x"), email("y")),
            seen("bob", card("2"), email("y")),
        )
        groups = [set(group) for group in people.persons()]
        assert not any({"ann", "bob"} <= group for group in groups)
        assert people.reviews() != []


class TestProfiles:
    """One call tells who somebody is."""

    def test_a_profile_takes_each_attribute_from_who_knows_it_best(self):
        people = People().see(
            seen("web-1", email("ann"), name="A. Smith", mail="ann", at=1),
            seen("app-1", email("ann"), name="Ann Smith", at=5, source="app"),
        )
        [profile] = people.profiles().values()
        assert {each.name: each.subject for each in profile.fields} == {
            "name": "app-1",
            "email": "web-1",
        }
        assert profile.email.subject == "web-1"
        assert profile.email.name is None
        assert (profile.first_seen_us, profile.last_seen_us) == (1, 5)

    def test_when_a_link_ends_each_takes_its_part_along(self):
        people = People().see(seen("a", email("x"), name="Ann"), seen("b", email("x"), name="Bob"))
        people.see(seen("b", email("y"), name="Bob", at=2))
        assert sorted(people.profiles()) == [("a",), ("b",)]

    def test_linking_never_widens_consent(self):
        people = People().see(
            seen("a", email("x"), consents=(consent("GRANTED", 9),)),
            seen("b", email("x"), consents=(consent("WITHDRAWN", 2),)),
        )
        [profile] = people.profiles().values()
        assert [each.state for each in profile.consents] == [ConsentState.WITHDRAWN]

    def test_ones_own_newer_word_replaces_the_older(self):
        people = People().see(seen("a", email("x"), consents=(consent("WITHDRAWN", 2),)))
        people.see(seen("a", email("x"), consents=(consent("GRANTED", 3),), at=2))
        [row] = people.state(CONSENTS).values()
        assert row.state is ConsentState.GRANTED
        people.see(seen("a", email("x"), at=3))
        [row] = people.state(CONSENTS).values()
        assert row.state is ConsentState.UNKNOWN


IDENTIFIERS = st.sampled_from(
    [email("e1"), email("e2"), email("e3", False), phone("p1"), phone("p2"), card("c1"), card("c2"),
     number("n1"), number("n2"), number("n1", "erp"), device("d1")]
)  # fmt: skip
OBSERVATIONS = st.lists(
    st.builds(
        lambda who, held, at: seen(who, *sorted(held, key=repr), at=at, name=f"{who} {at}"),
        st.sampled_from([f"s{n}" for n in range(7)]),
        st.sets(IDENTIFIERS, max_size=3),
        st.integers(1, 6),
    ),
    max_size=12,
    unique_by=lambda event: event.meta.event_id,
)
SMALL = IdentityPolicy(degree_cap=3)


@given(OBSERVATIONS, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_the_order_and_repetition_of_what_is_told_never_matter(told, chance, batch):
    shuffled = [*told, *told[: len(told) // 2]]
    chance.shuffle(shuffled)
    calm = People(SMALL).see(*told)
    other = People(SMALL, batch_records=batch)
    for observation in shuffled:
        other.see(observation)
    assert other.settled() == calm.settled()


@given(OBSERVATIONS, st.sampled_from(STAGES), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_a_crash_changes_nobody(told, stage, transaction):
    calm = People(SMALL).see(*told)
    shaken = People(SMALL, batch_records=2)
    shaken.crash_at(stage, transaction)
    try:
        shaken.see(*told)
    except Crash:
        shaken.restart()
        for observation in told:  # Whoever told it cannot know whether it was heard.
            shaken.append("omni.customer.inbox.v1", observation)
        shaken.run()
    assert shaken.settled() == calm.settled()


@given(OBSERVATIONS)
@settings(max_examples=150, deadline=None)
def test_nobody_with_different_cards_is_ever_one_person_and_every_link_has_a_reason(told):
    people = People(SMALL).see(*told)
    newest = {}
    for event in sorted(told, key=lambda e: (e.meta.occurred_at_us, e.meta.event_id)):
        newest[event.subject] = event
    for group in people.persons():
        held = [each for subject in group for each in newest[subject].identifiers]
        cards = {(i.kind, i.scope): set() for i in held}
        for each in held:
            cards[each.kind, each.scope].add(each.token)
        own = max(len({i.token for i in newest[s].identifiers if i.kind.value == "LOYALTY_CARD"})
                  for s in group)  # fmt: skip
        for (kind, _), tokens in cards.items():
            if kind.value == "LOYALTY_CARD":
                assert len(tokens) <= max(own, 1)
        assert len(group) == 1 or all(shares(newest, subject, group) for subject in group)


def shares(newest, subject, group):
    """Tell whether somebody else of the group holds a linking identifier of this one."""
    linking = {
        (each.kind, each.scope, each.token)
        for each in newest[subject].identifiers
        if each.kind in STRONG or (each.kind in STRONG_IF_VERIFIED and each.is_verified)
    }
    others = {
        (each.kind, each.scope, each.token)
        for other in group
        if other != subject
        for each in newest[other].identifiers
    }
    return bool(linking & others)


def test_all_permutations_of_a_conflict_end_alike():
    told = [
        seen("ann", card("1"), email("x"), at=1),
        seen("bob", card("2"), email("x"), at=2),
        seen("web", email("x"), phone("p"), at=3),
        seen("app", phone("p"), at=4),
        seen("web", email("z"), phone("p"), at=5),
    ]
    outcomes = []
    for order in permutations(told):
        people = People()
        for observation in order:
            people.see(observation)
        outcomes.append(people.settled())
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_an_observation_touches_only_those_it_is_connected_with():
    people = People(batch_records=500)
    people.see(*(seen(f"s{n}", number(f"{n}"), email(f"e{n // 2}")) for n in range(400)))
    before = len(people.records(LINKS, SubjectLink))
    people.see(seen("s77", email("moved"), at=9))
    assert len(people.records(LINKS, SubjectLink)) - before <= 2
