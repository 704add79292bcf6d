"""Append mode: messages and sales become one command each, once, in order."""

import pytest

from omnihub.model.errors import ParkError
from omnihub.model.ids import (
    ChannelId,
    CommandId,
    InstanceId,
    LineId,
    LocationId,
    MessageId,
    OrderId,
    Sku,
    SubjectId,
    TenantId,
)
from omnihub.model.records import (
    CommandResult,
    Contact,
    MessageDesired,
    Money,
    Outcome,
    RecordSale,
    SaleDesired,
    SaleLine,
    SendMessage,
)
from omnihub.rules.outbound import OutboundRule
from omnihub.rules.rehearsal import Rehearsal

TENANT, THERE = TenantId("t"), InstanceId("there")
CONTACT = Contact(subject=SubjectId("s"), email=b"sealed")
LINE = SaleLine(
    line_id=LineId("l1"), sku=Sku("apple"), quantity_milli=1000, total_minor=199,
    unit_price=Money(unscaled=199, scale=2, currency="EUR"),
)  # fmt: skip


def message(name):
    return MessageDesired(
        tenant=TENANT, instance=THERE, target="o1", cause_id="e", accepted_at_us=5,
        message_id=MessageId(name), template="order_confirmed", contact=CONTACT,
        order_id=OrderId("o1"), values={"number": "W-1"},
    )  # fmt: skip


def sale(name):
    return SaleDesired(
        tenant=TENANT, instance=THERE, target=name, cause_id="e", accepted_at_us=5,
        order_id=OrderId(name), number="W-1", channel=ChannelId("web"), location=LocationId("W1"),
        currency="EUR", lines=(LINE,), total_minor=199, contact=CONTACT, placed_at_us=1,
    )  # fmt: skip


def result(command, outcome=Outcome.DONE):
    return CommandResult(
        command_id=CommandId(command.command_id), tenant=TENANT, instance=THERE,
        target=command.target, outcome=outcome, error_class="Refused", message="550 5.1.1",
        cure="correct the address", accepted_at_us=1, finished_at_us=2,
    )  # fmt: skip


@pytest.fixture
def play():
    return Rehearsal(OutboundRule())


def sent(play):
    return play.emitted_to("omni.command.there.v1")


def test_a_message_is_sent_whole_with_its_contact_sealed(play):
    play.play(message("m1"))
    [command] = sent(play)
    assert isinstance(command, SendMessage)
    assert (command.message_id, command.template, command.values) == (
        "m1", "order_confirmed", {"number": "W-1"},
    )  # fmt: skip
    assert command.contact is CONTACT


def test_a_sale_is_recorded_whole(play):
    play.play(sale("o1"))
    [command] = sent(play)
    assert isinstance(command, RecordSale)
    assert (command.order_id, command.lines, command.total_minor) == ("o1", (LINE,), 199)


@pytest.mark.parametrize("fact", [message, sale])
def test_a_fact_told_again_while_its_command_is_out_sends_nothing(play, fact):
    for name in ("a", "b", "a"):
        play.play(fact(name))
    assert len(sent(play)) == 2


@pytest.mark.parametrize("fact", [message, sale])
def test_its_command_id_follows_from_its_natural_id(play, fact):
    play.play(fact("a"))
    other = Rehearsal(OutboundRule())
    other.play(fact("a"), at_us=99)
    assert sent(play)[0].command_id == sent(other)[0].command_id


def test_a_message_and_a_sale_of_the_same_name_are_two_commands(play):
    play.play(message("a"))
    play.play(sale("a"))
    assert len({each.command_id for each in sent(play)}) == 2


@pytest.mark.parametrize("fact", [message, sale])
def test_a_refusal_parks_and_a_retry_issues_the_same_command(play, fact):
    play.play(fact("a"))
    refused = result(sent(play)[0], Outcome.REFUSED)
    with pytest.raises(ParkError) as parked:
        play.play(refused)
    assert parked.value.cure == "correct the address"
    play.play(refused, is_retry=True)
    first, again = sent(play)
    assert first == again
    play.play(result(again))
    assert not play.rows.rows, "nothing of a buyer is kept after the end"
