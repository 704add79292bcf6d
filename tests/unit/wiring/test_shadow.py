"""What a dry run says of levels, effects and refusals is what the correction then does."""

import sys
from pathlib import Path

import pytest

CONNECT = Path(__file__).parent.parent / "connect"
sys.path.insert(0, str(CONNECT))
from replay_world import Reading, World, count, sale  # noqa: E402

from omnihub.broker.bulkread import RawRecord  # noqa: E402
from omnihub.connect.replays import Replay, new_replay_id, requests_of  # noqa: E402
from omnihub.wiring.shadow import LevelChange, consequences_of  # noqa: E402

RIGHT = Reading(revision=2)


@pytest.fixture
def world():
    import importlib.util

    spec = importlib.util.spec_from_file_location("diary_world", CONNECT / "conftest.py")
    diary = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(diary)
    from pydantic import SecretStr

    from omnihub.connect.understanding import Understanding

    def understanding(*, owns=(), refs=None, revision=1):
        mapping = type("Revised", (diary.DiaryMapping,), {"revision": revision})
        made = mapping(diary.DiaryConfig(secret=SecretStr("s")))
        return Understanding(made, refs or diary.PlainRefs(), frozenset(owns))

    made = World(understanding, diary.raw, Reading(factor=10))
    made.tell(count("c1", 9, "pear"), sale("s1", 2), sale("s2", 3))
    return made


def dumped(world):
    """Return the changelog reader that a running hub would give."""

    def read(changelog):
        parts = range(len(world.driver.log.ends(changelog)))
        return [
            RawRecord(part, each.offset, each.timestamp_ms, each.key, each.value, each.headers)
            for part in parts
            for each in world.driver.log.read(changelog, part)
        ]

    return read


def foreseen(world, found):
    order = Replay("r1", "ann", "misread", world.driver.now_us + 1_000_000)
    return consequences_of(
        {"diary": requests_of(found, order)},
        world._handlers(),
        world.driver.topics,
        world.driver.codec,
        dumped(world),
    )


def test_the_levels_foreseen_are_the_levels_that_come(world):
    world.release(RIGHT)
    found = world.differences()
    before = {name: world.driver.log.ends(name) for name in world.driver.log.names()}
    seen = foreseen(world, found)
    assert seen.levels == [
        LevelChange("apple", "shop", -50_000, -5_000),
        LevelChange("pear", "shop", 90_000, 9_000),
    ]
    assert {name: world.driver.log.ends(name) for name in before} == before, "nothing is written"
    world.replay(differences=found)
    assert (world.on_hand("apple"), world.on_hand("pear")) == (-5, 9)


def test_what_would_be_refused_is_foreseen(world):
    found = world.differences(RIGHT)
    seen = foreseen(world, found)
    assert {each.reason_code for each in seen.rejected} == {"other_reading"}
    assert seen.levels == []


def test_nothing_to_ask_needs_no_rows():
    def read(changelog):
        raise AssertionError(changelog)

    from omnihub.contracts.codec import Codec
    from omnihub.contracts.topics import Topics

    seen = consequences_of({}, [], Topics.load(), Codec.offline(), read)
    assert (seen.levels, seen.withheld, seen.commands) == ((), (), {})


def test_later_replays_sort_after_earlier_ones():
    ids = [new_replay_id(at * 1_000_000) for at in (1, 2, 3_000_000_000)]
    assert ids == sorted(ids)
