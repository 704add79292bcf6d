"""A household is one customer in web and app, a caller is one, whoever else has that number."""

from collections.abc import Mapping

import pytest
from omnihub_demo.order_readings import Found, Sought
from omnihub_demo.order_samples import (
    CALLER,
    CUSTOMERS,
    IN_WEB,
    IN_WEB_AND_APP,
    OF_ANNE,
    OF_BERT,
    OF_CALLER,
    ORDERS,
)
from omnihub_demo.persons import expected_persons, merged_wrongly, person_faults

Customers = Mapping[Sought, tuple[Found, ...]]
ANNE, BERT, CALL = OF_ANNE.value, OF_BERT.value, OF_CALLER.value


def faults(**changed: tuple[Found, ...]) -> tuple[int, list[str]]:
    """Return how many were merged wrongly, and what is found, when all is well but for this."""
    of = {"anne": OF_ANNE, "bert": OF_BERT, "caller": OF_CALLER}
    customers = CUSTOMERS | {of[name]: found for name, found in changed.items()}
    return merged_wrongly(customers), list(person_faults(customers, expected_persons(ORDERS)))


def test_who_must_be_known_to_whom_follows_from_the_orders() -> None:
    assert expected_persons(ORDERS) == {
        OF_ANNE: {"web", "app"},
        OF_BERT: {"web"},
        OF_CALLER: {"erp"},
    }


def test_nothing_is_found_when_all_is_well() -> None:
    assert faults() == (0, [])


def test_one_who_told_the_app_the_number_of_a_caller_is_not_the_caller() -> None:
    assert faults(caller=(CALLER,)) == (0, [])
    assert faults(caller=(IN_WEB_AND_APP, IN_WEB, CALLER)) == (0, [])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ((), [f"{CALL} is 0 customers"]),
        ((IN_WEB_AND_APP,), [f"{CALL} is 0 customers"]),
        ((CALLER, Found("c4", frozenset({"erp"}))), [f"{CALL} is 2 customers"]),
    ],
)
def test_a_caller_who_is_not_one_customer(found: tuple[Found, ...], says: list[str]) -> None:
    assert faults(caller=found) == (0, says)


@pytest.mark.parametrize("found", [(), (IN_WEB_AND_APP, Found("c4", frozenset({"app"})))])
def test_a_household_that_is_not_one_customer(found: tuple[Found, ...]) -> None:
    assert faults(anne=found) == (0, [f"{ANNE} is {len(found)} customers"])


def test_a_household_that_one_of_its_systems_does_not_know() -> None:
    only_web = Found("c1", frozenset({"web"}))
    assert faults(anne=(only_web,)) == (0, [f"{ANNE} is known to web, not to app, web"])


def test_two_households_in_one_customer_are_merged_wrongly() -> None:
    merged, _ = faults(bert=(IN_WEB_AND_APP,))
    assert merged == 1


def test_a_caller_in_a_household_is_merged_wrongly() -> None:
    """Nobody proved that the number Anne told the app is hers: Bert calls from it."""
    both = Found("c1", frozenset({"web", "app", "erp"}))
    merged, found = faults(anne=(both,), caller=(both,))
    assert merged == 1
    assert found == [
        f"{ANNE} is known to app, erp, web, not to app, web",
        f"{CALL} is known to app, erp, web, not to erp",
    ]


def test_a_customer_found_twice_under_one_address_is_not_two_persons() -> None:
    merged, _ = faults(anne=(IN_WEB_AND_APP, IN_WEB_AND_APP))
    assert merged == 0
