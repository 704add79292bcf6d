"""The outbound rule: newest value wins, one command out per target, facts once and in order."""

import pytest

from omnihub.model.errors import ParkError
from omnihub.model.ids import CommandId, InstanceId, MovementId, Sku, TenantId
from omnihub.model.records import (
    CommandResult,
    LevelDesired,
    MovementDesired,
    MovementKind,
    Outcome,
    RecordMovement,
    SetStockLevel,
)
from omnihub.rules.outbound import STUCK_AFTER_US, OutboundRule
from omnihub.rules.rehearsal import Rehearsal

TENANT, WEB, SKU = TenantId("t"), InstanceId("web"), Sku("apple")
COMMANDS = "omni.command.web.v1"


def wanted(seq, milli, at_us=None):
    return LevelDesired(
        tenant=TENANT, instance=WEB, target=SKU, cause_id=f"e{seq}", channel="WEB",
        accepted_at_us=seq if at_us is None else at_us, sku=SKU, quantity_milli=milli, seq=seq,
    )  # fmt: skip


def sale(name):
    return MovementDesired(
        tenant=TENANT, instance=WEB, target="shop", cause_id=name, accepted_at_us=1,
        movement_id=MovementId(name), sku=SKU, kind=MovementKind.SALE, quantity_milli=1000,
        occurred_at_us=1,
    )  # fmt: skip


def result(command, outcome=Outcome.DONE):
    return CommandResult(
        command_id=CommandId(command.command_id), tenant=TENANT, instance=WEB,
        target=command.target, outcome=outcome, error_class="Refused", message="no such product",
        cure="omnihub map set web sku X", accepted_at_us=1, finished_at_us=2,
    )  # fmt: skip


@pytest.fixture
def play():
    return Rehearsal(OutboundRule())


def sent(play):
    return play.emitted_to(COMMANDS)


def test_the_first_value_is_sent_at_once(play):
    play.play(wanted(1, 5000))
    assert [(c.quantity_milli, type(c)) for c in sent(play)] == [(5000, SetStockLevel)]


def test_while_one_command_is_out_newer_values_coalesce(play):
    play.play(wanted(1, 5000))
    play.play(wanted(2, 4000))
    play.play(wanted(3, 3000))
    assert len(sent(play)) == 1
    play.play(result(sent(play)[0]))
    assert [c.quantity_milli for c in sent(play)] == [5000, 3000]


def test_a_command_tells_the_oldest_event_it_covers(play):
    play.play(wanted(1, 5000, at_us=10))
    play.play(wanted(2, 4000, at_us=20))
    play.play(wanted(3, 3000, at_us=30))
    play.play(result(sent(play)[0]))
    assert sent(play)[1].accepted_at_us == 20


def test_an_older_value_never_overtakes(play):
    play.play(wanted(2, 4000))
    play.play(result(sent(play)[0]))
    play.play(wanted(1, 5000))
    assert [c.quantity_milli for c in sent(play)] == [4000]


def test_a_value_that_is_already_shown_is_not_sent_again(play):
    play.play(wanted(1, 5000))
    play.play(result(sent(play)[0]))
    play.play(wanted(2, 5000))
    assert len(sent(play)) == 1


def test_the_same_result_twice_changes_nothing(play):
    play.play(wanted(1, 5000))
    play.play(wanted(2, 4000))
    first = sent(play)[0]
    play.play(result(first))
    play.play(result(first))
    assert [c.quantity_milli for c in sent(play)] == [5000, 4000]


def test_a_refused_command_parks_its_target_with_the_cure(play):
    play.play(wanted(1, 5000))
    with pytest.raises(ParkError) as parked:
        play.play(result(sent(play)[0], Outcome.REFUSED))
    assert parked.value.cure == "omnihub map set web sku X"


def test_a_retry_sends_the_newest_value(play):
    play.play(wanted(1, 5000))
    play.play(wanted(2, 4000))
    play.play(result(sent(play)[0], Outcome.REFUSED), at_us=9, is_retry=True)
    assert [c.quantity_milli for c in sent(play)] == [5000, 4000]
    play.play(result(sent(play)[1]))
    assert len(sent(play)) == 2


def test_a_command_whose_result_never_came_is_sent_anew_after_a_while(play):
    play.play(wanted(1, 5000), at_us=0)
    play.play(wanted(2, 4000), at_us=STUCK_AFTER_US)
    play.play(wanted(3, 3000), at_us=STUCK_AFTER_US + 1)
    assert [c.quantity_milli for c in sent(play)] == [5000, 3000]


def test_facts_become_one_command_each_in_order(play):
    play.play(sale("a"))
    play.play(sale("b"))
    play.play(sale("a"))
    assert [c.movement_id for c in sent(play)] == ["a", "b"]
    assert all(isinstance(c, RecordMovement) for c in sent(play))


def test_a_refused_fact_is_issued_again_on_retry_with_the_same_id(play):
    play.play(sale("a"))
    command = sent(play)[0]
    with pytest.raises(ParkError):
        play.play(result(command, Outcome.REFUSED))
    play.play(result(command, Outcome.REFUSED), is_retry=True)
    assert sent(play) == [command, command]
    play.play(result(command))
    assert not play.rows.rows
