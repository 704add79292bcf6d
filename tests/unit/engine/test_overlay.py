"""The overlay: what a failed record wrote is gone, what a batch wrote is seen, nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from omnihub.contracts.codec import Codec
from omnihub.engine.overlay import Overlay
from omnihub.engine.store import MemoryStore
from omnihub.model.records import ParkedQueue, TaskPosition

KEYS = st.sampled_from(["a", "b", "c"])
WRITES = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.integers(0, 9))), max_size=4)


def row(number):
    return ParkedQueue(first_index=0, next_index=number)


def seen(overlay):
    rows = {key: overlay.get(ParkedQueue, key) for key in "abc"}
    return {key: found.next_index for key, found in rows.items() if found is not None}


@given(st.lists(st.tuples(WRITES, st.sampled_from(["keep", "fail", "commit", "roll back"]))))
def test_rows_are_those_of_the_records_that_succeeded(story):
    overlay = Overlay(MemoryStore(Codec.offline()))
    committed, batch = {}, {}
    for writes, outcome in story:
        tried = dict(batch)
        for key, number in writes:
            if number is None:
                overlay.delete(ParkedQueue, key)
                tried.pop(key, None)
            else:
                overlay.put(key, row(number))
                tried[key] = number
            assert seen(overlay) == tried
        if outcome == "fail":
            overlay.drop_record()
        else:
            overlay.keep_record()
            batch = tried
        if outcome == "commit":
            overlay.keep_batch()
            committed = dict(batch)
        elif outcome == "roll back":
            overlay.drop_batch()
            batch = dict(committed)
        assert seen(overlay) == batch


def test_the_type_is_part_of_a_rows_identity():
    overlay = Overlay(MemoryStore(Codec.offline()))
    overlay.put("a", row(1))
    overlay.put("a", TaskPosition(topic="t", next_offset=7))
    assert overlay.get(ParkedQueue, "a") == row(1)


def test_a_row_written_twice_in_a_batch_is_one_change():
    overlay = Overlay(MemoryStore(Codec.offline()))
    for number in (1, 2):
        overlay.put("a", row(number))
        overlay.keep_record()
    assert list(overlay.staged.values()) == [row(2)]
