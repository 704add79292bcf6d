"""State mode for order statuses and day totals: the newest value wins, one command is out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.engine.driver import Crash, TestDriver
from omnihub.model.errors import ParkError
from omnihub.model.ids import ChannelId, CommandId, InstanceId, OrderId, TenantId
from omnihub.model.records import (
    CommandResult,
    DayTotal,
    DayTotalAdded,
    FulfilmentStatus,
    OrderStatus,
    OrderStatusDesired,
    OutboundSlot,
    Outcome,
    SetDayTotal,
    SetOrderStatus,
)
from omnihub.rules.outbound import STUCK_AFTER_US, OutboundRule
from omnihub.rules.rehearsal import Rehearsal
from omnihub.rules.routing import OUTBOUND_INBOX

S = OrderStatus
TENANT, SHOP = TenantId("t"), InstanceId("shop")
COMMANDS = "omni.command.shop.v1"


def status(seq, value=S.CONFIRMED, at_us=None, target="o1"):
    return OrderStatusDesired(
        tenant=TENANT, instance=SHOP, target=target, cause_id=f"e{seq}", order_id=OrderId(target),
        accepted_at_us=seq if at_us is None else at_us, number="W-1", status=value, seq=seq,
        fulfilment_status=FulfilmentStatus.UNKNOWN,
    )  # fmt: skip


def added(total_minor, orders=1, day=1, at_us=1):
    return DayTotalAdded(
        tenant=TENANT, instance=SHOP, target=f"web:{day}:EUR", cause_id="e", accepted_at_us=at_us,
        order_id=OrderId("o"), channel=ChannelId("web"), day=day, currency="EUR", orders=orders,
        total_minor=total_minor,
    )  # fmt: skip


def result(command, outcome=Outcome.DONE):
    return CommandResult(
        command_id=CommandId(command.command_id), tenant=TENANT, instance=SHOP,
        target=command.target, outcome=outcome, error_class="Refused", message="no such order",
        cure="look at it", accepted_at_us=1, finished_at_us=2,
    )  # fmt: skip


@pytest.fixture
def play():
    return Rehearsal(OutboundRule())


def sent(play):
    return play.emitted_to(COMMANDS)


def test_a_status_is_sent_at_once(play):
    play.play(status(1))
    [command] = sent(play)
    assert isinstance(command, SetOrderStatus)
    assert (command.order_id, command.number, command.status) == ("o1", "W-1", S.CONFIRMED)


def test_the_first_status_may_have_any_sequence_number(play):
    play.play(status(0))
    assert len(sent(play)) == 1


def test_while_one_command_is_out_the_newest_status_waits(play):
    play.play(status(1, S.CONFIRMED, at_us=10))
    play.play(status(2, S.IN_FULFILMENT, at_us=20))
    play.play(status(3, S.FULFILLED, at_us=30))
    assert len(sent(play)) == 1
    play.play(result(sent(play)[0]))
    assert [each.status for each in sent(play)] == [S.CONFIRMED, S.FULFILLED]
    assert sent(play)[1].accepted_at_us == 20, "it covers the oldest that waited"


def test_an_older_status_never_overtakes(play):
    play.play(status(2, S.IN_FULFILMENT))
    play.play(status(1, S.CONFIRMED))
    play.play(result(sent(play)[0]))
    play.play(status(1, S.CONFIRMED))
    assert [each.status for each in sent(play)] == [S.IN_FULFILMENT]


def test_a_status_that_is_already_shown_is_not_sent_again(play):
    play.play(status(1))
    play.play(result(sent(play)[0]))
    play.play(status(2))
    play.play(status(3, S.IN_FULFILMENT))
    assert [each.seq for each in sent(play)] == [1, 3]


def test_a_status_that_goes_away_and_comes_back_while_one_is_out_is_not_sent_again(play):
    play.play(status(1))
    play.play(status(2, S.ON_HOLD))
    play.play(status(3))
    play.play(result(sent(play)[0]))
    assert len(sent(play)) == 1


def test_the_same_result_twice_changes_nothing(play):
    play.play(status(1))
    play.play(status(2, S.IN_FULFILMENT))
    first = sent(play)[0]
    play.play(result(first))
    play.play(result(first))
    play.play(status(3, S.FULFILLED))
    assert len(sent(play)) == 2, "the second is still out"


@pytest.mark.parametrize("last", [S.COMPLETED, S.REFUSED, S.CANCELLED])
def test_an_order_that_is_over_leaves_no_rows(play, last):
    play.play(status(1))
    play.play(status(2, last))
    for _ in range(2):
        play.play(result(sent(play)[-1]))
    assert [each.status for each in sent(play)] == [S.CONFIRMED, last]
    assert not play.rows.rows


def test_a_refused_status_parks_its_order_and_a_retry_sends_the_newest(play):
    play.play(status(1))
    play.play(status(2, S.IN_FULFILMENT))
    refused = result(sent(play)[0], Outcome.REFUSED)
    with pytest.raises(ParkError) as parked:
        play.play(refused)
    assert parked.value.cure == "look at it"
    play.play(refused, at_us=9, is_retry=True)
    assert [each.status for each in sent(play)] == [S.CONFIRMED, S.IN_FULFILMENT]
    play.play(result(sent(play)[1]))
    play.play(status(3, S.IN_FULFILMENT))
    assert len(sent(play)) == 2


def test_a_retry_with_nothing_newer_sends_the_refused_one_anew(play):
    play.play(status(1))
    play.play(result(sent(play)[0], Outcome.REFUSED), at_us=9, is_retry=True)
    first, again = sent(play)
    assert first.command_id != again.command_id
    assert first.status == again.status


def test_a_command_whose_result_never_came_is_sent_anew_after_a_while(play):
    play.play(status(1), at_us=0)
    play.play(status(2, S.IN_FULFILMENT), at_us=STUCK_AFTER_US)
    play.play(status(3, S.FULFILLED, at_us=3), at_us=STUCK_AFTER_US + 1)
    assert [(each.seq, each.accepted_at_us) for each in sent(play)] == [(1, 1), (3, 2)]


def test_orders_do_not_wait_for_each_other(play):
    play.play(status(1))
    play.play(status(1, target="o2"))
    assert [each.target for each in sent(play)] == ["o1", "o2"]


def test_the_orders_of_a_day_add_up(play):
    play.play(added(1990))
    play.play(result(sent(play)[0]))
    play.play(added(10))
    play.play(result(sent(play)[1]))
    play.play(added(-1990, orders=-1))
    totals = [(each.orders, each.total_minor) for each in sent(play)]
    assert totals == [(1, 1990), (2, 2000), (1, 10)]
    assert all(isinstance(each, SetDayTotal) for each in sent(play))


def test_days_have_totals_of_their_own(play):
    play.play(added(5))
    play.play(added(7, day=2))
    assert [(each.day, each.total_minor) for each in sent(play)] == [(1, 5), (2, 7)]


def test_a_total_that_is_refused_loses_nothing(play):
    play.play(added(5))
    refused = result(sent(play)[0], Outcome.REFUSED)
    with pytest.raises(ParkError):
        play.play(refused)
    play.play(added(7))
    play.play(refused, at_us=9, is_retry=True)
    assert sent(play)[-1].total_minor == 12


def test_kinds_with_the_same_target_do_not_disturb_each_other(play):
    play.play(status(1, target="web:1:EUR"))
    play.play(added(5))
    play.play(result(sent(play)[0]))
    slots = {key: row for (kind, key), row in play.rows.rows.items() if kind is OutboundSlot}
    assert [bool(slot.outstanding_command_id) for slot in slots.values()] == [False, True]


@given(st.lists(st.tuples(st.integers(-999, 999), st.booleans()), max_size=30))
def test_whatever_the_answers_the_last_thing_said_is_the_sum(steps):
    play = Rehearsal(OutboundRule())
    for total_minor, answers_now in steps:
        play.play(added(total_minor))
        if answers_now and sent(play):
            play.play(result(sent(play)[-1]))
    for _ in range(2):
        if sent(play):
            play.play(result(sent(play)[-1]))
    shown = sent(play)[-1].total_minor if steps else 0
    assert shown == sum(total_minor for total_minor, _ in steps)
    seqs = [each.seq for each in sent(play)]
    assert seqs == sorted(set(seqs))


def test_totals_survive_a_crash_before_and_after_the_commit():
    for stage in ("produced", "committed"):
        driver = TestDriver([OutboundRule()])
        driver.append(OUTBOUND_INBOX, added(5))
        driver.run()
        driver.append(OUTBOUND_INBOX, added(7))
        driver.crash_at(stage)
        with pytest.raises(Crash):
            driver.run()
        driver.restart()
        driver.run()
        [command] = driver.records(COMMANDS, SetDayTotal)
        driver.append(OUTBOUND_INBOX, result(command))
        driver.run()
        assert [each.total_minor for each in driver.records(COMMANDS, SetDayTotal)] == [5, 12]
        sums = [row for row in driver.rows("outbound").values() if isinstance(row, DayTotal)]
        assert {row.total_minor for row in sums} == {12}
