from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import pytest
from omnihub_demo.places import ERP_RANKS, choose_places, first_day
from omnihub_demo.plan import stage
from omnihub_demo.play import LITRE, Document, Kind, LineKind, Owner, Play, instant_us, local_at
from omnihub_demo.source import SourceWeek, read_week

NEW_YORK = "America/New_York"


def test_the_same_seed_gives_the_same_play_and_another_seed_another(
    short_week: SourceWeek, now_us: int
) -> None:
    assert stage(short_week, 1, now_us) == stage(short_week, 1, now_us)
    assert stage(short_week, 1, now_us) != stage(short_week, 2, now_us)


def test_every_line_of_the_week_is_sold_once_except_the_fuel_of_the_erps_stores(
    full_play: Play,
) -> None:
    baskets = [t for t in full_play.transactions if t.kind is Kind.BASKET]
    sold = [x for t in baskets for x in t.fact_lines if x.kind is LineKind.SALE]
    assert len(sold) + full_play.left_out["fuel_lines_of_erp_stores"] == 33_126
    assert 0 < full_play.left_out["fuel_lines_of_erp_stores"] < 50


def test_an_unknown_week_is_refused() -> None:
    with pytest.raises(ValueError, match="week is 54: the data set has 1 to 53"):
        read_week(54)


def test_the_erp_owns_the_warehouse_and_the_stores_ranked_61_to_65(full_play: Play) -> None:
    lines = Counter(
        {t.key.store: 0 for t in full_play.transactions},
    )
    for line in read_week(52).lines:
        lines[line.store] += 1
    ranked = sorted(lines, key=lambda code: (-lines[code], int(code)))
    erp = {place.code for place in full_play.owned_by(Owner.ERP)}
    assert erp == {"CENTRAL", *ranked[ERP_RANKS]}


def test_a_week_with_few_stores_gives_the_erp_the_last_five() -> None:
    stores = [str(code) for code in range(1, 11) for _ in range(code)]
    erp = {place.code for place in choose_places(stores, 1).values() if place.owner is Owner.ERP}
    assert erp == {"CENTRAL", "1", "2", "3", "4", "5"}


def test_the_play_fills_the_seven_days_before_now_and_nothing_lies_in_the_future(
    full_play: Play, now_us: int
) -> None:
    assert full_play.first_day == date(2026, 11, 15)
    instants = [t.occurred_at_us for t in full_play.transactions]
    assert max(instants) < now_us
    assert min(instants) >= instant_us(datetime(2026, 11, 15), NEW_YORK)
    days = {t.ended_at.date() for t in full_play.transactions}
    assert days == {full_play.first_day + timedelta(days=n) for n in range(7)}


def test_the_first_day_waits_until_the_last_zone_has_left_yesterday() -> None:
    half_past_midnight = instant_us(datetime(2026, 11, 22, 0, 30), NEW_YORK)
    assert first_day(half_past_midnight) == date(2026, 11, 14)
    half_past_midnight_in_denver = half_past_midnight + 2 * 3_600_000_000
    assert first_day(half_past_midnight_in_denver) == date(2026, 11, 15)


def test_keys_are_unique_and_no_part_of_them_can_be_left_out(full_play: Play) -> None:
    documents: list[Document] = [*full_play.transactions, *full_play.counts]
    keys = [document.key for document in documents]
    assert len(set(keys)) == len(keys)
    without_day = {(k.store, k.workstation, k.sequence) for k in keys}
    without_till = {(k.store, k.sequence, k.business_day) for k in keys}
    without_store = {(k.workstation, k.sequence, k.business_day) for k in keys}
    fewer = (len(without_day), len(without_till), len(without_store))
    assert max(fewer) < len(keys)


def test_a_sale_after_midnight_belongs_to_the_trading_day_before(full_play: Play) -> None:
    night = [t for t in full_play.transactions if t.ended_at.hour < 4]
    assert night
    assert all(t.key.business_day == t.ended_at.date() - timedelta(days=1) for t in night)


def test_line_numbers_are_unique_in_a_transaction_and_some_lines_are_void(full_play: Play) -> None:
    assert all(
        len({line.number for line in t.lines}) == len(t.lines) for t in full_play.transactions
    )
    assert sum(line.void for t in full_play.transactions for line in t.lines) > 50


