"""Every buyer gets one mail for each decision about each order, and nobody any other."""

from collections import Counter

import pytest
from omnihub_demo.mails import expected_mails, mail_faults
from omnihub_demo.order_readings import Mail
from omnihub_demo.order_samples import ANNE, MAILS, PLACED

CONFIRMED = Mail(ANNE.email, "order_confirmed", "11")
SHIPPED = Mail(ANNE.email, "order_shipped", "11")
REFUSED = Mail(ANNE.email, "order_refused", "11")


def test_a_decision_and_its_fulfilment_are_told_to_all_but_callers() -> None:
    assert expected_mails(PLACED) == MAILS


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (MAILS - Counter([CONFIRMED]), ["'order_confirmed' of 11 came 0 times, not 1"]),
        (MAILS + Counter([CONFIRMED]), ["'order_confirmed' of 11 came 2 times, not 1"]),
        (
            # As many mails as there should be, one of them of the wrong kind.
            MAILS - Counter([SHIPPED]) + Counter([REFUSED]),
            [
                "'order_refused' of 11 came 1 times, not 0",
                "'order_shipped' of 11 came 0 times, not 1",
            ],
        ),
        (
            # The right kind, of another order of the same buyer.
            MAILS - Counter([SHIPPED]) + Counter([SHIPPED._replace(number="A-0003")]),
            [
                "'order_shipped' of 11 came 0 times, not 1",
                "'order_shipped' of A-0003 came 1 times, not 0",
            ],
        ),
    ],
)
def test_a_mail_that_is_wrong_is_named(seen: Counter[Mail], says: list[str]) -> None:
    assert list(mail_faults(seen, MAILS)) == [f"{ANNE.email}: {each}" for each in says]


def test_a_mail_to_a_stranger_is_named() -> None:
    stray = Mail("x@a.test", "order_shipped", "11")
    [fault] = mail_faults(MAILS + Counter([stray]), MAILS)
    assert fault == "x@a.test: 'order_shipped' of 11 came 1 times, not 0"
