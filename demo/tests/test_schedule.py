"""The timetable, and the proof that its files carry the ledger's truth: a reader of a few lines
that knows nothing of the play follows every file in the order of delivery."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from omnihub_demo.ledger import judge, on_hand_of, receipt_movements
from omnihub_demo.plan import stage
from omnihub_demo.play import Document, Owner, Play, Transaction, TransactionKey, instant_us
from omnihub_demo.poslog import render
from omnihub_demo.schedule import (
    RECEIPT_HOURS,
    Delivery,
    DropFile,
    Pace,
    Phase,
    PostCount,
    PostReceipt,
    Timetable,
    count_faults,
    schedule,
)
from omnihub_demo.source import SourceWeek, read_week

Told = dict[tuple[str, str], list[tuple[int, int]]]


@pytest.fixture(scope="module")
def timetable(full_play: Play) -> Timetable:
    return schedule(full_play)


def files(timetable: Timetable) -> list[tuple[Phase, DropFile]]:
    return [(d.phase, d.act) for d in timetable.deliveries if isinstance(d.act, DropFile)]


def test_the_same_play_gives_the_same_timetable(full_play: Play, timetable: Timetable) -> None:
    assert schedule(full_play) == timetable


def test_everything_is_delivered(full_play: Play, timetable: Timetable) -> None:
    told = {document.key for _, file in files(timetable) for document in file.documents}
    posted = {d.act.count.key for d in timetable.deliveries if isinstance(d.act, PostCount)}
    received = [d.act.receipt for d in timetable.deliveries if isinstance(d.act, PostReceipt)]
    documents: list[Document] = [*full_play.transactions, *full_play.counts]
    assert told | posted == {document.key for document in documents}
    assert not told & posted
    assert Counter(received) == Counter(full_play.receipts)


def test_receipts_come_one_after_another_in_their_hours_and_leave_the_pause_free(
    timetable: Timetable,
) -> None:
    day_s = timetable.lengths_s[Phase.DAY]
    at = [d.at_s / day_s for d in timetable.deliveries if isinstance(d.act, PostReceipt)]
    assert all(any(begin <= x <= end for begin, end in RECEIPT_HOURS) for x in at)
    slot = sum(end - begin for begin, end in RECEIPT_HOURS) / len(at)
    assert all(after - before > slot for before, after in zip(at, at[2:], strict=False))


def test_week_52_lasts_at_most_four_minutes_at_150_facts_a_second_or_more(
    timetable: Timetable,
) -> None:
    assert timetable.base_rate >= 150
    assert timetable.total_s <= 240 + 1e-6


def test_phases_come_in_order_and_deliveries_in_order_of_time(timetable: Timetable) -> None:
    for before, after in pairwise(timetable.deliveries):
        same = before.phase is after.phase
        assert same or list(Phase).index(before.phase) < list(Phase).index(after.phase)
        assert not same or before.at_s <= after.at_s
    assert all(
        d.at_s <= timetable.lengths_s[d.phase] + 1e-6 for d in timetable.deliveries
    )  # fmt: skip


def test_no_two_files_have_one_name(timetable: Timetable) -> None:
    names = Counter(file.name for _, file in files(timetable))
    assert max(names.values()) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_fault_is_in_the_shortest_week_too(
    short_week: SourceWeek, seed: int, now_us: int
) -> None:
    injected = schedule(stage(short_week, seed, now_us)).injected
    assert min(injected.values()) > 0, injected


def test_a_play_without_faults_counts_none(full_play: Play) -> None:
    calm = Pace(
        delayed_share=0, early_return_share=0, bundle_share=0, half_written_files=0,
        late_baskets=1, late_count_files=0,
    )  # fmt: skip
    quiet = replace(
        full_play,
        counts=tuple(c for c in full_play.counts if c.as_of.date() == full_play.first_day),
    )
    injected = schedule(quiet, calm).injected
    assert (injected["reordered"], injected["late"], injected["half_written"]) == (0, 1, 0)


def test_faults_are_counted_as_they_are(play: Play) -> None:
    by_store: dict[str, list[Transaction]] = {}
    for t in play.transactions:
        by_store.setdefault(t.key.store, []).append(t)
    a, b, c, d = next(ts for ts in by_store.values() if len(ts) > 3)[:4]
    told = [("1", (b,)), ("2", (a, c)), ("3", (b,))]
    deliveries = [Delivery(Phase.DAY, 0, DropFile(name, docs)) for name, docs in told]
    deliveries.append(Delivery(Phase.CLOSING, 0, DropFile("4", (d,), half_written=True)))
    assert count_faults(deliveries) == {
        "duplicates": 1, "reordered": 1, "late": 1, "half_written": 1,
    }  # fmt: skip


def test_some_goods_come_back_before_the_file_that_sold_them(timetable: Timetable) -> None:
    seen: set[TransactionKey] = set()
    early = 0
    for _, file in files(timetable):
        for document in file.documents:
            if isinstance(document, Transaction):
                origins = {line.origin[0] for line in document.lines if line.origin}
                early += not origins <= seen
            seen.add(document.key)
    assert early > 10


def test_a_document_comes_again_in_another_file_alone_and_among_others(
    timetable: Timetable,
) -> None:
    seen, sizes = set(), set()
    for _, file in files(timetable):
        sizes |= {len(file.documents) > 1 for d in file.documents if d.key in seen}
        seen |= {document.key for document in file.documents}
    assert sizes == {True, False}


@pytest.mark.parametrize(("week", "seed"), [(52, 1), (1, 2), (53, 3)])
def test_a_reader_of_the_files_comes_to_the_ledgers_stock(
    week: int, seed: int, now_us: int
) -> None:
    play = stage(read_week(week), seed, now_us)
    counts, moves = follow(play, schedule(play))
    shelves = counts.keys() | moves.keys()
    read = {shelf: on_hand_of(counts.get(shelf, ()), moves.get(shelf, ())) for shelf in shelves}
    assert read == judge(play).on_hand_milli


def follow(play: Play, timetable: Timetable) -> tuple[Told, Told]:
    counts: Told = {}
    moves: Told = {}
    seen: set[tuple[str, ...]] = set()
    zones = {place.code: (place.location, place.tz) for place in play.places.values()}
    for _, file in files(timetable):
        for element in ElementTree.fromstring(render(file.documents, play.products)):
            _strip(element)
            key = tuple(element[n].text or "" for n in range(4))
            if key not in seen and not element.attrib:
                _read(element, zones[key[0]], counts, moves)
            seen.add(key)
    for count in (d.act.count for d in timetable.deliveries if isinstance(d.act, PostCount)):
        assert play.places[count.key.store].owner is Owner.ERP
        for line in count.lines:
            shelf = (play.places[count.key.store].location, line.sku)
            counts.setdefault(shelf, []).append((count.occurred_at_us, line.quantity_milli))
    for move in receipt_movements(play):
        shelf = (move.location, move.sku)
        moves.setdefault(shelf, []).append((move.occurred_at_us, move.delta_milli))
    return counts, moves


def _read(element: ElementTree.Element, place: tuple[str, str], counts: Told, moves: Told) -> None:
    location, tz = place
    void = element.find("RetailTransaction/TransactionLink[@ReasonCode='Void']") is not None
    as_of = element.findtext(".//AsOfDateTime", "")
    at = datetime.fromisoformat(as_of or element.findtext("EndDateTime", ""))
    at_us = instant_us(at, tz)
    for line in element.iter("LineItem"):
        quantity = line.findtext(".//Quantity")
        if quantity is None or line.attrib:
            continue
        shelf, milli = (location, line.findtext(".//ItemID", "")), int(Decimal(quantity) * 1000)
        if as_of:
            counts.setdefault(shelf, []).append((at_us, milli))
        elif milli:
            inward = (line.find("Return") is not None) is not void
            moves.setdefault(shelf, []).append((at_us, milli if inward else -milli))


def _strip(element: ElementTree.Element) -> None:
    for part in element.iter():
        part.tag = part.tag.rpartition("}")[2]
