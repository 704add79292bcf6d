"""The report: its keys are what the issue of the demo asks for."""

from collections import Counter
from io import StringIO

import pytest
from omnihub_demo.bars import Freshness
from omnihub_demo.killing import Kill
from omnihub_demo.order_samples import ORDERS, TRUTH, readings
from omnihub_demo.order_verdict import OrderVerdict, judge_orders
from omnihub_demo.promises import Promise, Run
from omnihub_demo.quiet import Quiet
from omnihub_demo.readings import Readings
from omnihub_demo.report import Report, as_json, show
from omnihub_demo.verdict import Verdict
from rich.console import Console

NOTHING = Verdict((), 0, (), (), (), (), (), 0, 0)
SEEN = Readings(Counter(), 0, {}, Counter(), {}, {}, {}, {}, 0, (), ())
FRESH = Freshness(100.04, 900.06, 1000.0, 12)


ORDERS_SEEN = judge_orders(readings(), ORDERS, TRUTH)


def report(
    broken: str | None = None, failed: str | None = None, orders: OrderVerdict | None = None
) -> Report:
    run = Run(
        verdict=NOTHING,
        quiet=Quiet(True, 0.0),
        events=21_000,
        events_per_s=150.0,
        injected={"duplicates": 1, "webhooks_tripled": 1, "updates_before_creation": 1},
        kills=(Kill("worker-0", 1, 34, 0), Kill("worker-1", 2, 34, 28)),
        by_system={"web": FRESH},
    )
    names = ("durable", "exactly-once")
    kept = tuple(Promise(name, "", name != failed, "") for name in names)
    return Report(52, 7, broken, run, SEEN, FRESH, {}, kept, 240.0, orders)


def test_it_has_every_key_that_was_asked_for() -> None:
    told = as_json(report())
    assert told.keys() >= {
        "events",
        "systems",
        "oversold_units",
        "divergent_entities",
        "lost_events",
        "duplicate_effects",
        "injected",
        "killed",
        "worker_kills",
        "freshness_ms",
        "wall_s",
    }
    assert told["freshness_ms"]["by_system"]["web"] == {
        "p50": 100.0,
        "p99": 900.1,
        "max": 1000.0,
        "effects": 12,
    }


def test_it_tells_what_was_injected_for_certain() -> None:
    injected = as_json(report())["injected"]
    assert (injected["webhooks_tripled"], injected["updates_before_creation"]) == (1, 1)


def test_it_tells_of_orders_and_customers() -> None:
    told = as_json(report(orders=ORDERS_SEEN))
    assert (told["orders_confirmed"], told["orders_refused"], told["orders_open"]) == (4, 2, 0)
    assert told["mails_sent"] == told["mails_expected"] == 5
    assert (told["reservations_leaked"], told["customers_merged_wrongly"]) == (0, 0)
    assert (told["day_totals"], told["day_total_faults"]) == (1, [])


def test_it_lists_every_system_with_what_is_real_in_it() -> None:
    systems = {each["name"]: each for each in as_json(report(orders=ORDERS_SEEN))["systems"]}
    assert list(systems) == ["pos-main", "erp", "web", "app", "mail", "hub"]
    assert systems["app"]["reality"] == "simulator"
    assert (systems["app"]["entities"], systems["app"]["effects"]) == (1, 0)
    assert systems["mail"]["reality"] == "real"
    assert (systems["mail"]["entities"], systems["mail"]["effects"]) == (5, 5)


def test_the_kill_that_is_told_is_one_that_hit_work() -> None:
    told = as_json(report())
    assert told["killed"] == {"partitions_owned": 34, "lag_at_kill": 28}
    assert told["worker_kills"] == 2


@pytest.mark.parametrize(
    ("broken", "failed", "says"),
    [
        (None, None, "Every promise held"),
        (None, "durable", "Broken: durable"),
        ("durable", "durable", "was caught"),
        ("durable", None, "was NOT caught"),
        ("durable", "exactly-once", "was NOT caught"),
    ],
)
def test_it_names_what_broke_and_whether_a_planted_bug_was_caught(
    broken: str | None, failed: str | None, says: str
) -> None:
    printed = StringIO()
    show(report(broken, failed), Console(file=printed, width=120))
    assert says in printed.getvalue()
