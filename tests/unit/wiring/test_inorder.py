"""What was accepted first comes first, whatever partition it lies in."""

from hypothesis import given
from hypothesis import strategies as st

from omnihub.broker.ports import Entry, Position
from omnihub.wiring.inorder import InOrder


def entry(partition, offset, at_ms):
    return Entry(Position("raw", partition, offset), at_ms, "", None)


def test_it_waits_for_the_slower_partition_and_holds_no_more_than_that():
    order = InOrder({}, {("raw", 0): 3, ("raw", 1): 2})
    assert [*order.take([entry(0, 0, 10), entry(0, 1, 20)])] == []
    assert [e.timestamp_ms for e in order.take([entry(1, 0, 15)])] == [10, 15]
    assert [e.timestamp_ms for e in order.take([entry(1, 1, 30)])] == [20]
    assert [e.timestamp_ms for e in order.take([entry(0, 2, 40)])] == [30, 40]


def test_a_partition_with_nothing_to_read_holds_nobody_up():
    order = InOrder({("raw", 1): 7}, {("raw", 0): 2, ("raw", 1): 7, ("raw", 2): 0})
    assert [e.timestamp_ms for e in order.take([entry(0, 0, 10)])] == [10]


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=6), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_everything_comes_once_and_in_order(times, random):
    lanes = [[entry(p, o, at) for o, at in enumerate(sorted(each))] for p, each in enumerate(times)]
    order = InOrder({}, {("raw", p): len(lane) for p, lane in enumerate(lanes)})
    given_back = []
    while any(lanes):
        lane = random.choice([each for each in lanes if each])
        batch, lane[:] = lane[:2], lane[2:]
        given_back += order.take(batch)
    given_back += order.rest()
    stamps = [each.timestamp_ms for each in given_back]
    assert stamps == sorted(at for each in times for at in each)
