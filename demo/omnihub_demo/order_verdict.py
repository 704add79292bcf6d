"""Judges the orders: what the hub, the systems they came from, the ERP and the mailboxes show.

Guarantees: pure; each part is judged where it is understood (`order_faults`, `day_totals`, `mails`,
`persons`, `board_faults`), here they become promises.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from omnihub_demo.board_faults import SHOWN, BoardTruth, board_faults
from omnihub_demo.day_totals import expected_totals, total_faults
from omnihub_demo.dealing import Channel, Orders
from omnihub_demo.mails import expected_mails, mail_faults
from omnihub_demo.order_faults import API, COMPLETED, REFUSED, order_faults
from omnihub_demo.order_readings import OrderReadings
from omnihub_demo.persons import expected_persons, merged_wrongly, person_faults
from omnihub_demo.promises import Promise


@dataclass(frozen=True)
class OrderVerdict:
    """The figures of the report."""

    confirmed: int
    refused: int
    still_open: int
    in_app: int
    hot_buyers: int
    hot_held: int
    mails_sent: int
    mails_expected: int
    day_totals: int
    customers: int
    reservations_leaked: int
    merged_wrongly: int
    faults: tuple[str, ...]
    total_faults: tuple[str, ...]
    mail_faults: tuple[str, ...]
    person_faults: tuple[str, ...]
    board_faults: tuple[str, ...]


def judge_orders(seen: OrderReadings, orders: Orders, truth: BoardTruth) -> OrderVerdict:
    """Compare what was read back with what was placed."""
    statuses = Counter(str(row["status"]) for row in seen.orders)
    mails = expected_mails(seen.placed)
    totals = expected_totals(seen.placed, orders.day_zone)
    persons = expected_persons(orders)
    hot = [row for row in seen.orders if row["source"] == API]
    return OrderVerdict(
        confirmed=statuses[COMPLETED],
        refused=statuses[REFUSED],
        still_open=statuses.total() - statuses[COMPLETED] - statuses[REFUSED],
        in_app=sum(row["source"] == Channel.APP for row in seen.orders),
        hot_buyers=len(hot),
        hot_held=sum(row["status"] == COMPLETED for row in hot),
        mails_sent=seen.mails.total(),
        mails_expected=mails.total(),
        day_totals=len(totals),
        customers=len(persons),
        reservations_leaked=seen.held_milli,
        merged_wrongly=merged_wrongly(seen.customers),
        faults=tuple(order_faults(seen, orders)),
        total_faults=tuple(total_faults(seen.sales, totals)),
        mail_faults=tuple(mail_faults(seen.mails, mails)),
        person_faults=tuple(person_faults(seen.customers, persons)),
        board_faults=tuple(board_faults(seen.board, statuses, truth)),
    )


def order_promises(verdict: OrderVerdict, orders: Orders) -> list[Promise]:
    """Return the promises about orders and customers."""
    return [
        Promise(
            "one-order",
            "every order ends the same in the hub, where it came from and in the ERP",
            not verdict.faults and not verdict.still_open,
            _named(verdict.faults, f"wrong, {verdict.still_open} open"),
        ),
        Promise(
            "day-totals",
            "of the other orders the ERP holds each channel's total of the day",
            not verdict.total_faults,
            _named(verdict.total_faults, "wrong")
            if verdict.total_faults
            else f"{verdict.day_totals} as expected",
        ),
        Promise(
            "sold-once",
            f"{orders.hot_buyers} buyers at once for the last unit: one gets it",
            verdict.hot_held == 1 and verdict.hot_buyers == orders.hot_buyers,
            f"{verdict.hot_held} of {verdict.hot_buyers} got it",
        ),
        Promise(
            "no-leak",
            "when all orders are over nothing is held for anybody",
            verdict.reservations_leaked == 0,
            f"{verdict.reservations_leaked} thousandths held",
        ),
        Promise(
            "one-person",
            "a household is one customer in web and app, a caller is one, and no two are merged",
            not verdict.merged_wrongly and not verdict.person_faults,
            f"{verdict.merged_wrongly} of {verdict.customers} merged wrongly, "
            f"not one: {_named(verdict.person_faults, 'wrong')}",
        ),
        Promise(
            "mails",
            "every buyer hears of every decision about an order once",
            not verdict.mail_faults,
            f"{verdict.mails_sent} of {verdict.mails_expected}, amiss: "
            f"{_named(verdict.mail_faults, 'wrong')}",
        ),
        Promise(
            "board",
            "a downstream service comes to the same figures",
            not verdict.board_faults,
            _named(verdict.board_faults, "differ"),
        ),
    ]


def _named(items: Sequence[str], what: str) -> str:
    if not items:
        return "none"
    return f"{len(items)} {what}: {'; '.join(items[:SHOWN])}"
