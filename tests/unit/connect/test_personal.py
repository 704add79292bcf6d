"""Tokens match what is the same person's, and tell nobody else anything."""

import pytest

from omnihub.connect.personal import Tokens, contact_of, normal_email, normal_phone, order_id_of
from omnihub.model.ids import TenantId

TOKENS = Tokens(b"secret")


@pytest.mark.parametrize(
    ("told", "normal"),
    [
        (" Ann@Example.COM ", "ann@example.com"),
        ("a.n.n+shop@example.com", "a.n.n+shop@example.com"),  # Another mailbox, for all we know.
        ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
        ("ann", None),
        ("@example.com", None),
        ("ann@localhost", None),
        ("a b@example.com", None),
        ("", None),
    ],
)
def test_addresses_are_compared_in_one_form(told, normal):
    assert normal_email(told) == normal


@pytest.mark.parametrize(
    ("told", "region", "normal"),
    [
        ("+49 30 123456", None, "+4930123456"),
        ("030 123456", "DE", "+4930123456"),
        ("(202) 555-0143", "US", "+12025550143"),
        ("030 123456", None, None),
        ("1", "DE", None),
        ("call me", "DE", None),
    ],
)
def test_numbers_are_compared_in_e164(told, region, normal):
    assert normal_phone(told, region) == normal


def test_equal_values_have_equal_tokens_and_kinds_do_not_mix():
    assert TOKENS.email("ANN@example.com") == TOKENS.email("ann@example.com ")
    assert TOKENS.of("email", "7") != TOKENS.of("loyalty_card", "7")
    assert TOKENS.email("not an address") is None


def test_without_the_secret_a_guess_cannot_be_tested():
    assert Tokens(b"another").email("ann@example.com") != TOKENS.email("ann@example.com")


def test_a_contact_holds_what_can_be_used_and_nothing_else():
    subject = TOKENS.subject("web", "customer", "17")
    told = contact_of(
        TOKENS,
        subject,
        name="  ",
        email="nobody",
        phone="202-555-0143",
        address={"lines": ["1 Main St"], "country": "US", "region": ""},
    )
    assert (told.name, told.email, told.email_token) == (None, None, None)
    assert told.phone is not None
    assert told.phone.reveal() == "+12025550143"
    assert told.phone_token == TOKENS.phone("+1 202 555 0143")
    assert told.country == "US"
    assert told.address is not None
    assert told.address.reveal() == '{"country": "US", "lines": ["1 Main St"]}'


def test_one_person_of_one_system_is_one_subject_and_no_other():
    assert TOKENS.subject("web", "customer", "17") == TOKENS.subject("web", "customer", "17")
    assert TOKENS.subject("web", "customer", "17") != TOKENS.subject("app", "customer", "17")


def test_whoever_names_an_order_names_the_same():
    assert order_id_of(TenantId("t"), "web", "17") == order_id_of(TenantId("t"), "web", "17")
    assert order_id_of(TenantId("t"), "web", "17") != order_id_of(TenantId("t"), "app", "17")
