from collections import Counter
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from omnihub_demo.archive import keys_of, read_archive
from omnihub_demo.play import EACH, LITRE, Play, TransactionKey
from omnihub_demo.poslog import NAMESPACE, drop, drop_slowly, quantity, render
from omnihub_demo.samples import samples

SAMPLES = Path(__file__).parents[2] / "connectors/omnihub_connectors/poslog/samples"
NS = {"p": NAMESPACE}
SALE = TransactionKey("367", 3, 1042, date(2026, 11, 16))


@pytest.mark.parametrize(("name", "body"), samples().items(), ids=samples())
def test_the_connectors_samples_are_what_we_write(name: str, body: bytes) -> None:
    assert (SAMPLES / name).read_bytes() == body


def test_a_file_ends_with_the_root_so_that_a_reader_knows_it_is_whole() -> None:
    assert all(body.rstrip().endswith(b"</POSLog>") for body in samples().values())


def test_a_post_void_names_the_receipt_it_voids_and_repeats_its_lines() -> None:
    void = ElementTree.fromstring(samples()["post-void.xml"])
    link = void.find("p:Transaction/p:RetailTransaction/p:TransactionLink[@ReasonCode='Void']", NS)
    assert link is not None
    assert [part.text for part in link] == ["367", "3", "1042", "2026-11-16"]
    assert keys_of(samples()["sale.xml"]) == [SALE]
    items = [item.text for item in void.iterfind(".//p:ItemID", NS)]
    sale = ElementTree.fromstring(samples()["sale.xml"])
    assert items == [item.text for item in sale.iterfind(".//p:ItemID", NS)]


def test_totals_leave_void_lines_out() -> None:
    void_line = ElementTree.fromstring(samples()["void-line.xml"])
    total = void_line.findtext(".//p:Total", namespaces=NS)
    assert total == "6.98"


@pytest.mark.parametrize(
    ("milli", "unit", "printed"),
    [(2000, EACH, "2"), (0, EACH, "0"), (29_383, LITRE, "29.383"), (5, LITRE, "0.005"),
     (12_000, LITRE, "12.000"), (1500, EACH, "1.500")],
)  # fmt: skip
def test_quantities_are_printed_exactly(milli: int, unit: str, printed: str) -> None:
    assert quantity(milli, unit) == printed


def test_a_whole_play_is_well_formed_and_keeps_its_keys(play: Play) -> None:
    body = render(play.transactions, play.products)
    assert keys_of(body) == [transaction.key for transaction in play.transactions]


def test_a_dropped_file_appears_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    drop(tmp_path, "a.xml", b"<POSLog/>")
    assert [path.name for path in tmp_path.iterdir()] == ["a.xml"]
    assert (tmp_path / "a.xml").read_bytes() == b"<POSLog/>"


def test_a_slowly_written_file_is_seen_half(tmp_path: Path) -> None:
    body, seen = samples()["sale.xml"], []
    drop_slowly(tmp_path, "a.xml", body, lambda: seen.append((tmp_path / "a.xml").read_bytes()))
    assert seen == [body[: len(body) // 2]]
    assert (tmp_path / "a.xml").read_bytes() == body


def test_the_archive_tells_how_often_each_transaction_came(tmp_path: Path) -> None:
    for name, sample in (("a.xml", "sale.xml"), ("a.xml.1", "sale.xml"), ("b.xml", "return.xml")):
        (tmp_path / name).write_bytes(samples()[sample])
    (tmp_path / "notes.txt").write_text("no POSLog")
    returned = TransactionKey("367", 80, 7, date(2026, 11, 16))
    assert read_archive(tmp_path) == Counter({SALE: 2, returned: 1})