def test_no_more_comes_back_than_was_sold_and_never_before_the_sale(full_play: Play) -> None:
    sales = {t.key: t for t in full_play.transactions}
    back: Counter[object] = Counter()
    for returned in full_play.transactions:
        for line in returned.lines:
            if line.origin is not None:
                key, number = line.origin
                sold = next(x for x in sales[key].fact_lines if x.number == number)
                back[line.origin] += line.quantity_milli
                assert sold.sku == line.sku
                assert back[line.origin] <= sold.quantity_milli
                assert sales[key].occurred_at_us < returned.occurred_at_us
    assert len(back) > 100
    elsewhere = {t.key.store != x.origin[0].store for t in full_play.transactions
                 for x in t.lines if x.origin}  # fmt: skip
    assert elsewhere == {True, False}


def test_a_voided_receipt_is_voided_once_and_nothing_of_it_comes_back(full_play: Play) -> None:
    voided = [t.voids for t in full_play.transactions if t.voids is not None]
    origins = {x.origin[0] for t in full_play.transactions for x in t.lines if x.origin}
    assert len(voided) == len(set(voided)) > 10
    assert not origins & set(voided)


def test_training_and_cancelled_transactions_hold_no_facts(play: Play) -> None:
    unreal = [t for t in play.transactions if t.kind in (Kind.TRAINING, Kind.CANCELLED)]
    assert {t.kind for t in unreal} == {Kind.TRAINING, Kind.CANCELLED}
    assert all(t.facts == 0 < len(t.lines) for t in unreal)


def test_fuel_is_in_thousandths_of_a_litre_and_never_in_the_erps_places(full_play: Play) -> None:
    erp = {place.code for place in full_play.owned_by(Owner.ERP)}
    fuel = [
        (t.key.store, x)
        for t in full_play.transactions
        for x in t.lines
        if x.unit == LITRE
    ]  # fmt: skip
    assert len(fuel) > 200
    assert all(store not in erp for store, _ in fuel)
    assert all(line.quantity_milli < 100_000 for _, line in fuel)
    assert all(full_play.products[sku].unit != LITRE for sku in full_play.erp_skus)


def test_every_sold_shelf_is_counted_at_its_first_midnight_and_some_counts_are_short(
    full_play: Play,
) -> None:
    counted: dict[tuple[str, str], int] = {}
    for count in full_play.counts:
        if count.as_of.date() == full_play.first_day:
            counted |= {(count.key.store, x.sku): x.quantity_milli for x in count.lines}
    sold: dict[tuple[str, str], int] = defaultdict(int)
    for t in full_play.transactions:
        for x in t.fact_lines:
            if t.kind is Kind.BASKET and x.kind is LineKind.SALE:
                sold[t.key.store, x.sku] += x.quantity_milli
    assert sold.keys() <= counted.keys()
    short = sum(counted[shelf] < quantity for shelf, quantity in sold.items())
    assert 0.005 < short / len(sold) < 0.05


def test_a_count_has_at_most_a_hundred_lines_each_of_another_sku(full_play: Play) -> None:
    for count in full_play.counts:
        assert 0 < len({x.sku for x in count.lines}) == len(count.lines) <= 100


def test_receipts_come_to_the_erps_places_from_the_second_day_on(full_play: Play) -> None:
    erp = {place.code for place in full_play.owned_by(Owner.ERP)}
    assert {receipt.place for receipt in full_play.receipts} == erp
    assert min(receipt.day for receipt in full_play.receipts) > full_play.first_day
    assert len({receipt.reference for receipt in full_play.receipts}) == len(full_play.receipts)


@pytest.mark.parametrize(
    ("local", "offset_h"),
    [
        (datetime(2026, 11, 1, 1, 30), 4),  # exists twice: the first
        (datetime(2026, 3, 8, 2, 30), 5),  # does not exist: the offset before the change
    ],
)
def test_odd_local_times_are_read_as_the_format_says(local: datetime, offset_h: int) -> None:
    utc = local_at(instant_us(local, NEW_YORK), "UTC")
    assert utc - local == timedelta(hours=offset_h)
