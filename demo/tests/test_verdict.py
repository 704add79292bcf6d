"""The verdict on synthetic read-backs: a perfect world, and each promise broken once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from omnihub_demo.bars import Freshness
from omnihub_demo.facts import COUNT, Expected, Fact, expected_facts
from omnihub_demo.killing import Kill
from omnihub_demo.ledger import Ledger, judge
from omnihub_demo.play import Play, TransactionKey
from omnihub_demo.promises import Run, promises, volume
from omnihub_demo.quiet import Quiet
from omnihub_demo.readings import Readings, ToldFact
from omnihub_demo.verdict import ERP, POS, WEB, Verdict, judge_readings
from omnihub_demo.verify import find_edits

FRESH = {WEB: Freshness(120, 900, 1100, 1500), ERP: Freshness(2000, 9000, 12000, 1300)}
INJECTED = {
    "duplicates": 5,
    "reordered": 54,
    "late": 20,
    "webhooks_tripled": 1,
    "updates_before_creation": 1,
}
KILL = Kill("worker-0", 4711, 34, 28)


@pytest.fixture(scope="module")
def ledger(play: Play) -> Ledger:
    return judge(play)


@pytest.fixture(scope="module")
def expected(play: Play) -> Expected:
    return expected_facts(play)


@pytest.fixture(scope="module")
def dropped(play: Play) -> Counter[TransactionKey]:
    return Counter(transaction.key for transaction in play.transactions)


@pytest.fixture(scope="module")
def perfect(ledger: Ledger, expected: Expected, dropped: Counter[TransactionKey]) -> Readings:
    return Readings(
        archived=dropped,
        waiting_files=0,
        erp_milli={shelf: milli for shelf, milli in ledger.erp_on_hand_milli.items() if milli},
        erp_lines=Counter(
            f"{location}:{move.sku}:{move.delta_milli}"
            for location, moves in ledger.erp_movements.items()
            for move in moves
        ),
        web_milli=ledger.web_ats_milli,
        hub_milli=ledger.on_hand_milli,
        hub_ats_milli=ledger.web_ats_milli,
        state_milli=ledger.on_hand_milli,
        state_order_faults=0,
        told=tuple(told(expected)),
        effects=(),
    )


@pytest.fixture
def judged(ledger: Ledger, expected: Expected, dropped: Counter[TransactionKey]) -> "Judge":
    return Judge(ledger, expected, dropped)


class Judge:
    """Judges readings as a run would."""

    def __init__(
        self, ledger: Ledger, expected: Expected, dropped: Counter[TransactionKey]
    ) -> None:
        self._world = expected, ledger, dropped

    def verdict(self, seen: Readings) -> Verdict:
        return judge_readings(seen, *self._world)

    def broken(self, seen: Readings, **of_run: object) -> set[str]:
        run = Run(
            verdict=self.verdict(seen),
            quiet=Quiet(True, 0.0),
            events=30_000,
            events_per_s=200.0,
            injected=INJECTED,
            kills=(KILL,),
            by_system=FRESH,
        )
        changed = replace(run, **of_run)  # type: ignore[arg-type]
        return {promise.name for promise in promises(changed) if not promise.held}


def told(expected: Expected) -> Iterator[ToldFact]:
    for natural_id, fact in expected.of_tills.items():
        yield ToldFact(POS, natural_id, fact)
    for number, fact in enumerate(expected.of_erp.elements()):
        yield ToldFact(ERP, f"row {number}", fact)


def with_units(milli: dict[str, int], units: int) -> dict[str, int]:
    sku = max(milli, key=lambda each: milli[each])
    return milli | {sku: milli[sku] + units * 1000}


def test_a_perfect_world_breaks_nothing(judged: Judge, perfect: Readings) -> None:
    assert judged.broken(perfect) == set()


def test_a_fact_that_nobody_heard_of_again_is_lost(judged: Judge, perfect: Readings) -> None:
    seen = replace(perfect, told=perfect.told[1:])
    assert len(judged.verdict(seen).lost) == 1
    assert judged.broken(seen) == {"durable"}


def test_a_fact_with_another_quantity_is_lost_too(judged: Judge, perfect: Readings) -> None:
    first = perfect.told[0]
    assert first.fact is not None
    other = replace(first, fact=replace(first.fact, milli=first.fact.milli + 1))
    assert judged.broken(replace(perfect, told=(other, *perfect.told[1:]))) == {"durable"}


def test_a_fact_of_the_erp_is_missed_by_what_it_says(judged: Judge, perfect: Readings) -> None:
    seen = replace(perfect, told=perfect.told[:-1])
    assert judged.verdict(seen).lost[0].startswith("erp: ")


def test_a_file_that_was_dropped_and_is_not_archived_was_not_accepted(
    judged: Judge, perfect: Readings
) -> None:
    key = next(iter(perfect.archived))
    archived = Counter(perfect.archived)
    del archived[key]
    assert judged.broken(replace(perfect, archived=archived)) == {"durable"}


def test_a_loss_after_archiving_is_told_apart(judged: Judge, perfect: Readings) -> None:
    verdict = judged.verdict(replace(perfect, told=perfect.told[1:]))
    assert verdict.lost_after_archive == verdict.lost


def test_a_fact_told_twice_is_repeated(judged: Judge, perfect: Readings) -> None:
    seen = replace(perfect, told=(*perfect.told, perfect.told[0]))
    assert judged.broken(seen) == {"exactly-once"}


def test_a_fact_under_a_name_that_nobody_gave_is_one_too_many(
    judged: Judge, perfect: Readings
) -> None:
    stranger = replace(perfect.told[0], natural_id=f"{perfect.told[0].natural_id}-again")
    seen = replace(perfect, told=(*perfect.told, stranger))
    assert judged.broken(seen) == {"exactly-once"}


def test_an_effect_that_the_erp_has_twice_is_repeated(judged: Judge, perfect: Readings) -> None:
    line = next(iter(perfect.erp_lines))
    seen = replace(perfect, erp_lines=perfect.erp_lines + Counter([line]))
    assert judged.broken(seen) == {"exactly-once"}


def test_an_effect_that_the_erp_never_got_is_missing(judged: Judge, perfect: Readings) -> None:
    line = next(iter(perfect.erp_lines))
    seen = replace(perfect, erp_lines=perfect.erp_lines - Counter([line]))
    assert judged.broken(seen) == {"exactly-once"}


def test_a_superseded_count_is_no_loss_only_where_there_is_a_newer_one(
    judged: Judge, perfect: Readings, expected: Expected
) -> None:
    counts = {each: fact for each, fact in expected.of_tills.items() if fact.kind == COUNT}
    shelves = Counter((fact.location, fact.sku) for fact in counts.values())

    def superseded(times: int) -> Readings:
        name = next(x for x, fact in counts.items() if shelves[fact.location, fact.sku] == times)
        facts = (ToldFact(POS, name, None) if x.natural_id == name else x for x in perfect.told)
        return replace(perfect, told=tuple(facts))

    assert judged.broken(superseded(2)) == set()
    assert judged.broken(superseded(1)) == {"durable"}


def test_a_shelf_of_the_hub_that_differs_breaks_conservation(
    judged: Judge, perfect: Readings
) -> None:
    shelf = next(iter(perfect.hub_milli))
    seen = replace(perfect, hub_milli=perfect.hub_milli | {shelf: perfect.hub_milli[shelf] + 1})
    assert judged.broken(seen) == {"conservation", "same-everywhere"}


def test_a_shelf_that_the_hub_does_not_know_differs(judged: Judge, perfect: Readings) -> None:
    state = dict(perfect.state_milli)
    state.popitem()
    verdict = judged.verdict(replace(perfect, state_milli=state))
    assert [each.seen_milli for each in verdict.divergent] == [None]


def test_a_quantity_of_the_erp_that_differs_is_attributed_to_it(
    judged: Judge, perfect: Readings
) -> None:
    shelf = next(iter(perfect.erp_milli))
    seen = replace(perfect, erp_milli=perfect.erp_milli | {shelf: 1})
    assert [each.system for each in judged.verdict(seen).divergent] == [ERP]
    assert judged.broken(seen) == {"same-everywhere"}


def test_units_that_the_web_store_offers_and_nobody_has_are_oversold(
    judged: Judge, perfect: Readings
) -> None:
    seen = replace(perfect, web_milli=with_units(perfect.web_milli, 5))
    assert judged.verdict(seen).oversold_units == 5
    assert judged.broken(seen) == {"no-oversell", "same-everywhere"}


def test_units_that_the_web_store_does_not_offer_are_no_oversell(
    judged: Judge, perfect: Readings
) -> None:
    seen = replace(perfect, web_milli=with_units(perfect.web_milli, -1))
    assert judged.broken(seen) == {"same-everywhere"}


def test_a_state_out_of_order_is_told(judged: Judge, perfect: Readings) -> None:
    assert judged.broken(replace(perfect, state_order_faults=1)) == {"order"}


@pytest.mark.parametrize("what", ["open_commands", "parked", "waiting_files"])
def test_what_is_still_under_way_is_not_settled(
    judged: Judge, perfect: Readings, what: str
) -> None:
    assert judged.broken(replace(perfect, **{what: 1})) == {"settled"}  # type: ignore[arg-type]


def test_a_run_that_never_came_to_rest_is_not_settled(judged: Judge, perfect: Readings) -> None:
    assert judged.broken(perfect, quiet=Quiet(False, 0.0, "3 records unread")) == {"settled"}


@pytest.mark.parametrize("fault", INJECTED)
def test_a_run_without_one_of_its_faults_proves_nothing(
    judged: Judge, perfect: Readings, fault: str
) -> None:
    assert judged.broken(perfect, injected=INJECTED | {fault: 0}) == {"faults-injected"}


def test_a_run_without_a_kill_that_hit_work_proves_nothing(
    judged: Judge, perfect: Readings
) -> None:
    assert judged.broken(perfect, kills=()) == {"worker-killed"}
    assert judged.broken(perfect, kills=(replace(KILL, lag_at_kill=0),)) == {"worker-killed"}
    assert judged.broken(perfect, kills=(replace(KILL, partitions_owned=0),)) == {"worker-killed"}


def test_each_bar_is_judged(judged: Judge, perfect: Readings) -> None:
    assert judged.broken(perfect, events_per_s=129.0) == {"rate"}
    slow = FRESH | {WEB: Freshness(251, 900, 1100, 1500)}
    assert judged.broken(perfect, by_system=slow) == {"fresh-web"}
    assert judged.broken(perfect, by_system={WEB: FRESH[WEB]}) == {"fresh-erp"}


def test_only_full_weeks_promise_a_volume() -> None:
    assert not volume(8_140, is_full_week=True).held
    assert volume(8_140, is_full_week=False).held
    assert volume(20_000, is_full_week=True).held


def test_the_two_hands_of_a_kept_run_are_two_entities(
    play: Play, ledger: Ledger, perfect: Readings
) -> None:
    safety = {place.location: place.safety_milli for place in play.places.values()}
    safety = {x: n for x, n in safety.items() if x in ledger.erp_movements}
    shelf = next(iter(perfect.erp_milli))
    edited = replace(
        perfect,
        # The hub believes the owner, and the web store follows the hub.
        erp_milli=perfect.erp_milli | {shelf: perfect.erp_milli[shelf] + 9000},
        hub_milli=perfect.hub_milli | {shelf: perfect.hub_milli[shelf] + 9000},
        web_milli={
            sku: milli + (9000 if sku == shelf[1] else 0) + (3000 if sku == other else 0)
            for other in [next(x for x in perfect.web_milli if x != shelf[1])]
            for sku, milli in perfect.web_milli.items()
        },
    )
    found = [(each.system, each.seen_milli) for each in find_edits(edited, ledger, safety)]
    assert [system for system, _ in found] == [ERP, WEB]
    assert list(find_edits(perfect, ledger, safety)) == []


def test_every_fact_of_a_play_is_expected_once(expected: Expected, ledger: Ledger) -> None:
    assert expected.total == ledger.facts.total
    assert all(isinstance(fact, Fact) for fact in expected.of_tills.values())
