from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from omnihub_demo.ledger import judge, on_hand_of, receipt_movements, till_movements
from omnihub_demo.play import Kind, LineKind, Owner, Play, Transaction, instant_us

moves = st.lists(st.tuples(st.integers(0, 20), st.integers(-9, 9)))
counts = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 99)), unique_by=lambda c: c[0])


def simulated(counts: list[tuple[int, int]], moves: list[tuple[int, int]]) -> int:
    """Live through it instant by instant: within one, goods move first, then somebody counts."""
    on_hand = 0
    for instant in range(21):
        on_hand += sum(delta for at, delta in moves if at == instant)
        on_hand = dict(counts).get(instant, on_hand)
    return on_hand


def test_what_occurred_with_the_count_is_inside_it_and_what_came_later_is_on_top() -> None:
    assert on_hand_of([(10, 50)], [(9, -1), (10, -2), (11, -4)]) == 46


def test_only_the_newest_count_counts() -> None:
    assert on_hand_of([(10, 50), (5, 7)], [(6, -1), (12, -4)]) == 46


def test_a_shelf_that_nobody_counted_is_its_movements() -> None:
    assert on_hand_of([], [(0, -3), (7, 1)]) == -2


@given(counts, moves)
def test_the_ledger_agrees_with_living_through_it(
    counts: list[tuple[int, int]], moves: list[tuple[int, int]]
) -> None:
    assert on_hand_of(counts, moves) == simulated(counts, moves)


@given(counts, moves, st.randoms(use_true_random=False))
def test_order_of_telling_changes_nothing(counts, moves, random) -> None:  # type: ignore[no-untyped-def]
    expected = on_hand_of(counts, moves)
    random.shuffle(counts)
    random.shuffle(moves)
    assert on_hand_of(counts, moves) == expected


def test_goods_are_conserved_where_nobody_counts_again(full_play: Play) -> None:
    erp = {place.location for place in full_play.owned_by(Owner.ERP)}
    base = sum(
        line.quantity_milli
        for count in full_play.counts
        if full_play.places[count.key.store].location in erp
        for line in count.lines
    )
    moved = sum(
        move.delta_milli
        for move in (*till_movements(full_play), *receipt_movements(full_play))
        if move.location in erp
    )
    assert sum(judge(full_play).erp_on_hand_milli.values()) == base + moved


def test_a_post_void_gives_back_exactly_what_its_basket_took(full_play: Play) -> None:
    voiding = next(t for t in full_play.transactions if t.kind is Kind.POST_VOID)
    basket = next(t for t in full_play.transactions if t.key == voiding.voids)
    only = replace(full_play, transactions=(basket, voiding), counts=(), receipts=())
    assert set(judge(only).on_hand_milli.values()) == {0}


def test_a_return_adds_to_the_store_that_took_it_back(full_play: Play) -> None:
    returned = next(t for t in full_play.transactions if t.lines[0].kind is LineKind.RETURN)
    only = replace(full_play, transactions=(returned,), counts=(), receipts=())
    location = full_play.places[returned.key.store].location
    assert judge(only).on_hand_milli == {
        (location, line.sku): line.quantity_milli for line in returned.lines
    }


def test_void_lines_training_and_lines_without_quantity_move_nothing(full_play: Play) -> None:
    def still(t: Transaction) -> Transaction:
        kept = tuple(line for line in t.lines if line.void or line.quantity_milli == 0)
        return t if t.kind in (Kind.TRAINING, Kind.CANCELLED) else replace(t, lines=kept)

    only = replace(full_play, transactions=tuple(map(still, full_play.transactions)))
    assert list(till_movements(only)) == []
    assert judge(only).facts.without_quantity > 100


def test_the_web_sells_what_its_places_can_spare_and_never_less_than_nothing(
    full_play: Play,
) -> None:
    ledger = judge(full_play)
    erp = full_play.owned_by(Owner.ERP)
    assert set(ledger.web_ats_milli) == set(full_play.erp_skus)
    for sku, ats_milli in ledger.web_ats_milli.items():
        spare = [
            ledger.on_hand_milli.get((p.location, sku), 0) - p.safety_milli for p in erp
        ]  # fmt: skip
        assert ats_milli == sum(milli for milli in spare if milli > 0)
        assert ats_milli % 1000 == 0
    assert any(shelf[0] in ledger.erp_movements for shelf in ledger.shortages)


def test_facts_are_the_lines_that_happened_the_counts_and_the_receipts(full_play: Play) -> None:
    facts = judge(full_play).facts
    lines = sum(len(t.fact_lines) for t in full_play.transactions)
    assert facts.total == lines + facts.counts + facts.receipts
    assert facts.total > 20_000
    tills = list(till_movements(full_play))
    assert facts.moving == len(tills) + facts.receipts
    assert len({(move.cause, move.line) for move in tills}) == len(tills)


def test_the_erp_learns_every_till_movement_of_its_places_and_no_other(full_play: Play) -> None:
    ledger = judge(full_play)
    tills = [m for m in till_movements(full_play) if m.location in ledger.erp_movements]
    told = [move for moves in ledger.erp_movements.values() for move in moves]
    assert sorted(told, key=repr) == sorted(tills, key=repr)
    assert ledger.erp_movements["warehouse-central"] == ()


def test_a_play_judged_by_hand(play: Play) -> None:
    place = play.owned_by(Owner.ERP)[0]
    sold = next(t for t in play.transactions if t.facts and t.lines[0].kind is LineKind.SALE)
    key = replace(sold.key, store=place.code)
    line = replace(sold.fact_lines[0], quantity_milli=3000)
    at_us = instant_us(datetime.combine(play.first_day, datetime.min.time()), place.tz)
    count = next(c for c in play.counts if c.key.store == place.code)
    counted = replace(count, lines=(replace(count.lines[0], sku=line.sku, quantity_milli=9000),))
    sale = replace(sold, key=key, lines=(line,), occurred_at_us=at_us + 1)
    ledger = judge(replace(play, transactions=(sale,), counts=(counted,), receipts=()))
    assert ledger.on_hand_milli == {(place.location, line.sku): 6000}
    assert ledger.web_ats_milli == {line.sku: 5000}
