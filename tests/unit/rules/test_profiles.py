"""Which source's word a profile takes, and that nothing of a part stays behind when it leaves."""

from itertools import permutations

import msgspec
import pytest

from omnihub.model.ids import CustomerId, EventId, InstanceId, SubjectId, TenantId
from omnihub.model.personal import Personal
from omnihub.model.records import (
    Contact,
    CustomerProfile,
    EventMeta,
    Identifier,
    IdentifierKind,
    ProfilePart,
)
from omnihub.rules.profiles import PROFILE_TOPIC, ProfilePolicy, ProfileRule
from omnihub.rules.rehearsal import Rehearsal

POLICY = ProfilePolicy(sources=(InstanceId("erp"), InstanceId("web")))


def part(subject, source, at, *, mail=None, verified=False, birthday=(None, None), **more):
    meta = EventMeta(
        tenant=TenantId("t"), event_id=EventId(f"{subject}@{at}"), cause_id="d",
        source=InstanceId("customer"), entity=subject, occurred_at_us=at, accepted_at_us=at,
    )  # fmt: skip
    contact = Contact(
        subject=SubjectId(subject), name=Personal(subject), email_token=mail,
        email=Personal(mail) if mail else None,
    )  # fmt: skip
    held = Identifier(kind=IdentifierKind.EMAIL, scope="", token=mail or "", is_verified=verified)
    return ProfilePart(
        meta=meta, customer_id=CustomerId("c"), subject=SubjectId(subject),
        source=InstanceId(source), contact=contact, identifiers=(held,) if mail else (),
        birthday_month=birthday[0], birthday_day=birthday[1], first_seen_us=at, last_seen_us=at,
        **more,
    )  # fmt: skip


def after(*parts):
    play = Rehearsal(ProfileRule(POLICY))
    for each in parts:
        play.play(each)
    return play


def profile(*parts):
    return after(*parts).rows.get(CustomerProfile, "t:c")


def told_by(shown):
    return {each.name: each.subject for each in shown.fields}


def test_the_source_ranked_first_wins_over_a_newer_one():
    assert told_by(profile(part("a", "erp", 1), part("b", "web", 9)))["name"] == "a"


def test_a_named_source_wins_over_one_nobody_ranked():
    assert told_by(profile(part("a", "web", 1), part("b", "kiosk", 9)))["name"] == "a"


def test_a_verified_address_wins_over_rank_and_time():
    shown = profile(part("a", "erp", 9, mail="x"), part("b", "web", 1, mail="y", verified=True))
    assert told_by(shown) == {"name": "a", "email": "b"}
    assert [each.is_verified for each in shown.fields if each.name == "email"] == [True]


def test_of_one_rank_the_newest_wins():
    assert told_by(profile(part("a", "web", 1), part("b", "web", 9)))["name"] == "b"


def test_a_birthday_is_taken_whole_from_one_source():
    shown = profile(part("a", "erp", 1, birthday=(2, 29)), part("b", "web", 9, birthday=(3, 1)))
    assert (shown.birthday_month, shown.birthday_day) == (2, 29)


def test_segments_are_those_of_all_sources():
    shown = profile(part("a", "erp", 1, segments=("vip",)), part("b", "web", 2, segments=("new",)))
    assert shown.segments == ("new", "vip")


def gone(told):
    return msgspec.structs.replace(told, is_removed=True)


def test_nothing_of_a_part_that_left_stays_behind():
    first, second = part("a", "erp", 1, mail="x"), part("b", "web", 2)
    play = after(first, second, gone(first))
    shown = play.rows.get(CustomerProfile, "t:c")
    assert (shown.subjects, shown.email, shown.identifiers) == (("b",), None, ())
    assert play.rows.get(ProfilePart, "t:c:a") is None


def test_a_profile_whose_last_part_left_is_empty():
    only = part("a", "erp", 1, mail="x", birthday=(2, 3), segments=("vip",))
    shown = profile(only, gone(only))
    assert (shown.subjects, shown.fields, shown.name, shown.email) == ((), (), None, None)
    assert (shown.birthday_month, shown.segments, shown.identifiers) == (None, (), ())


def test_a_part_told_twice_is_published_once():
    assert len(after(part("a", "erp", 1), part("a", "erp", 1)).emitted_to(PROFILE_TOPIC)) == 1


@pytest.mark.parametrize("left", [0, 1, 2])
def test_every_order_of_parts_gives_the_same_profile(left):
    parts = [
        part("a", "erp", 1, mail="x", segments=("vip",)),
        part("b", "web", 5, mail="y", verified=True, birthday=(1, 2)),
        part("c", "web", 5, mail="y", verified=True, birthday=(1, 3)),
    ]
    shown = {
        msgspec.structs.replace(
            profile(*order, gone(parts[left])), seq=0, cause_id="", accepted_at_us=0
        )
        for order in permutations(parts)
    }
    assert len(shown) == 1
