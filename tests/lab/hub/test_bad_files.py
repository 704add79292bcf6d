"""Bad till files: each waits or is refused with its reason and cure; the files beside it count."""

import shlex

import pytest
from running_hub import STORE, Hub
from till_files import Sold, counted, poslog, sold

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><POSLog><Transaction>&c;</Transaction></POSLog>'
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<POSLog><Transaction>&x;</Transaction></POSLog>"
)
BROKEN = "<POSLog><Transaction><RetailStoreID>367</Transaction></POSLog>"
STRANGE = "<Invoices><Invoice/></Invoices>"


@pytest.mark.parametrize(
    ("item", "name", "text", "reason"),
    [
        ("T-0", "bomb.xml", BOMB, "it defines a DTD or entities"),
        ("T-1", "outside.xml", OUTSIDE, "it defines a DTD or entities"),
        ("T-2", "broken.xml", BROKEN, "it is not well-formed XML"),
        ("T-3", "strange.xml", STRANGE, "its root is <Invoices>, not <POSLog>"),
    ],
)
def test_a_file_that_is_no_poslog_waits_alone(
    hub: Hub, item: str, name: str, text: str, reason: str
) -> None:
    hub.drop(name, text)
    number = 1000 + int(item[2:])
    hub.drop(f"{item}.xml", poslog(counted(number, item, 8), sold(number, item)))
    hub.until_on_hand(item, 7_000)
    (parked,) = hub.until(lambda: hub.parked(f"file {name}"), f"{name} is parked")
    assert (parked["task"], parked["record_type"]) == ("split-poslog", "RawDelivery")
    assert reason in parked["error"]
    assert f"look at archive/{name}" in parked["cure"]
    assert (hub.archive / name).read_text() == text
    assert "passwd" not in parked["error"]
    assert "root:" not in parked["error"]


def test_a_half_written_file_waits_and_is_then_taken_whole(hub: Hub) -> None:
    whole = poslog(counted(1100, "T-5", 20), sold(1100, "T-5"), sold(1101, "T-5", 2))
    half = len(whole) // 2
    growing = hub.incoming / "growing.xml"
    growing.write_text(whole[:half])
    hub.drop("beside.xml", poslog(counted(1102, "T-6", 3)))
    hub.until_on_hand("T-6", 3_000)
    hub.settle()
    assert growing.exists()
    assert hub.on_hand("T-5") is None
    assert not hub.parked("growing.xml")
    with growing.open("a") as file:
        file.write(whole[half:])
    hub.until_on_hand("T-5", 17_000)
    assert not growing.exists()


def test_an_unknown_item_waits_until_the_cure_is_run_and_is_then_applied(hub: Hub) -> None:
    hub.drop("new-item.xml", poslog(counted(1200, "NEW-1", 9), sold(1200, "NEW-1", 2)))
    hub.drop("known.xml", poslog(counted(1201, "T-10", 4)))
    hub.until_on_hand("T-10", 4_000)
    parked = hub.until(lambda: both(hub.parked("'NEW-1'")), "two lines wait")
    assert {row["error"] for row in parked} == {"sku 'NEW-1' of pos has no canonical id"}
    run_the_cure(hub, parked[0]["cure"], "N-1")
    hub.until_on_hand("N-1", 7_000)
    hub.until(lambda: not hub.parked("'NEW-1'"), "nothing waits")


def test_an_unknown_store_waits_until_the_cure_is_run_and_is_then_applied(hub: Hub) -> None:
    lines = (counted(1300, "T-11", 6, store="999"), sold(1300, "T-11", store="999"))
    hub.drop("new-store.xml", poslog(*lines, counted(1301, "T-11", 5)))
    hub.until_on_hand("T-11", 5_000)
    parked = hub.until(lambda: both(hub.parked("'999'")), "two lines wait")
    missing = hub.command_json("map", "missing")
    assert {"records": 2, "set it with": parked[0]["cure"]} in missing
    run_the_cure(hub, parked[0]["cure"], "store-999")
    hub.until_on_hand("T-11", 5_000, "store-999")
    hub.until(lambda: not hub.parked("'999'"), "nothing waits")
    assert hub.on_hand("T-11") == 5_000


def both(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows when both are there."""
    return found if len(found) == 2 else []


def run_the_cure(hub: Hub, cure: str, canonical: str) -> None:
    """Type the parked record's cure, with the one word filled in that only a person knows."""
    program, *words, blank = shlex.split(cure)
    assert (program, blank) == ("omnihub", "CANONICAL")
    done = hub.command(*words, canonical)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("item", "quantity", "reason_code", "words"),
    [
        ("T-15", "-3", "negative_quantity", "is negative; send a Return"),
        ("T-16", "many", "bad_quantity", "is no number"),
        ("T-17", "0.0001", "bad_quantity", "at most three decimal places"),
    ],
)
def test_a_line_with_an_impossible_quantity_is_refused_and_the_lines_beside_it_count(
    hub: Hub, item: str, quantity: str, reason_code: str, words: str
) -> None:
    number = 1400 + int(item[2:])
    receipt = Sold(number, ((item, "1"), (item, quantity), (item, "2")))
    hub.drop(f"{item}.xml", poslog(counted(number, item, 10), receipt))
    hub.until_on_hand(item, 7_000)
    key = f"367:3:2026-11-16:{number}:2"
    (refused,) = hub.until(lambda: hub.rejected(key), "refused")
    assert (refused["reason_code"], refused["source"]) == (reason_code, "pos")
    assert words in refused["detail"]
    assert key in refused["detail"]
    assert not hub.parked(key)


def test_an_operator_sees_with_one_command_what_the_api_shows(hub: Hub) -> None:
    hub.drop("told.xml", "<Told></Told>")
    (parked,) = hub.until(lambda: hub.parked("file told.xml"), "parked")
    listed = hub.command_json("hospital", "list")
    (same,) = [row for row in listed if "file told.xml" in row["error"]]
    assert {name: same[name] for name in ("task", "park_key", "error", "cure")} == {
        name: parked[name] for name in ("task", "park_key", "error", "cure")
    }
    assert "look at archive/told.xml" in hub.command("hospital", "list").stdout


def test_a_sku_that_nobody_told_of_is_404_with_the_way_it_appears(hub: Hub) -> None:
    answer = hub.get("/v1/stock/nothing-like-it")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-sku")
    assert "first count or movement" in answer.json()["detail"]
    assert hub.command("stock", "nothing-like-it").returncode == 1
    assert hub.level("nothing-like-it", STORE) is None
