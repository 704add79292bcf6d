"""The judge itself: an honest history passes, and each planted difference is named.

The history is made by the suite's own rules on the test driver, so no broker is needed.
"""

import random

import pytest

from chaos import checker
from chaos.checker import End, Seen
from chaos.driven import Driven
from chaos.findings import Kind
from omnihub.model.records import StockLevel, StockMoved, TaskPosition

REASONS = [*[None] * 20, "reject", "park", "remind", "bug"]


@pytest.fixture
def run(tmp_path):
    """200 movements, and one record that cannot be read."""
    run, dice = Driven(tmp_path), random.Random(1)
    for _ in range(200):
        run.append(dice.randrange(20), dice.choice(REASONS))
    run.driver.append(run.inbox.name, b"garbage", key="t:sku-3")
    run.run()
    run.run(seconds=2)
    return run


@pytest.fixture
def sent(run):
    """What was appended."""
    return run.sent


@pytest.fixture
def history(run):
    """What it left behind."""
    return run.history()


def kinds(history, sent):
    return {found.kind for found in checker.findings(history, sent)}


def longest(lanes):
    return max(lanes, key=len)


def test_an_honest_history_passes(history, sent):
    assert checker.findings(history, sent) == []


@pytest.mark.parametrize("topic", ["events", "state", "tally_inbox", "tally_state"])
def test_a_missing_output_is_lost(history, sent, topic):
    longest(getattr(history, topic)).pop(1)
    assert Kind.LOST in kinds(history, sent)


@pytest.mark.parametrize("topic", ["events", "state", "tally_state"])
def test_an_output_written_twice_is_duplicated(history, sent, topic):
    lane = longest(getattr(history, topic))
    lane.append(lane[1])
    assert kinds(history, sent) == {Kind.DUPLICATED}


def test_an_output_that_no_replay_gives_is_wrong(history, sent):
    lane = longest(history.state)
    level = next(seen.record for seen in lane if isinstance(seen.record, StockLevel))
    key = f"t:{level.sku}:{level.location}"
    lane.append(Seen(9999, 0, key, StockLevel(**{**fields(level), "on_hand_milli": 1})))
    assert kinds(history, sent) == {Kind.WRONG}


def test_two_outputs_of_one_key_exchanged_are_reordered(history, sent):
    lane = longest(history.state)
    first = next(at for at, one in enumerate(lane) if later(lane, at, one.key))
    second = later(lane, first, lane[first].key)
    lane[first], lane[second] = lane[second], lane[first]
    assert kinds(history, sent) == {Kind.REORDERED}


def test_outputs_of_two_keys_exchanged_are_no_fault(history, sent):
    lane = longest(history.state)
    at = next(at for at in range(len(lane) - 1) if lane[at].key != lane[at + 1].key)
    lane[at], lane[at + 1] = lane[at + 1], lane[at]
    assert checker.findings(history, sent) == []


def test_a_changelog_without_its_last_row_is_wrong(history, sent):
    lane = longest(history.ledger_changelog)
    at = max(at for at, one in enumerate(lane) if isinstance(one.record, StockLevel))
    lane.pop(at)
    assert kinds(history, sent) == {Kind.WRONG}


def test_a_row_that_was_never_settled_is_wrong(history, sent):
    lane = longest(history.ledger_changelog)
    lane.append(Seen(9999, 0, "StockLevel\x1fsku-unheard-of", longest(history.state)[0].record))
    assert kinds(history, sent) == {Kind.WRONG}


def test_a_position_that_goes_backwards_is_wrong(history, sent):
    lane = longest(history.tally_changelog)
    lane.insert(0, Seen(0, 0, "TaskPosition\x1f", TaskPosition(topic="x", next_offset=10_000)))
    assert kinds(history, sent) == {Kind.WRONG}


def test_offsets_beside_the_position_row_are_wrong(history, sent):
    history.ledger_offsets[0] += 1
    assert kinds(history, sent) == {Kind.WRONG}


def test_an_acknowledged_append_that_is_gone_is_lost(history, sent):
    sent.acknowledged.append(("t:sku-1", "never-arrived"))
    assert kinds(history, sent) == {Kind.LOST}


def test_an_append_that_nobody_made_is_wrong(history, sent):
    sent.acknowledged.pop()
    assert kinds(history, sent) == {Kind.WRONG}


def test_appends_of_one_key_in_another_order_are_reordered(history, sent):
    key = sent.acknowledged[0][0]
    first, second, *_ = [at for at, (of, _) in enumerate(sent.acknowledged) if of == key]
    names = sent.acknowledged
    names[first], names[second] = names[second], names[first]
    assert kinds(history, sent) == {Kind.REORDERED}


def test_a_timed_out_append_may_be_there_or_not(history, sent):
    sent.maybe.append(sent.acknowledged.pop())
    sent.maybe.append(("t:sku-1", "never-arrived"))
    assert checker.findings(history, sent) == []


def test_a_timed_out_append_must_not_be_there_twice(history, sent):
    key, name = sent.acknowledged.pop()
    sent.maybe.append((key, name))
    lane = next(lane for lane in history.inbox if any(is_move(one, name) for one in lane))
    lane.append(next(one for one in lane if is_move(one, name)))
    assert Kind.WRONG in kinds(history, sent)


def test_an_open_transaction_is_stuck():
    [found] = checker.stuck([End("t", 0, 5, 5), End("t", 1, 5, 7)])
    assert (found.kind, found.count) == (Kind.STUCK, 2)


def fields(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


def later(lane, at, key):
    fact = checker._level(lane[at].record)
    others = range(at + 1, len(lane))
    return next(
        (i for i in others if lane[i].key == key and checker._level(lane[i].record) != fact), None
    )


def is_move(one, name):
    return isinstance(one.record, StockMoved) and one.record.movement_id == name
