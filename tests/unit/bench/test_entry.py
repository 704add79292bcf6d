"""What a benchmark's entry claims follows from its runs alone."""

import pytest

from bench.entry import Bar, Entry

STREAMS = Bar("≥ 1.0 × Kafka Streams", 1.0, "kafka_streams")
FAST = Bar("p99 ≤ 250 ms", 250.0, higher_is_better=False)
THIRD = Bar("p50 ≤ 1/3 of Kafka Streams", 1 / 3, "kafka_streams", higher_is_better=False)


def test_the_hub_counts_with_its_second_self_and_all_runs_are_kept() -> None:
    runs = {"hub": [40.0, 60.0], "hub_again": [50.0], "kafka_streams": [45.0, 55.0, 47.0]}
    entry = Entry("engine", "events/s", runs, [STREAMS], limits="a page").as_json()
    assert (entry["hub"], entry["peers"]) == (50.0, {"kafka_streams": 47.0})
    assert entry["runs"]["kafka_streams"] == [45.0, 55.0, 47.0]
    assert entry["reached"] is True
    assert "limited_by" not in entry


def test_the_spread_is_how_far_two_equal_sides_came_apart() -> None:
    runs = {"hub": [110.0], "hub_again": [100.0]}
    assert Entry("engine", "events/s", runs).as_json()["aa_spread"] == pytest.approx(0.1)
    assert Entry("engine", "events/s", {"hub": [1.0]}).as_json()["aa_spread"] is None


def test_a_missed_bar_says_which_and_why() -> None:
    runs = {"hub": [90.0], "kafka_streams": [100.0]}
    entry = Entry("engine", "events/s", runs, [STREAMS], limits="a page").as_json()
    assert entry["reached"] is False
    assert entry["missed"] == [STREAMS.text]
    assert entry["limited_by"] == "a page"
    assert entry["ratios"] == {STREAMS.text: 0.9}


@pytest.mark.parametrize(("hub", "reached"), [(83.0, True), (84.0, False)])
def test_less_is_better_for_latencies(hub: float, reached: bool) -> None:
    runs = {"hub": [hub], "kafka_streams": [250.0]}
    assert Entry("hops", "ms", runs, [FAST, THIRD]).as_json()["reached"] is reached


def test_a_bar_beside_a_peer_that_failed_is_not_reached() -> None:
    runs = {"hub": [1000.0], "kafka_streams": []}
    entry = Entry(
        "engine", "events/s", runs, [STREAMS], failed={"kafka_streams": "ended"}
    ).as_json()
    assert entry["reached"] is False
    assert entry["failed"] == {"kafka_streams": "ended"}


def test_a_hub_that_failed_reaches_nothing() -> None:
    entry = Entry("engine", "events/s", {"hub": [], "kafka_streams": [1.0]}, [STREAMS]).as_json()
    assert entry["hub"] is None
    assert entry["reached"] is False
